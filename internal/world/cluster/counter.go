package cluster

import (
	"cmp"
	"slices"
	"sync"
)

// Counter counts requests; its zero value is ready.
//
//	var counter cluster.Counter
//	w, err := cluster.New(cfg, cluster.Options{Observe: counter.Observe})
type Counter struct {
	mu     sync.Mutex
	counts map[Count]int
}

// Count is a number of requests of one sort.
type Count struct {
	Verb, Group, Resource string
	DryRun                bool
	N                     int
}

// Observe counts a request.
func (c *Counter) Observe(r Request) {
	key := Count{Verb: r.Verb, Group: r.Group, Resource: r.Resource, DryRun: r.DryRun}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[Count]int{}
	}
	c.counts[key]++
}

// Counts returns what was counted so far, sorted by verb, group and resource.
func (c *Counter) Counts() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Count, 0, len(c.counts))
	for key, n := range c.counts {
		key.N = n
		all = append(all, key)
	}
	slices.SortFunc(all, compareCounts)
	return all
}

func compareCounts(a, b Count) int {
	dry := func(c Count) int {
		if c.DryRun {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Group, b.Group),
		cmp.Compare(a.Resource, b.Resource), cmp.Compare(dry(a), dry(b)))
}
