package change_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
)

func options() change.Options { return change.Options{Mask: mask} }

// No fleet differs from itself, nor from a copy at another revision.
func TestCompareOfTheSameIsEmpty(t *testing.T) {
	for _, file := range files(t) {
		p := read(t, file)
		for _, r := range []fleet.Rendered{p.Base, p.Head} {
			other := copied(r)
			other.Revision = "main@sha1:other"
			for i := range other.Units {
				u := &other.Units[i]
				u.Revision, u.Message = other.Revision, strings.ReplaceAll(u.Message, r.Revision, other.Revision)
			}
			if set := change.Compare(r, other, options()); len(set.Units) > 0 || !oldOnly(set.Causes) {
				t.Errorf("%s: got\n%s", file, told(set))
			}
		}
	}
}

func oldOnly(causes []change.Cause) bool {
	return !slices.ContainsFunc(causes, func(c change.Cause) bool { return !c.Old })
}

func copied(r fleet.Rendered) fleet.Rendered {
	r.Units = slices.Clone(r.Units)
	for i := range r.Units {
		u := &r.Units[i]
		u.Object, u.Objects = u.Object.DeepCopy(), slices.Clone(u.Objects)
		for j := range u.Objects {
			u.Objects[j].Value = u.Objects[j].Value.DeepCopy()
		}
	}
	return r
}

// Whatever two objects are, the fields that Compare tells make one the other.
func TestFieldsMakeTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawObject(t, "before")
		after := &unstructured.Unstructured{Object: edited(t, before.Object, 0).(map[string]any)}
		set := change.Compare(ofObject(before), ofObject(after), options())
		var fields []change.Field
		for _, u := range set.Units {
			for _, o := range u.Objects {
				fields = o.Fields
			}
		}
		got := applied(t, before.Object, fields)
		if !reflect.DeepEqual(got, any(after.Object)) {
			t.Fatalf("fields %v\nmake of %v\n%v, want\n%v", fields, before.Object, got, after.Object)
		}
	})
}

func ofObject(u *unstructured.Unstructured) fleet.Rendered {
	key := object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: "a"}
	return fleet.Rendered{Units: []fleet.Unit{{
		Key: key, Object: &unstructured.Unstructured{Object: map[string]any{}}, State: fleet.Ready,
		Objects: []fleet.Object{{Ref: object.RefOf(u), Value: u}},
	}}}
}

func drawObject(t *rapid.T, label string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": "a", "labels": map[string]any{"a": "b"}},
		"spec": drawTree(t, label, 3),
	}}
}

func drawTree(t *rapid.T, label string, depth int) any {
	what := rapid.IntRange(0, 5).Draw(t, label)
	switch {
	case depth == 0 || what == 0:
		return rapid.SampledFrom([]any{"x", "y", int64(1), int64(2), 1.5, true, nil}).Draw(t, label+" scalar")
	case what < 3:
		out := map[string]any{}
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "name", "c/d~"}), 0, 3, rapid.ID).Draw(t, label+" keys") {
			out[key] = drawTree(t, label+"."+key, depth-1)
		}
		return out
	case what == 3: // a list with keys
		out := []any{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p", "q", "r", "s"}), 1, 4, rapid.ID).Draw(t, label+" names") {
			out = append(out, map[string]any{"name": name, "value": drawTree(t, label+"."+name, depth-1)})
		}
		return out
	default:
		out := []any{}
		for i := range rapid.IntRange(0, 4).Draw(t, label+" length") {
			out = append(out, drawTree(t, fmt.Sprint(label, i), depth-1))
		}
		return out
	}
}

// edited is a copy of a tree in which some things differ.
func edited(t *rapid.T, v any, depth int) any {
	if depth > 1 && rapid.IntRange(0, 4).Draw(t, "edit") == 0 {
		return drawTree(t, "new", 2)
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, key := range slices.Sorted(mapKeys(v)) {
			if depth == 0 && key != "spec" {
				out[key] = runtime.DeepCopyJSONValue(v[key])
			} else if depth == 0 || rapid.IntRange(0, 5).Draw(t, "drop") > 0 {
				out[key] = edited(t, v[key], depth+1)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			if rapid.IntRange(0, 4).Draw(t, "insert") == 0 {
				out = append(out, drawTree(t, "inserted", 1))
			}
			if rapid.IntRange(0, 4).Draw(t, "keep") > 0 {
				out = append(out, edited(t, item, depth+1))
			}
		}
		return out
	}
	return v
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// applied makes the changes that fields tell: what goes, the last first; then what
// comes or is changed, the first first.
func applied(t *rapid.T, root map[string]any, fields []change.Field) any {
	var out any = runtime.DeepCopyJSONValue(root)
	for _, f := range slices.Backward(sorted(fields, goes)) {
		out = edit(t, out, steps(t, f), nil)
	}
	for _, f := range sorted(fields, comes) {
		out = edit(t, out, steps(t, f), &f)
	}
	return out
}

func goes(f change.Field) bool  { return f.After == "" }
func comes(f change.Field) bool { return f.After != "" }

func sorted(fields []change.Field, which func(change.Field) bool) []change.Field {
	var out []change.Field
	for _, f := range fields {
		if which(f) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b change.Field) int {
		return slices.CompareFunc(strings.Split(a.Path, "/"), strings.Split(b.Path, "/"), func(x, y string) int {
			m, err := strconv.Atoi(x)
			n, err2 := strconv.Atoi(y)
			if err == nil && err2 == nil {
				return m - n
			}
			return strings.Compare(x, y)
		})
	})
	return out
}

func steps(t *rapid.T, f change.Field) []string {
	out, err := plan.ParsePointer(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// edit removes what is at a path, or sets it as a field says.
func edit(t *rapid.T, v any, path []string, f *change.Field) any {
	if len(path) == 0 {
		return decoded(t, f.After)
	}
	switch v := v.(type) {
	case map[string]any:
		if len(path) == 1 && f == nil {
			delete(v, path[0])
		} else {
			v[path[0]] = edit(t, v[path[0]], path[1:], f)
		}
		return v
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(path) == 1 && f == nil:
			return slices.Delete(v, i, i+1)
		case len(path) == 1 && f.Before == "":
			return slices.Insert(v, i, decoded(t, f.After))
		}
		v[i] = edit(t, v[i], path[1:], f)
		return v
	}
	t.Fatalf("no way down %v in %v", path, v)
	return nil
}

func decoded(t *rapid.T, v plan.Value) any {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"X","v":` + string(v) + `}`)); err != nil {
		t.Fatal(err)
	}
	return u.Object["v"]
}

// However a secret gets into a fleet, the JSON of a change does not show it.
func TestNoSecretInASet(t *testing.T) {
	for _, file := range files(t) {
		p := read(t, file)
		for _, o := range []change.Options{{Mask: mask, Inputs: p.Inputs}, {Inputs: p.Inputs}} {
			text, err := json.Marshal(change.Compare(p.Base, p.Head, o))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "canary") {
				t.Errorf("%s: a canary shows in\n%s", file, text)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawSecretFleet(t, "base"), drawSecretFleet(t, "head")
		text, err := json.Marshal(change.Compare(base, head, options()))
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"CANARY", base64.StdEncoding.EncodeToString([]byte("CANARY"))[:7]} {
			if strings.Contains(string(text), form) {
				t.Fatalf("%s shows in\n%s", form, text)
			}
		}
	})
}

// drawSecretFleet is a Secret, and a Kustomization that puts it into what it
// makes: an object, the name of a field, a release with its values and a message.
func drawSecretFleet(t *rapid.T, label string) fleet.Rendered {
	canary := rapid.StringMatching(`CANARY[a-z]{4,8}`).Draw(t, label)
	wrap := rapid.SampledFrom([]string{"%s", "x%sy", "a: %s\nb: 1", `{"k":%q}`}).Draw(t, label+" wrap")
	text := fmt.Sprintf(wrap, canary)
	u := func(group, kind, name string, spec map[string]any) fleet.Unit {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1", "kind": kind, "spec": spec}}
		o.SetName(name)
		o.SetNamespace("flux-system")
		return fleet.Unit{Key: object.KeyOf(o), Object: o, State: fleet.Failed, Message: "refused: " + text}
	}
	secret := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{
		"TOKEN": base64.StdEncoding.EncodeToString([]byte(canary)),
	}}}
	secret.SetName("vars")
	secret.SetNamespace("flux-system")
	source := u(object.GroupKustomize, "Kustomization", "secrets", map[string]any{})
	source.Message = ""
	source.Objects = []fleet.Object{{Ref: object.RefOf(secret), Value: secret}}
	web := u(object.GroupKustomize, "Kustomization", "web", map[string]any{
		"postBuild": map[string]any{"substituteFrom": []any{map[string]any{"kind": "Secret", "name": "vars"}}},
	})
	made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{
		"text": text, "list": []any{text}, text: rapid.SampledFrom([]string{"a", "b"}).Draw(t, label+" value"),
	}}}
	made.SetName(rapid.SampledFrom([]string{"one", "two"}).Draw(t, label+" name"))
	web.Warnings = []report.Warning{{Reason: "Any", Message: text + label}}
	web.Objects = []fleet.Object{{Ref: object.RefOf(made), Value: made}}
	release := u(object.GroupHelm, "HelmRelease", "db", map[string]any{
		"values":     map[string]any{"text": text},
		"valuesFrom": []any{map[string]any{"kind": "Secret", "name": "elsewhere"}},
	})
	release.Parent = web.Key
	release.Release = &fleet.Release{Name: "db", Chart: "db", Values: map[string]any{"text": text, "deep": map[string]any{"list": []any{text}, "odd": canary[6:]}}}
	return fleet.Rendered{Units: []fleet.Unit{source, web, release}}
}
