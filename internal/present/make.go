package present

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// Make returns the document of a plan.
func Make(p Plan) Document {
	doc := Document{Version: Version, Tool: p.Tool, Clusters: make([]Cluster, 0, len(p.Entries))}
	for _, e := range p.Entries {
		c := cluster(e)
		doc.Changes = doc.Changes || len(c.Changes) > 0
		doc.Clusters = append(doc.Clusters, c)
	}
	doc.Verdict = verdict(sum(doc.Clusters))
	return doc
}

func cluster(e Entry) Cluster {
	c := Cluster{
		Path: e.Path, Base: e.Set.Base, Head: e.Set.Head, Fidelity: string(e.Set.Fidelity), All: e.Set.All,
		Seconds:    Seconds{e.Took.Base.Seconds(), e.Took.Head.Seconds()},
		Findings:   findings(e.Findings),
		NeverReady: causes(e.Set),
		Images:     images(e.Set),
		Changes:    make([]Unit, 0, len(e.Set.Units)), Placeholders: make([]Placeholder, 0, len(e.Set.Placeholders)),
		Notes: e.Notes,
	}
	for _, u := range e.Set.Units {
		c.Changes = append(c.Changes, unitOf(u))
		c.Units.add(u.Op)
		for _, o := range u.Objects {
			c.Objects.add(o.Op)
		}
	}
	for _, f := range c.Findings {
		c.Severities.add(f)
	}
	for _, p := range e.Set.Placeholders {
		c.Placeholders = append(c.Placeholders, Placeholder{Ref: refOf(p.Object), Keys: p.Keys, By: keysOf(p.By)})
	}
	c.Verdict = verdict(c)
	return c
}

func unitOf(u change.Unit) Unit {
	out := Unit{
		Ref: keyOf(u.Key), Op: u.Op, Why: u.Why, Parent: keyOf(u.Parent), Origin: originOf(&u.Origin),
		Before: standing(u.Before), After: standing(u.After),
		Spec: fieldsOf(u.Spec, nil, nil), Release: releaseOf(u.Release),
	}
	out.KubeConfig = u.Cluster
	for _, o := range u.Objects {
		out.Objects = append(out.Objects, objectOf(o))
	}
	for _, w := range u.Warnings {
		out.Warnings = append(out.Warnings, w.String())
	}
	return out
}

func standing(s change.Standing) *Standing {
	if s.State == "" {
		return nil
	}
	return &Standing{State: string(s.State), Reason: s.Reason, Message: s.Message, On: s.On, Revision: s.Revision}
}

func releaseOf(r *change.Release) *Release {
	if r == nil {
		return nil
	}
	return &Release{
		Name: r.Namespace + "/" + r.Name, Op: r.Op,
		Before: Chart{r.Chart[0], r.Version[0]}, After: Chart{r.Chart[1], r.Version[1]},
		Values: fieldsOf(r.Values, nil, nil),
	}
}

func objectOf(o change.Object) Object {
	out := Object{
		Ref: refOf(o.Ref), Op: o.Op, Why: o.Why, Origin: originOf(&o.Origin),
		Fields: fieldsOf(o.Fields, o.Before, o.After),
	}
	switch {
	case o.Op == change.Create, o.Op == change.Refuse && o.Before == nil:
		out.Manifest = manifest(o.After)
	case o.Op == change.Delete, o.Op == change.Orphan:
		out.Manifest = manifest(o.Before)
	}
	return out
}

// manifest is an object as JSON; one that cannot be encoded has none.
func manifest(u *unstructured.Unstructured) json.RawMessage {
	if u == nil {
		return nil
	}
	data, err := json.Marshal(u.Object)
	if err != nil {
		return nil
	}
	return data
}

func fieldsOf(fields []change.Field, before, after *unstructured.Unstructured) []Field {
	out := make([]Field, 0, len(fields))
	for _, f := range fields {
		name := fieldName(f.Path, tree(after), tree(before))
		if f.After == "" { // a list counts its elements as they were
			name = fieldName(f.Path, tree(before), tree(after))
		}
		out = append(out, Field{
			Path: f.Path, Name: name, Before: raw(f.Before), After: raw(f.After), Origin: originOf(f.Origin),
		})
	}
	return out
}

// raw is a value as JSON, nil where there is none.
func raw(v plan.Value) json.RawMessage {
	if v == "" {
		return nil
	}
	return json.RawMessage(v)
}

func tree(u *unstructured.Unstructured) any {
	if u == nil {
		return nil
	}
	return u.Object
}

func findings(found []finding.Finding) []Finding {
	out := make([]Finding, 0, len(found))
	for _, f := range found {
		file, line := place(f.At)
		out = append(out, Finding{
			Rule: f.Rule, Severity: f.Severity.String(), Unit: keyOf(f.Unit), Object: refOf(f.Object),
			Field: f.Field, Name: fieldName(f.Field), Message: f.Message, File: file, Line: line, Old: f.Old, Allowed: f.Allowed, AllowedBy: f.AllowedBy,
		})
	}
	slices.SortStableFunc(out, compareFindings)
	return out
}

// compareFindings orders findings, the most dangerous first.
func compareFindings(a, b Finding) int {
	return cmp.Or(quiet(a)-quiet(b), slices.Index(severities, a.Severity)-slices.Index(severities, b.Severity))
}

// severities, most dangerous first.
var severities = []string{"danger", "warning", "info"}

// quiet ranks findings that this change did not bring, or that are allowed, last.
func quiet(f Finding) int {
	switch {
	case f.Allowed:
		return 2
	case f.Old:
		return 1
	}
	return 0
}

// place splits file:line.
func place(at string) (string, int) {
	i := strings.LastIndexByte(at, ':')
	if i < 0 {
		return at, 0
	}
	line, err := strconv.Atoi(at[i+1:])
	if err != nil || line < 1 {
		return at, 0
	}
	return at[:i], line
}

func originOf(o *fleet.Origin) Origin {
	if o == nil {
		return Origin{}
	}
	return Origin{Source: keyOf(o.Source).String(), File: o.File, Line: o.Line, Chain: o.Chain}
}

// At is file:line, or what of it is known.
func (o Origin) At() string { return fleet.Origin{File: o.File, Line: o.Line}.At() }

// At is file:line, or what of it is known.
func (f Finding) At() string { return fleet.Origin{File: f.File, Line: f.Line}.At() }

func refOf(r object.Ref) Ref {
	if r.IsZero() {
		return Ref{}
	}
	return Ref{APIVersion: r.APIVersion(), Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, KubeConfig: r.Cluster}
}

// keyOf names a unit: its API group is known by its kind.
func keyOf(k object.Key) Ref { return Ref{Kind: k.Kind, Namespace: k.Namespace, Name: k.Name} }

func keysOf(keys []object.Key) []Ref {
	out := make([]Ref, 0, len(keys))
	for _, k := range keys {
		out = append(out, keyOf(k))
	}
	return out
}
