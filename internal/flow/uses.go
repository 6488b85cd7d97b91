package flow

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// Who consumes a pin is found by trying: each gets a value of its own, the
// environment is rendered, and wherever that value comes out, the pin is consumed.
// Pins of one kind are tried together; pins of branches apart from the others,
// because nothing comes from a branch that is not there.

// Probe is an environment with values to be looked for in what it renders to.
type Probe struct {
	Tree  tree.Tree
	marks map[int]string   // by the index of the pin
	own   map[int]objectID // of pins that are fields of objects
}

// Probes returns the trees to render, by the kinds of pins that are tried in it. A
// pin that is a field of an object is not tried: it is consumed.
func Probes(t tree.Tree, pins []Pin) ([]Probe, error) {
	var out []Probe
	for _, kinds := range [][]PinKind{{BranchPin}, {ChartPin, ImagePin}} {
		p := Probe{Tree: t, marks: map[int]string{}, own: map[int]objectID{}}
		for i, pin := range pins {
			if !slices.Contains(kinds, pin.Kind) {
				continue
			}
			if pin.Own {
				p.own[i] = pin.object
				continue
			}
			mark, value := markOf(pin, i)
			next, err := with(p.Tree, pin, value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", pin.At(), err)
			}
			p.Tree, p.marks[i] = next, mark
		}
		if len(p.marks)+len(p.own) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// markOf is a value that stands nowhere else, of the form that the kind wants, and
// what of it must come out.
func markOf(p Pin, i int) (mark, value string) {
	switch p.Kind {
	case ChartPin:
		mark = fmt.Sprintf("77%06d.0.0", i)
		return mark, mark
	case ImagePin:
		mark = fmt.Sprintf("leat-pin-%06d", i)
		if image, _ := splitImage(p.Value); image != "" {
			return mark, image + ":" + mark
		}
		return mark, mark
	}
	mark = fmt.Sprintf("leat-pin-%06d", i)
	return mark, mark
}

func with(t tree.Tree, p Pin, value string) (tree.Tree, error) {
	data, err := t.ReadFile(p.File)
	if err != nil {
		return t, err
	}
	path, err := edit.ParsePath(p.Path)
	if err != nil {
		return t, err
	}
	if data, err = edit.Set(data, path, value); err != nil {
		return t, err
	}
	return t.With(p.File, tree.BlobOf(data))
}

// Use is an object in which the value of a pin comes out.
type Use struct {
	Object object.Key
	// Repository, Chart and Image are what the pin is a version of, where the object
	// says it.
	Repository, Image string
	Chart             *ChartRef
}

// Uses are those of each pin, by its index.
func (p Probe) Uses(r fleet.Rendered) map[int][]Use {
	out := map[int][]Use{}
	for ref, o := range objectsIn(r) {
		if ref.Kind == "ConfigMap" || ref.Kind == "Secret" { // values pass through them
			continue
		}
		texts := textsIn(o)
		for i, mark := range p.marks {
			if strings.Contains(texts, mark) {
				out[i] = append(out[i], useOf(r, ref, o))
			}
		}
	}
	for i, id := range p.own {
		for ref, o := range objectsIn(r) {
			if ref.Kind == id.kind && ref.Name == id.name {
				out[i] = append(out[i], useOf(r, ref, o))
			}
		}
	}
	for _, uses := range out {
		slices.SortFunc(uses, func(a, b Use) int { return strings.Compare(a.Object.String(), b.Object.String()) })
	}
	return out
}

// objectsIn are the objects of a fleet, its units among them.
func objectsIn(r fleet.Rendered) map[object.Key]*unstructured.Unstructured {
	out := map[object.Key]*unstructured.Unstructured{}
	for _, u := range r.Units {
		if u.Object != nil {
			out[u.Key] = u.Object
		}
		for _, o := range u.Objects {
			if o.Value != nil {
				out[o.Ref.Key] = o.Value
			}
		}
	}
	return out
}

// textsIn is every text of an object but its status, in one.
func textsIn(o *unstructured.Unstructured) string {
	var b strings.Builder
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			b.WriteString(v + "\n")
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	for key, v := range o.Object {
		if key != "status" && key != "metadata" {
			walk(v)
		}
	}
	walk(anyMap(o.GetLabels()))
	return b.String()
}

func anyMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// useOf reads from an object what a pin in it is a version of.
func useOf(r fleet.Rendered, ref object.Key, o *unstructured.Unstructured) Use {
	u := Use{Object: ref}
	text := func(fields ...string) string {
		v, _, _ := unstructured.NestedString(o.Object, fields...)
		return v
	}
	switch ref.Kind {
	case "GitRepository":
		u.Repository = text("spec", "url")
	case "HelmRelease", "HelmChart":
		spec := []string{"spec"}
		if ref.Kind == "HelmRelease" {
			spec = []string{"spec", "chart", "spec"}
		}
		at := func(more ...string) string { return text(append(slices.Clone(spec), more...)...) }
		namespace := at("sourceRef", "namespace")
		if namespace == "" {
			namespace = ref.Namespace
		}
		if url := urlOf(r, at("sourceRef", "kind"), namespace, at("sourceRef", "name")); url != "" && at("chart") != "" {
			u.Chart = &ChartRef{Repository: url, Name: at("chart")}
		}
	}
	return u
}

// urlOf is the address of a source.
func urlOf(r fleet.Rendered, kind, namespace, name string) string {
	for _, u := range r.Units {
		if u.Key.Kind == kind && u.Key.Namespace == namespace && u.Key.Name == name && u.Object != nil {
			url, _, _ := unstructured.NestedString(u.Object.Object, "spec", "url")
			return url
		}
	}
	return ""
}
