package build

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Limits bound a Cache; zero fields stand for the defaults.
type Limits struct {
	Bytes  int64 // of all results and ReadSets together, about
	Recent int   // results kept per recipe
}

// The default limits. Two branches and a few states of each stay warm.
const (
	defaultBytes  = 256 << 20
	defaultRecent = 4
)

// Cache answers builds from memory when nothing that an earlier run read has
// changed. It may be used by several goroutines at once; those that want the
// same build share one run.
type Cache struct {
	limits Limits
	apart  Apart

	mu      sync.Mutex
	entries map[hash.ID]*list.Element // of *entryOf, by recipe
	order   list.List                 // most recently used first
	bytes   int64
	latest  map[owner]hash.ID // the recipe that each owner built last
	flights map[flightKey]*flight
}

// owner names the unit that a recipe belongs to.
type owner struct{ namespace, name string }

func ownerOf(r Recipe) owner { return owner{r.OwnerNamespace, r.OwnerName} }

// cached are the recent results of one recipe, newest first.
type cached struct {
	key    hash.ID
	owner  owner
	recent []version
	bytes  int64
}

type version struct {
	reads  record.Set
	result Result
	// ahead tells that nobody has asked for it yet.
	ahead bool
}

type flightKey struct {
	recipe, tree hash.ID
}

type flight struct {
	done    chan struct{}
	ahead   bool // nobody has asked for it
	outcome Outcome
	err     error
}

// Outcome is a result with the reads it rests on.
type Outcome struct {
	Result Result
	Reads  record.Set
	Hit    bool
	// Why says why a hit was not possible: "first build", "the recipe changed",
	// or "apps/base/kustomization.yaml 3f2a91bc→91bc0d11".
	Why string
}

// NewCache returns an empty cache.
func NewCache(l Limits) *Cache {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Recent == 0 {
		l.Recent = defaultRecent
	}
	return &Cache{
		limits:  l,
		entries: make(map[hash.ID]*list.Element),
		latest:  make(map[owner]hash.ID),
		flights: make(map[flightKey]*flight),
	}
}

// Elsewhere has builds that would take this process too long be done by a, where their
// Options name nobody else. To be called before the first Run.
func (c *Cache) Elsewhere(a Apart) *Cache {
	c.apart = a
	return c
}

// Run returns the build of r over t, from memory where that is the same. A
// failed build is not kept; its Outcome still carries what was read.
func (c *Cache) Run(ctx context.Context, t tree.Tree, r Recipe, o Options) (Outcome, error) {
	key, err := r.key(o)
	if err != nil {
		return Outcome{}, err
	}
	for {
		out, hit := c.lookup(ctx, key, t, r, o)
		if hit {
			return out, nil
		}
		f, leads := c.join(flightKey{key, t.Hash()}, &flight{done: make(chan struct{})})
		if leads {
			return c.lead(ctx, f, key, t, r, o, out.Why)
		}
		select {
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		case <-f.done:
		}
		if !f.ahead && !abandoned(f.err) {
			return f.outcome, f.err
		}
	}
}

// Lookup is Run without the build: it returns false, and why, where there is
// no hit.
func (c *Cache) Lookup(ctx context.Context, t tree.Tree, r Recipe, o Options) (Outcome, bool) {
	key, err := r.key(o)
	if err != nil {
		return Outcome{Why: err.Error()}, false
	}
	return c.lookup(ctx, key, t, r, o)
}

// abandoned tells whether a run ended because its caller gave up, which says
// nothing about the build.
func abandoned(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// join returns the flight for k, and whether it is the caller's, who is to run it.
func (c *Cache) join(k flightKey, own *flight) (*flight, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[k]; f != nil {
		return f, false
	}
	c.flights[k] = own
	return own, true
}

func (c *Cache) lead(ctx context.Context, f *flight, key hash.ID, t tree.Tree, r Recipe, o Options, why string) (Outcome, error) {
	defer func() {
		c.mu.Lock()
		delete(c.flights, flightKey{key, t.Hash()})
		c.mu.Unlock()
		close(f.done)
	}()
	f.err = errors.New("the build that others waited for did not end")
	if o.Apart == nil {
		o.Apart = c.apart
	}
	result, reads, err := Run(ctx, t, r, o)
	f.outcome, f.err = Outcome{Result: result, Reads: reads, Why: why}, err
	if err == nil {
		c.store(key, ownerOf(r), version{reads, result, f.ahead})
	}
	return f.outcome, f.err
}

// lookup replays the ReadSets of the recipe against t. What was built ahead is no hit
// for the first who asks for it.
func (c *Cache) lookup(ctx context.Context, key hash.ID, t tree.Tree, r Recipe, o Options) (Outcome, bool) {
	recent, why := c.recent(key, ownerOf(r))
	ask := Ask(ctx, t, o.Remote)
	ahead, newest := -1, true
	for i, v := range recent {
		change, changed := v.reads.FirstChange(ask)
		switch {
		case v.ahead && !changed:
			ahead = i
		case v.ahead:
		case !changed:
			c.touch(key, i, v)
			return Outcome{Result: v.result, Reads: v.reads, Hit: true}, true
		case newest:
			change.Key = redact(change.Key)
			why = change.String()
		}
		newest = newest && v.ahead
	}
	if ahead < 0 {
		return Outcome{Why: why}, false
	}
	v := recent[ahead]
	c.claim(key, ownerOf(r), v)
	return Outcome{Result: v.result, Reads: v.reads, Why: why}, true
}

// recent returns what is kept of a recipe, and why there is nothing that anybody had
// asked for.
func (c *Cache) recent(key hash.ID, by owner) ([]version, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept []version
	if e := c.entries[key]; e != nil {
		kept = e.Value.(*cached).recent
	}
	if slices.ContainsFunc(kept, func(v version) bool { return !v.ahead }) {
		c.latest[by] = key
		return kept, ""
	}
	if _, before := c.latest[by]; before {
		return kept, "the recipe changed"
	}
	return kept, "first build"
}

// Ask answers the questions of a build's ReadSet from a tree and the remotes.
func Ask(ctx context.Context, t tree.Tree, remote RemoteFetcher) record.Ask {
	return func(space record.Space, key string) (hash.ID, bool) {
		switch space {
		case record.File:
			return fileID(t.Lookup(key)), true
		case record.Stat:
			return kindID(t.Lookup(key).Kind), true
		case record.Dir:
			return t.ListingID(key), true
		case record.Remote:
			if remote == nil {
				return hash.ID{}, false
			}
			_, id, err := remote.Fetch(ctx, key)
			return id, err == nil
		default:
			return hash.ID{}, false
		}
	}
}

// touch makes the recipe the most recently used and its version v the newest.
func (c *Cache) touch(key hash.ID, i int, v version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return
	}
	c.order.MoveToFront(e)
	have := e.Value.(*cached)
	if i == 0 || i >= len(have.recent) || have.recent[i].result.ID != v.result.ID {
		return
	}
	recent := make([]version, 0, len(have.recent))
	recent = append(append(append(recent, v), have.recent[:i]...), have.recent[i+1:]...)
	have.recent = recent
}

// store keeps v as the newest version and makes room for it.
func (c *Cache) store(key hash.ID, by owner, v version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		e = c.order.PushFront(&cached{key: key, owner: by})
		c.entries[key] = e
	}
	c.order.MoveToFront(e)
	if !v.ahead {
		c.latest[by] = key
	}
	have := e.Value.(*cached)
	recent := append([]version{v}, have.recent...)
	have.recent = recent[:min(len(recent), c.limits.Recent)]
	c.bytes -= have.bytes
	have.bytes = 0
	for _, v := range have.recent {
		have.bytes += v.size()
	}
	c.bytes += have.bytes
	for c.bytes > c.limits.Bytes && c.order.Len() > 1 {
		c.evict(c.order.Back())
	}
}

func (c *Cache) evict(e *list.Element) {
	gone := c.order.Remove(e).(*cached)
	delete(c.entries, gone.key)
	c.bytes -= gone.bytes
	if c.latest[gone.owner] == gone.key {
		delete(c.latest, gone.owner)
	}
}

// size is about what v holds in memory, in bytes.
func (v version) size() int64 {
	const perRead, perObject = 64, 120 // structure, headers, references
	var n int64
	for _, r := range v.reads {
		n += perRead + int64(len(r.Key))
	}
	for _, o := range v.result.Objects {
		n += perObject + int64(len(o.JSON))
	}
	n += int64(len(v.result.Undefined)) * perObject * 2
	return n
}

// Bytes returns about how much memory the cache holds.
func (c *Cache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
