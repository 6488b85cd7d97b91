package git

import (
	"container/list"
	"sync"
)

// lru keeps the contents that were used last, up to a number of bytes.
type lru struct {
	mu    sync.Mutex
	limit int64
	bytes int64
	order *list.List // of *held, the last used first
	by    map[Hash]*list.Element
}

type held struct {
	id Hash
	b  []byte
}

// overhead is what an entry takes beside its content, roughly.
const overhead = 200

func newLRU(limit int64) *lru {
	return &lru{limit: limit, order: list.New(), by: map[Hash]*list.Element{}}
}

func (c *lru) get(id Hash) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[id]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*held).b, true
}

// put keeps b unless it would push out most of the rest.
func (c *lru) put(id Hash, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.by[id]; ok || int64(len(b)) > c.limit/4 {
		return
	}
	c.by[id] = c.order.PushFront(&held{id, b})
	for c.bytes += int64(len(b)) + overhead; c.bytes > c.limit; {
		e := c.order.Back()
		old := c.order.Remove(e).(*held)
		delete(c.by, old.id)
		c.bytes -= int64(len(old.b)) + overhead
	}
}
