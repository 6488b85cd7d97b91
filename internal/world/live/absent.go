package live

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// How Absent works: the first few questions about a kind are left to the caller,
// who asks the server for the one object. Where more follow, the names of all
// objects of the kind are listed once (metadata only, a page at a time, hashes
// of names kept) and answer for a short while. A fleet that comes up asks
// thousands of times; a single commit never does.
const (
	patience  = 8               // questions within freshness before a listing pays
	freshness = 2 * time.Second // how long a listing, or a question, counts
	pageSize  = 500
)

// names is what is known of the names of one kind.
type names struct {
	asked   int
	since   time.Time // of the first question counted
	listed  time.Time
	listing chan struct{} // closed when the listing under way ends
	keys    map[nameKey]struct{}
}

type nameKey struct{ namespace, name string }

// Absent tells that no object of that name exists, whoever made it, as far as a
// fresh listing knows; false means «ask».
func (t *Table) Absent(ctx context.Context, ref object.Ref) bool {
	gk := ref.GroupKind()
	t.namesMu.Lock()
	n := t.names[gk]
	if n == nil {
		n = &names{}
		t.names[gk] = n
	}
	now := time.Now()
	if now.Sub(n.since) > freshness {
		n.asked, n.since = 0, now
	}
	n.asked++
	switch {
	case now.Sub(n.listed) < freshness:
		defer t.namesMu.Unlock()
		return !n.has(ref)
	case n.asked < patience:
		t.namesMu.Unlock()
		return false
	case n.listing == nil:
		n.listing = make(chan struct{})
		t.namesMu.Unlock()
		t.listNames(ctx, ref.GVK(), n)
	default:
		wait := n.listing
		t.namesMu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return false
		}
	}
	t.namesMu.Lock()
	defer t.namesMu.Unlock()
	return time.Since(n.listed) < freshness && !n.has(ref)
}

func (n *names) has(ref object.Ref) bool {
	_, ok := n.keys[nameKey{ref.Namespace, ref.Name}]
	return ok
}

// listNames fills n; on an error it stays as it is and callers ask themselves.
func (t *Table) listNames(ctx context.Context, gvk schema.GroupVersionKind, n *names) {
	began := time.Now()
	keys, err := t.readNames(ctx, gvk)
	t.namesMu.Lock()
	defer t.namesMu.Unlock()
	if err == nil {
		n.keys, n.listed = keys, began
	}
	close(n.listing)
	n.listing = nil
}

func (t *Table) readNames(ctx context.Context, gvk schema.GroupVersionKind) (map[nameKey]struct{}, error) {
	m, err := t.cfg.Kind(ctx, gvk)
	if err != nil {
		return nil, err
	}
	keys := make(map[nameKey]struct{})
	client := t.cfg.Metadata.Resource(gvk.GroupVersion().WithResource(m.Resource))
	opts := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := client.List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			keys[nameKey{page.Items[i].Namespace, page.Items[i].Name}] = struct{}{}
		}
		if opts.Continue = page.Continue; opts.Continue == "" {
			return keys, nil
		}
	}
}

// noteName keeps a listing true to what we make ourselves.
func (t *Table) noteName(key object.Key) {
	t.namesMu.Lock()
	defer t.namesMu.Unlock()
	if n := t.names[key.GroupKind()]; n != nil && n.keys != nil {
		n.keys[nameKey{key.Namespace, key.Name}] = struct{}{}
	}
}
