package app

import (
	"math/rand/v2"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// What is planned again from where the last plan left off is what a fresh plan
// finds, after any edit that leaves the fleet well.
func TestReplanEqualsFreshPlan(t *testing.T) {
	const edits = 8
	for _, c := range []tryout{
		{dir: "../../examples/platform", path: "clusters/dev", short: true},
		{dir: fleets + "/radix-flux/master", path: "clusters/playground"},
	} {
		t.Run(filepath.Base(c.dir), func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			p, snap := tried(t, c)
			warm := open(t, p, snap, c)
			draw := rand.New(rand.NewPCG(1, 2))
			compared := 0
			for i := range edits {
				edited, what := edit(t, snap, draw, i)
				if err := warm.Update(t.Context(), edited); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				cold, err := p.Open(t.Context(), edited, entry.Options{Path: c.path})
				if err != nil {
					continue // the entry itself was broken
				}
				fresh, again := cold.Rendered(t.Context()), warm.Rendered(t.Context())
				want, wantNotes := cold.flaws(t.Context(), fresh)
				flaws, notes := warm.flaws(t.Context(), again)
				cold.Close()
				if !well(fresh) || !well(again) {
					continue
				}
				compared++
				if !reflect.DeepEqual(flaws, want) || !slices.Equal(notes, wantNotes) {
					t.Errorf("%s: got flaws %v and %v, want %v and %v", what, flaws, notes, want, wantNotes)
				}
				for _, u := range change.Compare(fresh, again, change.Options{Mask: plan.NewMask(secret.NewKey())}).Units {
					t.Errorf("%s: %s %s: %v %v", what, u.Op, u.Key, u.Spec, u.Objects)
				}
			}
			t.Logf("%d of %d edits compared", compared, edits)
		})
	}
}

// well tells whether everything that could be had is ready.
func well(r fleet.Rendered) bool {
	for _, u := range r.Units {
		if u.State == fleet.Waiting || u.State == fleet.Failed && !slices.ContainsFunc(u.On, report.IsRemedy) {
			return false
		}
	}
	return true
}

var scalar = regexp.MustCompile(`(?m)^( +[a-zA-Z]+: )([a-z0-9][a-z0-9.-]*)$`)

// edit changes one value in one file of a fleet.
func edit(t *testing.T, snap worktree.Snapshot, draw *rand.Rand, n int) (worktree.Snapshot, string) {
	t.Helper()
	var files []string
	_ = snap.Tree.Walk(func(p string, _ *tree.Blob) error {
		// A chart that keeps its version is not upgraded, but it is installed afresh.
		if path.Ext(p) == ".yaml" && !strings.Contains(p, "gotk-") && !strings.HasPrefix(p, "charts/") {
			files = append(files, p)
		}
		return nil
	})
	for {
		file := files[draw.IntN(len(files))]
		text, err := snap.Tree.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := scalar.FindAllSubmatchIndex(text, -1)
		if len(found) == 0 {
			continue
		}
		at := found[draw.IntN(len(found))]
		changed := string(text[:at[5]]) + "1" + string(text[at[5]:])
		next, err := snap.Tree.With(file, tree.BlobOf([]byte(changed)))
		if err != nil {
			t.Fatal(err)
		}
		out := snap
		out.Tree, out.Commit = next, strings.Repeat("0", 38)+string(rune('a'+n%26))+string(rune('a'+n/26))
		return out, file + ": " + string(text[at[2]:at[5]])
	}
}
