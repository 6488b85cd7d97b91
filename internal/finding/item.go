package finding

import (
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// item is an object that rules look at, with its pods once one asked for them.
type item struct {
	*fleet.Object
	unit   *fleet.Unit
	parsed bool
	pod    *pod // nil for what runs none
	all    []container
}

// pods returns the pods of the object; nil for what runs none.
func (i *item) pods() *pod {
	if !i.parsed {
		i.parsed = true
		if p, ok := podOf(i.Value); ok {
			i.pod, i.all = &p, p.containers()
		}
	}
	return i.pod
}

// perPod is a check of the pods of workloads.
func perPod(check func(p pod) []Finding) func(*item) []Finding {
	return func(i *item) []Finding {
		if p := i.pods(); p != nil {
			return check(*p)
		}
		return nil
	}
}

// perContainer is a check of containers.
func perContainer(check func(c container) []Finding) func(*item) []Finding {
	return func(i *item) []Finding {
		i.pods()
		var out []Finding
		for _, c := range i.all {
			out = append(out, check(c)...)
		}
		return out
	}
}

// perObject is a check of objects.
func perObject(check func(o *fleet.Object) []Finding) func(*item) []Finding {
	return func(i *item) []Finding { return check(i.Object) }
}

// eachObject returns what rules find in the objects of head, by rule. What is found
// in an object that the change does not touch is old, and so is what was found in
// it before.
func eachObject(set change.Set, rules []Rule) [][]Finding {
	out := make([][]Finding, len(rules))
	touched := touches(set)
	base := byKey(set.Before)
	for n := range set.After.Units {
		u := &set.After.Units[n]
		was := base[u.Key]
		known := was != nil && was.State != fleet.NotRendered
		for o := range made(u) {
			now := &item{Object: o, unit: u}
			before, changes := touched[o.Ref.Key]
			for r, rule := range rules {
				if rule.each == nil {
					continue
				}
				for _, f := range rule.each(now) {
					f = f.of(u, o)
					f.Old = !changes && known || changes && foundBefore(rule, before, f)
					out[r] = append(out[r], f)
				}
			}
		}
	}
	return out
}

// touches are the objects that a change touches, as base has them; nil for those
// that it creates.
func touches(set change.Set) map[object.Key]*item {
	out := map[object.Key]*item{}
	for _, u := range set.Units {
		for _, o := range u.Objects {
			out[o.Ref.Key] = nil
		}
	}
	for n := range set.Before.Units {
		u := &set.Before.Units[n]
		for o := range made(u) {
			if _, is := out[o.Ref.Key]; is {
				out[o.Ref.Key] = &item{Object: o, unit: u}
			}
		}
	}
	return out
}

func foundBefore(rule Rule, before *item, f Finding) bool {
	if before == nil {
		return false
	}
	for _, old := range rule.each(before) {
		if old.Message == f.Message {
			return true
		}
	}
	return false
}
