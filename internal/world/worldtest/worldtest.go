// Package worldtest is the one suite that every World passes: the memory world,
// overlays over anything, and the cluster world against a real API server. What
// differs by design (the form of resource versions and uids, how fast what was
// owned is collected) it does not look at.
//
//	worldtest.Run(t, func(t *testing.T) world.World { return memory.New(memory.Options{}) }, worldtest.Capabilities{})
package worldtest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Capabilities say what a World needs to be tested.
type Capabilities struct {
	// Await returns when done does, or fails the test. By default effects are
	// expected at once.
	Await func(t *testing.T, what string, done func() bool)
	// Suffix makes names of cluster scope unique where tests share a cluster.
	Suffix string
}

// Run runs the suite. Every case gets the world of one call of make and a
// namespace of its own.
func Run(t *testing.T, make func(t *testing.T) world.World, c Capabilities) {
	if c.Await == nil {
		c.Await = func(t *testing.T, what string, done func() bool) {
			t.Helper()
			if !done() {
				t.Errorf("%s: not so", what)
			}
		}
	}
	for _, group := range []struct {
		name  string
		cases []testcase
	}{
		{"read", readCases}, {"apply", applyCases}, {"ownership", ownershipCases}, {"precondition", preconditionCases},
		{"patch", patchCases}, {"status", statusCases}, {"delete", deleteCases}, {"cascade", cascadeCases},
		{"definition", definitionCases}, {"refuse", refuseCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tc := range group.cases {
				t.Run(tc.name, func(t *testing.T) { tc.run(newSuite(t, make(t), c)) })
			}
		})
	}
}

type testcase struct {
	name string
	run  func(s *suite)
}

// suite is what a case works with.
type suite struct {
	*testing.T
	ctx  context.Context
	w    world.World
	ns   string // a namespace of this case
	caps Capabilities
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func newSuite(t *testing.T, w world.World, c Capabilities) *suite {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	if len(name) > 50 {
		name = strings.Trim(name[len(name)-50:], "-")
	}
	s := &suite{T: t, ctx: t.Context(), w: w, ns: name + c.Suffix, caps: c}
	s.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + s.ns + "}")
	s.discard(s.parse("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + s.ns + "}"))
	return s
}

// discard deletes an object at the end of the case, if it is still there.
func (s *suite) discard(u *unstructured.Unstructured) {
	s.Cleanup(func() { _ = s.w.Delete(context.Background(), world.Delete{Ref: object.RefOf(u)}) })
}

// parse reads an object in YAML. NS stands for the namespace of the case, and
// is set where an object of namespaced scope names none.
func (s *suite) parse(text string) *unstructured.Unstructured {
	s.Helper()
	data, err := yaml.YAMLToJSON([]byte(strings.ReplaceAll(text, "NS", s.ns)))
	u := &unstructured.Unstructured{}
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(data, &u.Object)
	}
	if err != nil {
		s.Fatalf("%v in\n%s", err, text)
	}
	if m, err := s.w.Kind(s.ctx, u.GroupVersionKind()); err == nil && m.Namespaced && u.GetNamespace() == "" {
		u.SetNamespace(s.ns)
	}
	return u
}

func (s *suite) create(text string) *unstructured.Unstructured {
	s.Helper()
	u, err := s.w.Create(s.ctx, s.parse(text), "creator")
	s.must(err)
	return u
}

func (s *suite) try(manager, text string, force bool) (*unstructured.Unstructured, error) {
	s.Helper()
	return s.w.Apply(s.ctx, world.Apply{Object: s.parse(text), Manager: manager, Force: force})
}

func (s *suite) apply(manager, text string) *unstructured.Unstructured {
	s.Helper()
	u, err := s.try(manager, text, false)
	s.must(err)
	return u
}

func (s *suite) force(manager, text string) *unstructured.Unstructured {
	s.Helper()
	u, err := s.try(manager, text, true)
	s.must(err)
	return u
}

func (s *suite) get(u *unstructured.Unstructured) *unstructured.Unstructured {
	s.Helper()
	live, err := s.w.Get(s.ctx, object.RefOf(u))
	s.must(err)
	return live
}

func (s *suite) delete(u *unstructured.Unstructured) {
	s.Helper()
	s.must(s.w.Delete(s.ctx, world.Delete{Ref: object.RefOf(u)}))
}

func (s *suite) patch(u *unstructured.Unstructured, t types.PatchType, data string) *unstructured.Unstructured {
	s.Helper()
	out, err := s.w.Patch(s.ctx, world.Patch{Ref: object.RefOf(u), Type: t, Data: []byte(data), Manager: "patcher"})
	s.must(err)
	return out
}

func (s *suite) patchStatus(u *unstructured.Unstructured, data string) *unstructured.Unstructured {
	s.Helper()
	out, err := s.w.Patch(s.ctx, world.Patch{
		Ref: object.RefOf(u), Type: types.MergePatchType, Data: []byte(data), Manager: "controller", Subresource: "status",
	})
	s.must(err)
	return out
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// exists tells whether an object can be read.
func (s *suite) exists(u *unstructured.Unstructured) bool {
	_, err := s.w.Get(s.ctx, object.RefOf(u))
	return err == nil
}

// isGone waits until an object is no longer there.
func (s *suite) isGone(u *unstructured.Unstructured) {
	s.Helper()
	s.caps.Await(s.T, object.KeyOf(u).String()+" is gone", func() bool {
		_, err := s.w.Get(s.ctx, object.RefOf(u))
		return apierrors.IsNotFound(err)
	})
}

// is compares part of an object with YAML.
func (s *suite) is(u *unstructured.Unstructured, path, want string) {
	s.Helper()
	var at any = u.Object
	for _, step := range strings.Split(path, ".") {
		m, _ := at.(map[string]any)
		at = m[step]
	}
	got, err := yaml.Marshal(at)
	s.must(err)
	var value any
	s.must(yaml.Unmarshal([]byte(want), &value))
	canonical, err := yaml.Marshal(value)
	s.must(err)
	if string(got) != string(canonical) {
		s.Errorf("%s of %s:\ngot  %swant %s", path, u.GetName(), got, canonical)
	}
}

// owns compares the fields that managers own, one «manager operation[/subresource]
// fields» a line, the fields in the JSON form of managedFields.
func (s *suite) owns(u *unstructured.Unstructured, want ...string) {
	s.Helper()
	var got []string
	for _, e := range u.GetManagedFields() {
		if e.Manager == "" || e.FieldsV1 == nil {
			continue
		}
		op := string(e.Operation)
		if e.Subresource != "" {
			op += "/" + e.Subresource
		}
		got = append(got, fmt.Sprintf("%s %s %s", e.Manager, op, e.FieldsV1.Raw))
	}
	slices.Sort(got) // the server orders by time, in seconds
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		s.Errorf("owners of %s:\ngot\n%s\nwant\n%s", u.GetName(), g, w)
	}
}
