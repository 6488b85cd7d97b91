// Package fleettxt reads pairs of fleets from txtar archives that people write,
// for tests of what is computed from fleets.
//
//	-- base/web.yaml --
//	apiVersion: v1
//	kind: ConfigMap
//	metadata: {name: web, namespace: apps}
//	-- head/web.yaml --
//	-- want --
//
// A file is a unit with its objects: base/web.yaml at base, head/web.yaml at
// head, both/web.yaml at both. The unit's own manifest comes first; without one
// it is the Kustomization flux-system/web, which prunes and waits. The field
// `render` of the manifest says how the unit stands; see Standing. An object with
// `provided: true` is the engine's, one with `refused: TEXT` is what a server would not
// have. A unit with spec.kubeConfig, and its objects, are in that cluster. The objects of inputs.yaml belong to no unit.
//
// It must never be imported but by tests.
package fleettxt

import (
	"fmt"
	"path"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Pair is what an archive holds.
type Pair struct {
	Archive    *txtar.Archive
	Base, Head fleet.Rendered
	Inputs     []*unstructured.Unstructured
	Want       string
}

// Standing is the field `render` of a unit's manifest.
type Standing struct {
	State    fleet.State      `json:"state"` // ready, where nothing is said
	Reason   string           `json:"reason"`
	Message  string           `json:"message"`
	On       []string         `json:"on"`
	Missing  bool             `json:"missing"`
	Revision string           `json:"revision"`
	Parent   string           `json:"parent"` // Kind/name, in the namespace flux-system
	Release  *fleet.Release   `json:"release"`
	Warnings []report.Warning `json:"warnings"`
	Remote   []string         `json:"remote"` // URLs that its build read
	Files    []string         `json:"files"`
	Wanted   []string         `json:"wanted"` // Kind/namespace/name, of core kinds
}

// Parse reads an archive.
func Parse(data []byte) (Pair, error) {
	p := Pair{Archive: txtar.Parse(data)}
	p.Base = fleet.Rendered{Revision: "main@sha1:base", Fidelity: world.OfSchema}
	p.Head = fleet.Rendered{Revision: "main@sha1:head", Fidelity: world.OfSchema}
	for _, f := range p.Archive.Files {
		var err error
		switch dir := path.Dir(f.Name); {
		case f.Name == "want":
			p.Want = string(f.Data)
		case f.Name == "inputs.yaml":
			p.Inputs, _, err = documents(f.Data)
		case dir == "base":
			err = add(&p.Base, f)
		case dir == "head":
			err = add(&p.Head, f)
		case dir == "both":
			if err = add(&p.Base, f); err == nil {
				err = add(&p.Head, f)
			}
		default:
			err = fmt.Errorf("want base/, head/ or both/, inputs.yaml or want")
		}
		if err != nil {
			return p, fmt.Errorf("read %s: %w", f.Name, err)
		}
	}
	return p, nil
}

// Update returns the archive with another text for want.
func (p Pair) Update(want string) []byte {
	for i := range p.Archive.Files {
		if p.Archive.Files[i].Name == "want" {
			p.Archive.Files[i].Data = []byte(want)
			return txtar.Format(p.Archive)
		}
	}
	p.Archive.Files = append(p.Archive.Files, txtar.File{Name: "want", Data: []byte(want)})
	return txtar.Format(p.Archive)
}

func add(r *fleet.Rendered, f txtar.File) error {
	name := strings.TrimSuffix(path.Base(f.Name), ".yaml")
	objs, lines, err := documents(f.Data)
	if err != nil {
		return err
	}
	u := fleet.Unit{Object: byDefault(name), State: fleet.Ready, Order: len(r.Units)}
	u.Origin = fleet.Origin{File: path.Base(f.Name)}
	if len(objs) > 0 {
		if _, is := unit.KindOf(objs[0].GroupVersionKind().GroupKind()); is {
			u.Object, u.Origin.Line = objs[0], lines[0]
			objs, lines = objs[1:], lines[1:]
		}
	}
	u.Cluster = unit.Elsewhere(u.Object)
	for i, obj := range objs {
		provided := obj.Object["provided"] == true
		refused, _ := obj.Object["refused"].(string)
		delete(obj.Object, "provided")
		delete(obj.Object, "refused")
		u.Objects = append(u.Objects, fleet.Object{
			Ref: object.RefOf(obj).In(u.Cluster), Value: obj, Provided: provided, Refused: refused, Origin: fleet.Origin{File: path.Base(f.Name), Line: lines[i]},
		})
	}
	if err := stand(&u); err != nil {
		return err
	}
	r.Units = append(r.Units, u)
	return nil
}

func byDefault(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": object.GroupKustomize + "/v1", "kind": unit.KustomizationKind,
		"metadata": map[string]any{"name": name, "namespace": "flux-system"},
		"spec": map[string]any{
			"prune": true, "wait": true, "interval": "1h", "path": "./" + name,
			"sourceRef": map[string]any{"kind": unit.GitRepositoryKind, "name": "flux-system"},
		},
	}}
}

// stand fills in how a unit stands.
func stand(u *fleet.Unit) error {
	data, err := json.Marshal(u.Object.Object["render"])
	if err != nil {
		return err
	}
	delete(u.Object.Object, "render")
	var s Standing
	if err := yaml.UnmarshalStrict(data, &s); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	u.Key = object.KeyOf(u.Object)
	if s.State != "" {
		u.State = s.State
	}
	u.Reason, u.Message, u.On, u.Missing, u.Revision = s.Reason, s.Message, s.On, s.Missing, s.Revision
	u.Release, u.Warnings, u.Files = s.Release, s.Warnings, s.Files
	if kind, name, ok := strings.Cut(s.Parent, "/"); ok {
		u.Parent = object.Key{Kind: kind, Namespace: "flux-system", Name: name, Group: groupOf(kind)}
	}
	if s.Wanted != nil {
		u.Wanted = []object.Ref{}
	}
	for _, name := range s.Wanted {
		parts := strings.Split("/"+name, "/")
		key := object.Key{Kind: parts[1], Name: parts[len(parts)-1]}
		if len(parts) == 4 {
			key.Namespace = parts[2]
		}
		u.Wanted = append(u.Wanted, object.Ref{Key: key, Version: "v1"})
	}
	rec := &record.Recorder{}
	for _, url := range s.Remote {
		rec.Note(record.Read{Space: record.Remote, Key: url, Answer: hash.OfString(url)})
	}
	u.Reads = rec.Set()
	describe(u)
	return nil
}

func groupOf(kind string) string {
	for _, k := range unit.Kinds {
		if k.Kind == kind {
			return k.Group
		}
	}
	return ""
}

// describe fills in what the kind of a unit tells.
func describe(u *fleet.Unit) {
	if a, err := unit.DecodeAwaiting(u.Object); err == nil {
		for _, d := range a.Dependencies() {
			u.DependsOn = append(u.DependsOn, d.Key)
		}
	}
	switch u.Key.Kind {
	case unit.KustomizationKind:
		if k, err := unit.DecodeKustomization(u.Object); err == nil {
			u.Source, u.Path = k.Source(), k.Spec.Path
		}
	case unit.HelmReleaseKind:
		if h, err := unit.DecodeHelmRelease(u.Object); err == nil {
			u.Source = h.ChartSource()
		}
	}
}

// documents reads YAML documents, with the line that each begins on.
func documents(data []byte) ([]*unstructured.Unstructured, []int, error) {
	var out []*unstructured.Unstructured
	var lines []int
	text, begins := "", 1
	end := func() error {
		if strings.TrimSpace(text) == "" {
			return nil
		}
		obj, err := document(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", begins, err)
		}
		out, lines = append(out, obj), append(lines, begins)
		return nil
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		if n++; strings.TrimRight(line, "\n") != "---" {
			text += line
			continue
		}
		if err := end(); err != nil {
			return nil, nil, err
		}
		text, begins = "", n+1
	}
	return out, lines, end()
}

func document(text string) (*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	return obj, json.Unmarshal(data, &obj.Object)
}
