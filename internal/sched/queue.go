package sched

import (
	"container/heap"
	"slices"
	"time"
)

// queue holds units that wait to run: by priority, within it by class, within
// it the tenants take turns, and a tenant's units are first come, first served.
type queue struct {
	levels [Conclude + 1]map[string]*ring // class → tenants
	size   int
	where  map[*entry]spot
}

type spot struct {
	level  Priority
	class  string
	tenant string
}

// ring is a round-robin of tenants.
type ring struct {
	order []string // tenants with something to run, next first
	units map[string][]*entry
}

func newQueue() queue { return queue{where: make(map[*entry]spot)} }

func (q *queue) len() int { return q.size }

func (q *queue) add(u *entry) {
	if _, queued := q.where[u]; queued {
		return
	}
	at := spot{u.priority, u.class, u.key.Namespace}
	if q.levels[at.level] == nil {
		q.levels[at.level] = make(map[string]*ring)
	}
	r := q.levels[at.level][at.class]
	if r == nil {
		r = &ring{units: make(map[string][]*entry)}
		q.levels[at.level][at.class] = r
	}
	if len(r.units[at.tenant]) == 0 {
		r.order = append(r.order, at.tenant)
	}
	r.units[at.tenant] = append(r.units[at.tenant], u)
	q.where[u] = at
	q.size++
}

func (q *queue) remove(u *entry) {
	at, queued := q.where[u]
	if !queued {
		return
	}
	r := q.levels[at.level][at.class]
	left := slices.DeleteFunc(r.units[at.tenant], func(other *entry) bool { return other == u })
	r.units[at.tenant] = left
	if len(left) == 0 {
		delete(r.units, at.tenant)
		r.order = slices.DeleteFunc(r.order, func(t string) bool { return t == at.tenant })
	}
	delete(q.where, u)
	q.size--
}

// next returns the next unit whose class and tenant may run, or nil.
func (q *queue) next(free func(class, tenant string) bool) *entry {
	for level := Conclude; level >= Interval; level-- {
		for _, class := range sortedKeys(q.levels[level]) {
			r := q.levels[level][class]
			for _, tenant := range r.order {
				if free(class, tenant) {
					return r.units[tenant][0]
				}
			}
		}
	}
	return nil
}

// passed returns the unit that has waited longest of those of less priority than u, in
// its class, that came before it and may run; nil where there is none.
func (q *queue) passed(u *entry, free func(class, tenant string) bool) *entry {
	var out *entry
	for level := Interval; level < u.priority; level++ {
		r := q.levels[level][u.class]
		if r == nil {
			continue
		}
		for _, tenant := range r.order {
			first := r.units[tenant][0]
			if before(first, u) && (out == nil || before(first, out)) && free(u.class, tenant) {
				out = first
			}
		}
	}
	return out
}

func before(a, b *entry) bool { return a.asked < b.asked }

// take removes a unit that waits, the first of its tenant, whose turn it then was.
func (q *queue) take(u *entry) *entry {
	where := q.where[u]
	r, tenant := q.levels[where.level][where.class], where.tenant
	at := slices.Index(r.order, tenant)
	r.units[tenant] = r.units[tenant][1:]
	r.order = slices.Delete(r.order, at, at+1)
	if len(r.units[tenant]) > 0 {
		r.order = append(r.order, tenant)
	} else {
		delete(r.units, tenant)
	}
	delete(q.where, u)
	q.size--
	return u
}

func sortedKeys(m map[string]*ring) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// dueHeap orders units by the time at which they want to run.
type dueHeap struct {
	items dueItems
	index map[*entry]*dueItem
}

type dueItem struct {
	at  time.Time
	u   *entry
	pos int
}

func (h *dueHeap) set(u *entry) {
	if h.index == nil {
		h.index = make(map[*entry]*dueItem)
	}
	item := h.index[u]
	switch {
	case u.next.IsZero() && item == nil:
	case u.next.IsZero():
		heap.Remove(&h.items, item.pos)
		delete(h.index, u)
	case item == nil:
		item = &dueItem{at: u.next, u: u}
		h.index[u] = item
		heap.Push(&h.items, item)
	default:
		item.at = u.next
		heap.Fix(&h.items, item.pos)
	}
}

func (h *dueHeap) first() (time.Time, bool) {
	if len(h.items) == 0 {
		return time.Time{}, false
	}
	return h.items[0].at, true
}

func (h *dueHeap) pop(now time.Time) (*entry, bool) {
	if len(h.items) == 0 || h.items[0].at.After(now) {
		return nil, false
	}
	item := heap.Pop(&h.items).(*dueItem)
	delete(h.index, item.u)
	return item.u, true
}

type dueItems []*dueItem

func (d dueItems) Len() int           { return len(d) }
func (d dueItems) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dueItems) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].pos, d[j].pos = i, j
}
func (d *dueItems) Push(x any) {
	item := x.(*dueItem)
	item.pos = len(*d)
	*d = append(*d, item)
}
func (d *dueItems) Pop() any {
	old := *d
	item := old[len(old)-1]
	*d = old[:len(old)-1]
	return item
}
