package finding

import (
	"fmt"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// standing is the check of a rule about how a fleet is: what it finds at base as
// well is old.
func standing(check func(fleet.Rendered) []Finding) func(change.Set) []Finding {
	return func(set change.Set) []Finding {
		out := check(set.After)
		if len(out) == 0 {
			return nil
		}
		before := map[mark]bool{}
		for _, f := range check(set.Before) {
			before[markOf(f)] = true
		}
		for i := range out {
			out[i].Old = before[markOf(out[i])]
		}
		return out
	}
}

// mark tells whether two findings of a rule are one. Places and indexes move.
type mark struct {
	subject object.Key
	message string
}

func markOf(f Finding) mark { return mark{f.subject(), f.Message} }

// perUnit is a standing rule that looks at units one by one.
func perUnit(check func(u *fleet.Unit) []Finding) func(change.Set) []Finding {
	return standing(func(r fleet.Rendered) []Finding {
		var out []Finding
		for i := range r.Units {
			out = append(out, check(&r.Units[i])...)
		}
		return out
	})
}

// made goes through what a unit makes and what Helm runs around it.
func made(u *fleet.Unit) iter.Seq[*fleet.Object] {
	return func(yield func(*fleet.Object) bool) {
		if u == nil {
			return
		}
		lists := [][]fleet.Object{u.Objects}
		if u.Release != nil {
			lists = append(lists, u.Release.Hooks)
		}
		for _, list := range lists {
			for i := range list {
				if !list[i].Provided && list[i].Value != nil && !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// perChange is a rule about what a change does, object by object.
func perChange(check func(o *change.Object) []Finding) func(change.Set) []Finding {
	return func(set change.Set) []Finding {
		var out []Finding
		for i := range set.Units {
			u := &set.Units[i]
			for j := range u.Objects {
				if u.Objects[j].Why == change.HookOnly {
					continue
				}
				for _, f := range check(&u.Objects[j]) {
					f.Unit, f.Object = u.Key, u.Objects[j].Ref
					out = append(out, f)
				}
			}
		}
		return out
	}
}

// of says which object of which unit a finding is about.
func (f Finding) of(u *fleet.Unit, o *fleet.Object) Finding {
	f.Unit, f.Object, f.At = u.Key, o.Ref, o.Origin.At()
	return f
}

// ofUnit is a finding about a unit.
func ofUnit(u *fleet.Unit, format string, args ...any) Finding {
	return Finding{Unit: u.Key, At: u.Origin.At(), Message: fmt.Sprintf(format, args...)}
}

// found is one finding whose subject is filled in by who looks.
func found(format string, args ...any) []Finding {
	return []Finding{{Message: fmt.Sprintf(format, args...)}}
}

// foundAt is found, about a field.
func foundAt(field, format string, args ...any) []Finding {
	return []Finding{{Field: field, Message: fmt.Sprintf(format, args...)}}
}

// is tells whether a reference is to a built-in kind: apps/StatefulSet, or Secret
// in the core group.
func is(ref object.Ref, kind string) bool {
	group, name, ok := strings.Cut(kind, "/")
	if !ok {
		group, name = "", kind
	}
	return ref.Kind == name && ref.Group == group
}

// at returns the value at a path of maps; nil where there is none.
func at(u *unstructured.Unstructured, path ...string) any {
	if u == nil {
		return nil
	}
	return in(u.Object, path...)
}

func in(m map[string]any, path ...string) any {
	for _, step := range path[:len(path)-1] {
		m, _ = m[step].(map[string]any)
	}
	return m[path[len(path)-1]]
}

func textAt(u *unstructured.Unstructured, path ...string) string {
	s, _ := at(u, path...).(string)
	return s
}

func trueAt(u *unstructured.Unstructured, path ...string) bool {
	on, _ := at(u, path...).(bool)
	return on
}

func listAt(u *unstructured.Unstructured, path ...string) []any {
	list, _ := at(u, path...).([]any)
	return list
}

// texts returns the texts of a list.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// number reads an integer of a manifest.
func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	}
	return 0, false
}

// asMap returns a value that is a map; nil for any other.
func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// count writes «1 object», «2 objects».
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
