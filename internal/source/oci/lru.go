package oci

import (
	"container/list"
	"sync"
)

// lru keeps the values that were used last, up to a number of bytes.
type lru[V any] struct {
	limit int64
	size  func(V) int64

	mu    sync.Mutex
	bytes int64
	order *list.List // of *held[V], the last used first
	by    map[string]*list.Element
}

type held[V any] struct {
	key   string
	value V
}

// overhead is what an entry takes beside its content, roughly.
const overhead = 300

func newLRU[V any](limit int64, size func(V) int64) *lru[V] {
	return &lru[V]{limit: limit, size: size, order: list.New(), by: map[string]*list.Element{}}
}

func (c *lru[V]) get(key string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*held[V]).value, true
}

// put keeps v unless it would push out most of the rest.
func (c *lru[V]) put(key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.size(v) + overhead
	if _, ok := c.by[key]; ok || n > c.limit/2 {
		return
	}
	c.by[key] = c.order.PushFront(&held[V]{key, v})
	for c.bytes += n; c.bytes > c.limit; {
		old := c.order.Remove(c.order.Back()).(*held[V])
		delete(c.by, old.key)
		c.bytes -= c.size(old.value) + overhead
	}
}
