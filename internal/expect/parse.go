package expect

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
)

// Version names the format of the file. Fields are only ever added to it.
const Version = "leat.dev/test/v1"

// Spec is a file of expectations.
type Spec struct{ Clusters []Cluster }

// Cluster is what is expected of one cluster.
type Cluster struct {
	Path   string            // of its entry: clusters/prod
	Inputs []string          // files of objects that live outside Git, relative to the file
	Values map[string]string // of keys of what would be made up
	// Ready is all, where every unit must be ready that Units does not name.
	Ready        Text
	Units        []Unit
	Objects      []Objects
	Images       Images
	Findings     Findings
	Placeholders *Number // at most

	file string
}

// Unit is a unit that must stand in a way.
type Unit struct {
	Name  Text // Kind/namespace/name
	State Text // ready where nothing is said
}

// States beside those of fleet.State.
const (
	stateRendered = "rendered" // in whatever state, but built
	stateAbsent   = "absent"
)

var stateNames = []string{string(fleet.Ready), string(fleet.Suspended), string(fleet.Waiting), string(fleet.Failed), stateRendered, stateAbsent}

// Objects is how many objects of a kind there must be.
type Objects struct {
	Kind  Text // Deployment, or Certificate.cert-manager.io
	Count Count
}

// Images are patterns of images that containers must use, and must not.
type Images struct{ Require, Forbid []Text }

// Findings are those that must not be.
type Findings struct {
	Fail  Text   // as --fail-on: danger, warning, info, names of rules
	Allow []Text // rules

	failOn finding.FailOn
}

// Text is a text and where it stands.
type Text struct {
	value        string
	line, column int
}

// Number is a number and its line.
type Number struct{ value, line int }

// Count is a condition on a number: 3, >=3, <=3.
type Count struct {
	text string
	op   string
	n    int
}

func (c Count) holds(n int) bool {
	switch c.op {
	case ">=":
		return n >= c.n
	case "<=":
		return n <= c.n
	}
	return n == c.n
}

// Parse reads a file of expectations. Errors say file:line:column; all
// of them are told.
func Parse(file string, data []byte) (Spec, error) {
	r := &reader{file: file}
	spec := Spec{}
	doc := r.document(data)
	if doc == nil {
		return spec, r.err()
	}
	root := r.fields(doc, "$schema", "apiVersion", "kind", "clusters")
	r.header(doc, root, Version, kind)
	for _, n := range r.list(root["clusters"]) {
		spec.Clusters = append(spec.Clusters, r.cluster(n))
	}
	if len(spec.Clusters) == 0 {
		r.fail(doc, "it names no cluster")
	}
	return spec, r.err()
}

// kind is the only one of the format.
const kind = "FleetTest"

func (r *reader) cluster(n *yaml.Node) Cluster {
	f := r.fields(n, "path", "inputs", "values", "ready", "units", "objects", "images", "findings", "placeholders")
	c := Cluster{file: r.file, Path: r.text(f["path"]).value, Ready: r.text(f["ready"]), Values: map[string]string{}}
	if f["path"] == nil && n.Kind == yaml.MappingNode {
		r.fail(n, "it has no path")
	}
	if c.Ready.line > 0 && c.Ready.value != "all" {
		r.fail(f["ready"], "ready is %q, want all", c.Ready.value)
	}
	for _, t := range r.texts(f["inputs"]) {
		c.Inputs = append(c.Inputs, t.value)
	}
	for _, pair := range r.pairs(f["values"]) {
		c.Values[pair[0].Value] = r.text(pair[1]).value
	}
	for _, u := range r.list(f["units"]) {
		c.Units = append(c.Units, r.unit(u))
	}
	for _, pair := range r.pairs(f["objects"]) {
		c.Objects = append(c.Objects, Objects{textOf(pair[0]), r.count(pair[1])})
	}
	images := r.fields(f["images"], "require", "forbid")
	c.Images = Images{r.texts(images["require"]), r.texts(images["forbid"])}
	c.Findings = r.findings(f["findings"])
	c.Placeholders = r.number(f["placeholders"])
	return c
}

var unitName = regexp.MustCompile(`^[A-Z]\w*/[^/]+/[^/]+$`)

// unit is Kind/namespace/name, or a mapping with a state.
func (r *reader) unit(n *yaml.Node) Unit {
	u := Unit{State: Text{string(fleet.Ready), n.Line, n.Column}}
	if n.Kind == yaml.ScalarNode {
		u.Name = r.text(n)
	} else {
		f := r.fields(n, "name", "state")
		u.Name = r.text(f["name"])
		if f["state"] != nil {
			u.State = r.text(f["state"])
		}
	}
	if !unitName.MatchString(u.Name.value) {
		r.fail(n, "unit %q: want Kind/namespace/name", u.Name.value)
	}
	if !slices.Contains(stateNames, u.State.value) {
		r.fail(n, "state %q: want one of %s", u.State.value, strings.Join(stateNames, ", "))
	}
	return u
}

var countText = regexp.MustCompile(`^(>=|<=|)\s*(\d{1,9})$`)

func (r *reader) count(n *yaml.Node) Count {
	m := countText.FindStringSubmatch(n.Value)
	if n.Kind != yaml.ScalarNode || m == nil {
		r.fail(n, "count %q: want a number, >= a number or <= a number", n.Value)
		return Count{}
	}
	number, err := strconv.Atoi(m[2])
	if err != nil {
		r.fail(n, "count %q: %v", n.Value, err)
	}
	return Count{n.Value, m[1], number}
}

func (r *reader) number(n *yaml.Node) *Number {
	if n == nil {
		return nil
	}
	value, err := strconv.Atoi(n.Value)
	if err != nil || value < 0 {
		r.fail(n, "%q: want a number", n.Value)
	}
	return &Number{value, n.Line}
}

func (r *reader) findings(n *yaml.Node) Findings {
	f := r.fields(n, "fail", "allow")
	out := Findings{Fail: r.text(f["fail"]), Allow: r.texts(f["allow"])}
	if n != nil && out.Fail.line == 0 {
		r.fail(n, "findings need fail: a severity, or names of rules")
	}
	var err error
	if out.failOn, err = finding.ParseFailOn(out.Fail.value); err != nil {
		text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "read --fail-on: "), ";")
		r.fail(n, "fail: %s; docs/findings.md lists them", text)
	}
	for _, a := range out.Allow {
		if !known(a.value) {
			r.errs = append(r.errs, wrong{a.line, a.column, noRule(a.value)})
		}
	}
	return out
}
