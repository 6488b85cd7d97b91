package grant

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// keepsAccounts is a cluster in which somebody's webhook refuses that accounts are deleted.
type keepsAccounts struct{ world.World }

func (k keepsAccounts) Delete(ctx context.Context, d world.Delete) error {
	if d.Ref.Kind == accountKind.Kind {
		return errors.New("the webhook is down")
	}
	return k.World.Delete(ctx, d)
}

// granted is a cluster in which a grant was made, with what it was made of.
func granted(t *testing.T) (w *memory.World, r access.Request, made []object.Ref) {
	t.Helper()
	w = memory.New(memory.Options{})
	for _, name := range []string{access.Namespace, "shop", "cart"} {
		ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
		if _, err := w.Create(t.Context(), ns, "test"); err != nil {
			t.Fatal(err)
		}
	}
	g := &Grantor{Own: w, Acting: w, Namespace: "flux-system"}
	r.Name, r.UID, r.Spec.Namespaces = "r", "1", []string{"shop", "cart"}
	r.Status.Snapshot, r.Status.Grant = &access.Snapshot{}, &access.Held{}
	objs, err := g.made(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range objs {
		if err := g.make(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
		made = append(made, object.RefOf(obj))
	}
	return w, r, made
}

// What cannot be removed does not keep the rest of a grant: without its bindings the
// account may nothing.
func TestWhatCannotBeRemovedDoesNotKeepTheRest(t *testing.T) {
	w, r, made := granted(t)
	g := &Grantor{Own: w, Acting: keepsAccounts{w}, Namespace: "flux-system"}
	if _, err := g.takeBack(t.Context(), access.Case{Request: r}, time.Now()); err == nil || !strings.Contains(err.Error(), "the webhook is down") {
		t.Errorf("got %v", err)
	}
	for _, ref := range made {
		if got, err := get(t.Context(), w, ref); (got != nil) != (ref.Kind == accountKind.Kind) || err != nil {
			t.Errorf("%s: got %v, %v; want all but the account gone", ref.Key, got, err)
		}
	}
}

// A controller that lost its lease may make a grant after the next one took it back: it
// goes with the request.
func TestNothingOutlivesItsRequest(t *testing.T) {
	w, r, made := granted(t)
	g := &Grantor{Own: w, Acting: w, Namespace: "flux-system"}
	r.Status.Phase = access.Denied
	if err := g.forget(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	for _, ref := range made {
		if got, err := get(t.Context(), w, ref); got != nil || err != nil {
			t.Errorf("%s: got %v, %v; want it gone", ref.Key, got, err)
		}
	}
}

// What was written is told though our clock is behind that of the API server, which stamps
// it, or it was written in the minute for which that takes a token after its end.
func TestTheLastWritesAreWithinTheTimeOfAGrant(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var r access.Request
	r.Status.Grant = &access.Held{From: metav1.NewTime(began), Until: metav1.NewTime(began.Add(time.Hour))}
	for _, c := range []struct{ ended, want time.Duration }{
		{20 * time.Minute, 21 * time.Minute}, {time.Hour, 61 * time.Minute}, {24 * time.Hour, 61 * time.Minute},
	} {
		if got := window(r, began.Add(c.ended)).Until.Sub(began); got != c.want {
			t.Errorf("ended after %s: got %s, want %s", c.ended, got, c.want)
		}
	}
}
