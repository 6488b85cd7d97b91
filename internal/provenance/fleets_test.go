package provenance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/tree"
)

// fleets is where real fleets stand beside the checkout, for those who have them.
const fleets = "../../../shared/fleets"

// TestFleets asks for random fields of real fleets. Of each answer the line is
// changed by hand, so to speak (another change than the one that verified it),
// and everything is rendered again: the field must change, and no field that is
// not said to come from the same line.
func TestFleets(t *testing.T) {
	fields := 100
	if testing.Short() {
		fields = 6
	}
	for _, c := range []struct {
		dir, entry string
		found      int // of 100 fields, at least
	}{
		{"flux2-kustomize-helm-example", "clusters/production", 98},
		{"home-ops", "kubernetes/flux/cluster", 98},
		{"radix-flux/master", "clusters/development", 98},
		{"lsc-sde/git/iac-flux-lscsde/main", "clusters/local", 98},
	} {
		t.Run(c.dir, func(t *testing.T) {
			if testing.Short() && c.dir != "flux2-kustomize-helm-example" {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			tr := treeOf(t, filepath.Join(fleets, filepath.FromSlash(c.dir)))
			cache := build.NewCache(build.Limits{})
			s := renderWith(t, tr, c.entry, cache)
			p := &probe{t: t, s: s, entry: c.entry, cache: cache, rng: rand.New(rand.NewPCG(7, uint64(tr.Files())))}
			p.finder = newFinder(s.fleet(), nil, &work{builds: 100_000})
			p.run(fields)
			t.Logf("%d units; of %d fields %d have an origin; %d builds; changed by hand: %d change that field and nothing else, %d also fields of the same line, %d could not be changed by hand",
				len(s.rendered.Units), p.asked, p.found, 100_000-p.finder.work.builds, p.exact, p.shared, p.untouched)
			if p.found*100 < c.found*p.asked {
				t.Errorf("%d of %d fields have an origin, want at least %d %%", p.found, p.asked, c.found)
			}
		})
	}
}

// probe checks answers.
type probe struct {
	t      *testing.T
	s      *stand
	entry  string
	cache  *build.Cache
	rng    *rand.Rand
	finder *finder

	asked, found, exact, shared, untouched int
}

func (p *probe) run(n int) {
	for range n {
		of := p.pick()
		found, err := p.finder.field(context.Background(), of.Unit, question{of.Object, of.Pointer}, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		p.asked++
		o := found.known()
		if o == nil || o.File == "" {
			p.t.Logf("not found: %s %s %s = %.80v", of.Unit.Name, of.Object, of.Pointer, p.value(p.s, of))
			continue
		}
		p.found++
		p.check(of, o, found.leaf)
	}
}

// pick chooses a field of a build: a unit, an object and a scalar by chance.
// Owner labels are the engine's and written nowhere.
func (p *probe) pick() Target {
	for {
		u := p.s.rendered.Units[p.rng.IntN(len(p.s.rendered.Units))]
		if len(u.Objects) == 0 {
			continue
		}
		o := u.Objects[p.rng.IntN(len(u.Objects))]
		if o.Ref.Kind == "CustomResourceDefinition" && p.rng.IntN(20) > 0 {
			continue
		}
		var all []string
		eachScalar(o.Value.Object, nil, func(at []string) { all = append(all, plan.Pointer(at...)) })
		pointer := all[p.rng.IntN(len(all))]
		if pointer == "/kind" || pointer == "/apiVersion" || strings.HasPrefix(pointer, "/metadata/name") ||
			strings.HasPrefix(pointer, "/metadata/labels/kustomize.toolkit") || pointer == "/metadata/creationTimestamp" {
			continue
		}
		return Target{u.Key, o.Ref.Key, pointer}
	}
}

func eachScalar(v any, at []string, visit func([]string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(mapsKeys(v)) {
			eachScalar(v[key], append(slices.Clip(at), key), visit)
		}
	case []any:
		for i, item := range v {
			eachScalar(item, append(slices.Clip(at), index(i)), visit)
		}
	default:
		visit(at)
	}
}

func mapsKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (p *probe) value(s *stand, of Target) any {
	u := s.rendered.Unit(of.Unit)
	if u == nil {
		return nil
	}
	for _, o := range u.Objects {
		if o.Ref.Key == of.Object {
			path, _ := plan.ParsePointer(of.Pointer)
			v, _ := valueAt(o.Value.Object, path)
			return v
		}
	}
	return nil
}

// check changes the line and renders everything again.
func (p *probe) check(of Target, o *fleet.Origin, l *leaf) {
	p.t.Helper()
	data, err := p.s.tree.ReadFile(o.File)
	if err != nil {
		p.t.Errorf("%v: origin %s is no file", of, o.At())
		return
	}
	want := fmt.Sprint(p.value(p.s, of))
	var reasons []string
	for _, changed := range byHand(string(data), o.Line, l) {
		t, err := p.s.tree.With(o.File, tree.BlobOf([]byte(changed)))
		if err != nil {
			p.t.Fatal(err)
		}
		after := renderWith(p.t, t, p.entry, p.cache)
		if len(after.rendered.Units) != len(p.s.rendered.Units) || failures(after) > failures(p.s) {
			reasons = append(reasons, "it does not build")
			continue
		}
		now := p.value(after, of)
		if fmt.Sprint(now) == want {
			reasons = append(reasons, "the field stays")
			continue
		}
		p.others(of, o, after)
		return
	}
	if slices.Contains(reasons, "the field stays") {
		p.t.Errorf("wrong: %s %s %s is said to come from %s (%s), and does not change with it",
			of.Unit.Name, of.Object, of.Pointer, o.At(), strings.TrimSpace(lineAt(p.t, p.s.tree, o.File, o.Line)))
		return
	}
	p.untouched++
	p.t.Logf("cannot be changed by hand: %s %s %s at %s (%s): %v", of.Unit.Name, of.Object, of.Pointer, o.At(),
		strings.TrimSpace(lineAt(p.t, p.s.tree, o.File, o.Line)), reasons)
}

func failures(s *stand) int {
	n := 0
	for _, u := range s.rendered.Units {
		if u.State == fleet.Failed {
			n++
		}
	}
	return n
}

// maxOthers bounds the other fields that are asked about for one.
const maxOthers = 3

// others holds that what else changed is said to come from the same line, or
// through it.
func (p *probe) others(of Target, o *fleet.Origin, after *stand) {
	p.t.Helper()
	changed := p.changed(of, after)
	if len(changed) == 0 {
		p.exact++
		return
	}
	p.shared++
	for _, other := range changed[:min(len(changed), maxOthers)] {
		found, err := p.finder.field(context.Background(), other.Unit, question{other.Object, other.Pointer}, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		if k := found.known(); k != nil && k.At() != o.At() && !found.leaf.holds(o) && !slices.ContainsFunc(k.Chain, func(l fleet.Link) bool { return l.File == o.File && l.Line == o.Line }) {
			p.t.Errorf("%s changes with %s, which is the origin of %s %s, and is said to come from %s %v", other, o.At(), of.Object, of.Pointer, k.At(), k.Chain)
		}
	}
}

// holds tells whether a string of many lines has a line in it.
func (l *leaf) holds(o *fleet.Origin) bool {
	return l != nil && l.block && l.in.file == o.File && o.Line > l.line && o.Line <= l.line+1+strings.Count(l.value, "\n")
}

// changed lists the other fields that differ. Objects that are gone or new count
// by nothing: a name changed, and with it everything.
func (p *probe) changed(of Target, after *stand) []Target {
	var out []Target
	for _, u := range p.s.rendered.Units {
		now := after.rendered.Unit(u.Key)
		if now == nil {
			continue
		}
		byKey := map[object.Key]map[string]any{}
		for _, o := range now.Objects {
			byKey[o.Ref.Key] = o.Value.Object
		}
		for _, o := range u.Objects {
			other, ok := byKey[o.Ref.Key]
			if !ok || sameJSON(o.Value.Object, other) {
				continue
			}
			eachScalar(o.Value.Object, nil, func(at []string) {
				v, _ := valueAt(o.Value.Object, at)
				w, there := valueAt(other, at)
				t := Target{u.Key, o.Ref.Key, plan.Pointer(at...)}
				if there && !reflect.DeepEqual(v, w) && t != of {
					out = append(out, t)
				}
			})
		}
	}
	return out
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

func (t Target) String() string { return t.Unit.Name + " " + t.Object.String() + " " + t.Pointer }

// byHand returns texts in which the scalar on a line is another one of its kind,
// as a person would change it.
func byHand(text string, line int, l *leaf) []string {
	lines := strings.SplitAfter(text, "\n")
	if line < 1 || line > len(lines) {
		return nil
	}
	with := func(now string) string {
		out := slices.Clone(lines)
		out[line-1] = now
		return strings.Join(out, "")
	}
	var out []string
	old := lines[line-1]
	if l != nil && l.in.file != "" && l.line == line && l.value != "" && strings.Contains(old, l.value) {
		at := strings.LastIndex(old, l.value)
		for _, v := range otherValues(l.value) {
			out = append(out, with(old[:at]+v+old[at+len(l.value):]))
		}
		return out
	}
	if l != nil && l.block && l.line == line && line < len(lines) {
		next := slices.Clone(lines)
		next[line] = strings.TrimRight(next[line], "\n") + "x\n"
		return append(out, strings.Join(next, ""))
	}
	key, value, ok := strings.Cut(strings.TrimRight(old, "\n"), ": ")
	if !ok {
		return append(out, with(strings.TrimRight(old, "\n")+"x\n"))
	}
	for _, v := range otherValues(strings.Trim(value, `"'`)) {
		out = append(out, with(key+": "+strings.Replace(value, strings.Trim(value, `"'`), v, 1)+"\n"))
	}
	return out
}

func otherValues(v string) []string {
	var n yaml.Node
	_ = yaml.Unmarshal([]byte(v), &n)
	switch {
	case v == "true":
		return []string{"false"}
	case v == "false":
		return []string{"true"}
	case len(n.Content) == 1 && n.Content[0].Tag == "!!int":
		return []string{v + "1"}
	case strings.HasSuffix(v, "s"), strings.HasSuffix(v, "m"), strings.HasSuffix(v, "i"):
		return []string{"1" + v, v + "x"}
	}
	return []string{v + "x", "x" + v}
}
