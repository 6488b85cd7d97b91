// Package live keeps, for every object that the engine manages, the little that
// tells whether it moved: one watch per kind, selected by the owner label, and
// a row per object with its uid, version, the hash of our apply entry, and its
// health. What is watched is decoded, judged and dropped.
//
//	table := live.New(cfg)
//	err := table.Follow(ctx, gvk)      // returns when the first list is in
//	row, ok := table.Seen(key)
//
// It never reads objects of other people: the watches ask the server for the
// owner label.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
)

// Seen is what the table knows of one object.
type Seen struct {
	UID      types.UID
	Version  uint64  // resource version; newer is larger
	Entry    hash.ID // of our apply entry in managedFields
	Intruder string  // a manager whose fields are to be taken over, if any
	Owner    object.Key
	Deleting bool
	Health   health.Result
}

// Move is a change of a managed object that others than the writer must hear of.
type Move struct {
	Key object.Key
	// Drift: what we own of it moved (also: it was deleted, or came back).
	// Otherwise only its health did.
	Drift bool
	Why   string
}

// Config is what a Table needs.
type Config struct {
	Dynamic  dynamic.Interface
	Metadata metadata.Interface
	// Kind says how a kind is served.
	Kind func(context.Context, schema.GroupVersionKind) (world.Mapping, error)
	// Owner is the kind of unit whose objects are followed, by its labels; its zero
	// value is the Kustomization.
	Owner Owner
	// Managers are ours and those that are taken over.
	Managers plan.Managers
	// Health judges an object; nil is health.Of at the present time.
	Health func(*unstructured.Unstructured) health.Result
	// Moved is told of moves, in order, on the goroutine of a watch.
	Moved func(Move)
	Log   *slog.Logger
}

// Owner is a kind of unit, and the labels by which its objects name it.
type Owner struct {
	Group, Kind     string
	Name, Namespace string // labels
}

// The owners.
var (
	Kustomization = Owner{object.GroupKustomize, "Kustomization", object.OwnerName, object.OwnerNamespace}
	HelmRelease   = Owner{object.GroupHelm, "HelmRelease", object.HelmOwnerName, object.HelmOwnerNamespace}
)

// Table is safe for concurrent use.
type Table struct {
	cfg Config
	ctx context.Context

	mu    sync.RWMutex
	kinds map[schema.GroupKind]*follower
	rows  map[object.Key]*row
	owns  map[object.Key]map[object.Key]struct{} // the keys of rows by their owner
	dead  tombs
	wait  sync.WaitGroup

	namesMu sync.Mutex
	names   map[schema.GroupKind]*names
}

type row struct {
	Seen
	told health.Status // health that was announced
}

// New returns a table whose watches end with ctx; Wait waits for them.
func New(ctx context.Context, cfg Config) *Table {
	if cfg.Owner == (Owner{}) {
		cfg.Owner = Kustomization
	}
	return &Table{cfg: cfg, ctx: ctx, kinds: make(map[schema.GroupKind]*follower), rows: make(map[object.Key]*row), owns: make(map[object.Key]map[object.Key]struct{}), names: make(map[schema.GroupKind]*names)}
}

// Wait returns when every watch has ended.
func (t *Table) Wait() { t.wait.Wait() }

// Seen returns what is known of an object: the row, whether there is one, and
// whether the kind is followed at all. Without a row in a followed kind no
// object of the name carries the owner label.
func (t *Table) Seen(key object.Key) (seen Seen, exists, followed bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	f := t.kinds[key.GroupKind()]
	if f == nil || !f.isSynced() {
		return Seen{}, false, false
	}
	if r := t.rows[key]; r != nil {
		return r.Seen, true, true
	}
	return Seen{}, false, true
}

// Owned returns the keys of all objects that carry the labels of an owner and
// an apply entry of ours, with what is known of them.
func (t *Table) Owned(owner object.Key) map[object.Key]Seen {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := map[object.Key]Seen{}
	for key := range t.owns[owner] {
		if r := t.rows[key]; !r.Entry.IsZero() {
			out[key] = r.Seen
		}
	}
	return out
}

// Len returns the number of rows and of followed kinds.
func (t *Table) Len() (rows, kinds int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.rows), len(t.kinds)
}

// Note records the answer of a write, so that the watch's word of the same
// version is no news.
func (t *Table) Note(obj *unstructured.Unstructured) {
	key := object.KeyOf(obj)
	seen := t.judge(obj)
	t.noteName(key)
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[key]
	if r == nil {
		if !t.dead.after(key, seen.Version) { // the watch may tell of the end before our write is answered
			t.put(key, &row{Seen: seen})
		}
		return
	}
	if seen.Version <= r.Version {
		return
	}
	t.put(key, &row{Seen: seen, told: r.told})
}

// put sets a row, nil takes it away.
func (t *Table) put(key object.Key, r *row) {
	if was := t.rows[key]; was != nil && (r == nil || r.Owner != was.Owner) {
		delete(t.owns[was.Owner], key)
		if len(t.owns[was.Owner]) == 0 {
			delete(t.owns, was.Owner)
		}
	}
	if r == nil {
		delete(t.rows, key)
		return
	}
	t.rows[key] = r
	if r.Owner.IsZero() {
		return
	}
	if t.owns[r.Owner] == nil {
		t.owns[r.Owner] = make(map[object.Key]struct{})
	}
	t.owns[r.Owner][key] = struct{}{}
}

// judge reduces an object to its row.
func (t *Table) judge(obj *unstructured.Unstructured) Seen {
	s := t.judgeMeta(obj)
	switch {
	case s.Deleting:
	case t.cfg.Health != nil:
		s.Health = t.cfg.Health(obj)
	default:
		s.Health = health.Of(obj, health.Rules{Now: time.Now()})
	}
	return s
}

// judgeMeta reduces the metadata of an object whose health is its existence.
func (t *Table) judgeMeta(obj metav1.Object) Seen {
	managed := obj.GetManagedFields()
	s := Seen{
		UID: obj.GetUID(), Version: versionOf(obj), Deleting: obj.GetDeletionTimestamp() != nil,
		Entry: plan.EntryID(managed, t.cfg.Managers.Own), Owner: t.cfg.Owner.of(obj.GetLabels()),
		Health: health.Result{Status: health.Current},
	}
	s.Intruder, _ = plan.Intruder(managed, t.cfg.Managers)
	if s.Deleting {
		s.Health = health.Result{Status: health.Terminating}
	}
	return s
}

// heard takes the word of a watch.
func (t *Table) heard(key object.Key, seen Seen) {
	t.mu.Lock()
	r := t.rows[key]
	var move *Move
	switch {
	case r == nil:
		t.put(key, &row{Seen: seen, told: seen.Health.Status})
		move = &Move{Key: key, Drift: true, Why: key.String() + " appeared"}
	case seen.Version < r.Version: // older than our own last write
	default:
		move = r.news(key, seen)
		t.put(key, &row{Seen: seen, told: seen.Health.Status})
	}
	t.mu.Unlock()
	if move != nil {
		t.cfg.Moved(*move)
	}
}

// news compares what the watch says with what was known.
func (r *row) news(key object.Key, seen Seen) *Move {
	drift := ""
	switch {
	case r.UID != seen.UID:
		drift = "was made anew"
	case r.Entry != seen.Entry:
		drift = "fields were taken from us"
	case r.Intruder != seen.Intruder && seen.Intruder != "":
		drift = "was written by " + seen.Intruder
	case r.Owner != seen.Owner:
		drift = "changed its owner label"
	case r.Deleting != seen.Deleting:
		drift = "is being deleted"
	}
	if drift != "" {
		return &Move{Key: key, Drift: true, Why: key.String() + " " + drift}
	}
	if r.told != seen.Health.Status {
		return &Move{Key: key, Why: fmt.Sprintf("%s is %s", key, seen.Health.Status)}
	}
	return nil
}

// gone takes the word of a watch that an object, or its label, went away at a
// version.
func (t *Table) gone(key object.Key, version uint64) {
	t.mu.Lock()
	r := t.rows[key]
	had := r != nil && r.Version <= version
	if had {
		t.put(key, nil)
	}
	t.dead.add(key, version)
	t.mu.Unlock()
	if had {
		t.cfg.Moved(Move{Key: key, Drift: true, Why: key.String() + " was deleted, or lost its owner label"})
	}
}

// Forget drops the row of an object that we deleted ourselves.
func (t *Table) Forget(key object.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(key, nil)
}

func (o Owner) of(labels map[string]string) object.Key {
	name := labels[o.Name]
	if name == "" {
		return object.Key{}
	}
	return object.Key{Group: o.Group, Kind: o.Kind, Namespace: labels[o.Namespace], Name: name}
}

// versionOf reads a resource version as a number: since Kubernetes 1.35 it is
// promised to be one that grows (KEP-5504). Anything else reads as 0.
func versionOf(obj metav1.Object) uint64 { return parseVersion(obj.GetResourceVersion()) }

func parseVersion(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// syncTimeout bounds the wait for the first list of a kind.
const syncTimeout = 30 * time.Second

// lookAgain is how often who waits for it looks whether the kind is still there.
const lookAgain = 250 * time.Millisecond
