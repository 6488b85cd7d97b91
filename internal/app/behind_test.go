package app

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// A fleet of which most units stayed behind their source is shown as it stands when
// all of them have run, statuses and all; and who may stay behind is told by what
// differs of two trees as by replaying every read.
func TestBehindIsShownAsCaughtUp(t *testing.T) {
	const edits = 6
	for _, c := range []tryout{
		{dir: "../../examples/platform", path: "clusters/dev", short: true},
		{dir: fleets + "/radix-flux/master", path: "clusters/playground"},
	} {
		t.Run(filepath.Base(c.dir), func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			p, snap := tried(t, c)
			warm, last := open(t, p, snap, c), snap.Tree
			draw := rand.New(rand.NewPCG(5, 6))
			stayed := 0
			for i := range edits {
				edited, what := edit(t, snap, draw, i)
				sameTouched(t, warm, last, edited.Tree)
				last = edited.Tree
				if err := warm.Update(t.Context(), edited); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				behind := warm.Rendered(t.Context())
				stayed += stale(warm, behind)
				for _, u := range behind.Units {
					if u.Key.Kind == unit.KustomizationKind {
						warm.Fleet.Wake(u.Key, "the test asks")
					}
				}
				if err := warm.Fleet.Settle(t.Context()); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				caughtUp := warm.Rendered(t.Context())
				if n := stale(warm, caughtUp); n > 0 {
					t.Errorf("%s: %d units are behind after all have run", what, n)
				}
				if well(behind) {
					sameRendered(t, what, behind, caughtUp)
				}
			}
			if t.Logf("%d units stayed behind", stayed); stayed == 0 {
				t.Error("no unit stayed behind")
			}
		})
	}
}

// sameTouched compares what differs of two trees with every read of every build.
func sameTouched(t *testing.T, v *Preview, was, is tree.Tree) {
	t.Helper()
	eng := v.from.helm.engine
	fast := eng.Touched(t.Context(), was, is)
	for _, obj := range v.Fleet.Units() {
		if key := object.KeyOf(obj); key.Kind == unit.KustomizationKind && fast(key) != eng.Touches(t.Context(), key, is) {
			t.Errorf("%s is touched: %t by the difference, %t by its reads", key, fast(key), !fast(key))
		}
	}
}

// stale counts the units that are shown at another revision than the world has.
func stale(v *Preview, r fleet.Rendered) int {
	n := 0
	for _, obj := range v.Fleet.Units() {
		u := r.Unit(object.KeyOf(obj))
		if !reflect.DeepEqual(u.Object.Object["status"], obj.Object["status"]) {
			n++
		}
	}
	return n
}

// sameRendered compares two renderings of one fleet, but for what runs read.
func sameRendered(t *testing.T, what string, got, want fleet.Rendered) {
	t.Helper()
	for i := range want.Units {
		g, w := got.Units[i], want.Units[i]
		g.Reads, w.Reads = nil, nil
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %s\ngot  %+v %v\nwant %+v %v", what, w.Key, g, g.Object, w, w.Object)
		}
	}
}

// Who is read runs: a unit whose dependency stayed behind gets it to catch up.
func TestBehindCatchesUpWhenRead(t *testing.T) {
	snap := generated(t, 4)
	snap = replaced(t, snap, "clusters/x/1.yaml", [2]string{"interval: 1m,", "interval: 1m, dependsOn: [{name: app-2}],"})
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	v, err := p.Open(t.Context(), snap, entry.Options{Path: "clusters/x"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	at := func(s worktree.Snapshot) string { return "main@sha1:" + s.Commit } // as sources of this machine have it
	next := replaced(t, snap, "apps/1/config.yaml", [2]string{"value: a", "value: b"})
	next.Commit = strings.Repeat("c", 40)
	if err := v.Update(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"app-0": at(snap), "app-1": at(next), "app-2": at(next), "app-3": at(snap)}
	shown := v.Rendered(t.Context())
	for _, obj := range v.Fleet.Units() {
		status, _ := obj.Object["status"].(map[string]any)
		if name := obj.GetName(); want[name] != "" && fmt.Sprint(status["lastAppliedRevision"]) != want[name] {
			t.Errorf("%s stands at %v, want %s", name, status["lastAppliedRevision"], want[name])
		}
		u := shown.Unit(object.KeyOf(obj))
		if u.State != fleet.Ready || u.Revision != at(next) {
			t.Errorf("%s is shown %s at %s, want ready at %s", u.Key, u.State, u.Revision, at(next))
		}
	}
}
