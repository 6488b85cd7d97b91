package memory

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
)

// state is what the worlds of all identities share.
type state struct {
	store   Store
	options Options

	mu          sync.Mutex // held while a change is made and told
	version     uint64
	made        map[object.Key]int // objects made under a key so far
	draining    map[object.Key]object.Ref
	subscribers map[int]func(Event)
	nextID      int

	naming sync.Mutex
	names  map[string]int // generated names per kind, namespace and prefix

	sets *fieldSets
}

func newState(s Store, o Options) *state {
	if o.Now == nil {
		o.Now = func() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }
	}
	if o.UID == nil {
		o.UID = func(k object.Key, n int) types.UID { return hashedUID(o.Seed, k, n) }
	}
	return &state{
		store: s, options: o, version: o.FirstVersion, made: map[object.Key]int{},
		draining:    map[object.Key]object.Ref{},
		subscribers: map[int]func(Event){}, names: map[string]int{}, sets: &fieldSets{},
	}
}

// commit puts an object (nil: nothing) in the place of an entry and tells the
// subscribers. It gives the object its resource version. False when another
// object stands there by now.
func (s *state) commit(ref object.Ref, from *Entry, to *unstructured.Unstructured) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to == nil {
		return s.remove(ref, from)
	}
	to.SetResourceVersion(strconv.FormatUint(s.version+1, 10))
	if !s.store.Swap(ref, from, &Entry{Object: to}) {
		return false
	}
	s.version++
	event := Event{Type: Modified, Object: to}
	if from == nil {
		event.Type = Added
		s.made[ref.Key]++
	}
	s.tell(event)
	return true
}

func (s *state) remove(ref object.Ref, from *Entry) bool {
	if !s.store.Swap(ref, from, nil) {
		return false
	}
	s.version++
	last := from.Object.DeepCopy()
	last.SetResourceVersion(strconv.FormatUint(s.version, 10))
	s.tell(Event{Type: Deleted, Object: last})
	return true
}

func (s *state) tell(e Event) {
	for id := range s.nextID {
		if f, ok := s.subscribers[id]; ok {
			f(e)
		}
	}
}

func (s *state) subscribe(f func(Event)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID
	s.nextID++
	s.subscribers[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, id)
	}
}

// now is the clock at the resolution that objects have.
func (s *state) now() time.Time { return s.options.Now().UTC().Truncate(time.Second) }

func (s *state) newUID(k object.Key) types.UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.UID(k, s.made[k])
}

// hashedUID has the form of a random UUID (RFC 9562, version 8: its bits are a
// hash).
func hashedUID(seed string, k object.Key, n int) types.UID {
	b := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", seed, k.Group, k, n))
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]))
}

// generateName returns prefix with a suffix of the letters that a server uses;
// the nth call for a prefix always gives the same.
func (s *state) generateName(gk gvks.GroupKind, namespace, prefix string) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	const longest = 58 // of the prefix, so that the name keeps within a label
	if len(prefix) > longest {
		prefix = prefix[:longest]
	}
	s.naming.Lock()
	defer s.naming.Unlock()
	of := gk.String() + "/" + namespace + "/" + prefix
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", s.options.Seed, of, s.names[of]))
	s.names[of]++
	n := binary.BigEndian.Uint64(sum[:])
	suffix := make([]byte, 5)
	for i := range suffix {
		suffix[i] = letters[n%uint64(len(letters))]
		n /= uint64(len(letters))
	}
	return prefix + string(suffix)
}

func sortedRefs(refs iter.Seq[object.Ref]) []object.Ref {
	return slices.SortedFunc(refs, func(a, b object.Ref) int { return object.Compare(a.Key, b.Key) })
}
