package live

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// Told is a table that watches nothing: whoever holds the world tells it of every
// change, of whatever kind and label. Every kind that is served counts as followed.
type Told struct {
	*Table
	standing *standing
}

// NewTold returns a table of a world in this process; cfg needs no clients.
func NewTold(cfg Config) Told { return Told{New(context.Background(), cfg), &standing{}} }

// Follow tells whether the kind is served.
func (t Told) Follow(ctx context.Context, gvk schema.GroupVersionKind) error {
	_, err := t.cfg.Kind(ctx, gvk)
	return err
}

// Seen returns what is known of an object.
func (t Told) Seen(key object.Key) (seen Seen, exists, followed bool) {
	t.settle(key)
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r := t.rows[key]; r != nil {
		return r.Seen, true, true
	}
	return Seen{}, false, true
}

// Absent is never known: the world answers at once.
func (t Told) Absent(context.Context, object.Ref) bool { return false }

// Changed takes a change. Of one that Note told of already only the health is news.
func (t Told) Changed(obj *unstructured.Unstructured) {
	key := object.KeyOf(obj)
	t.settle(key)
	version := versionOf(obj)
	t.mu.RLock()
	var noted *Seen
	if r := t.rows[key]; r != nil && version <= r.Version {
		seen := r.Seen
		noted = &seen
	}
	t.mu.RUnlock()
	switch {
	case noted == nil:
		t.heard(key, t.judge(obj))
	case noted.Version == version:
		t.heard(key, *noted)
	}
}

// Gone takes a deletion.
func (t Told) Gone(obj *unstructured.Unstructured) {
	t.settle(object.KeyOf(obj))
	t.gone(object.KeyOf(obj), versionOf(obj))
}
