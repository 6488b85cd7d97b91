package app

import (
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/testkit"
)

// A plan that goes on from a base that an earlier process rendered is the plan that
// renders it, after any edit.
func TestSavedEqualsFresh(t *testing.T) {
	const edits = 6
	for _, c := range []tryout{
		{dir: "../../examples/platform", path: "clusters/dev", short: true},
		{dir: fleets + "/flux2-kustomize-helm-example", path: "clusters/staging"},
		{dir: fleets + "/radix-flux/master", path: "clusters/playground"},
		{dir: fleets + "/home-ops", path: "kubernetes/flux/cluster"},
		lscsde(),
	} {
		t.Run(filepath.Base(c.dir), func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			dir := t.TempDir()
			_, snap := tried(t, c)
			o := entry.Options{Path: c.path}
			base := Revision{Name: "base", Snapshot: snap}
			mask := plan.NewMask(secret.NewKey())
			another := func(dir string) *Previews { return anotherProcess(t, c, dir, mask) }
			fresh, first := another(""), another(dir)
			draw := rand.New(rand.NewPCG(5, 6))
			for i := range edits {
				edited, what := edit(t, snap, draw, i)
				head := Revision{Name: "head", Snapshot: edited}
				want := document(t, fresh, o, base, head)
				if i == 0 {
					if got := document(t, first, o, base, head); got != want {
						t.Fatalf("%s: the plan that keeps its base differs\n%s", what, differ(got, want))
					}
					if err := first.Close(); err != nil {
						t.Fatal(err)
					}
				}
				p := another(dir)
				if id, _ := p.savedID(o, base); !kept(t, p, o, base) {
					t.Fatalf("%s: the base %s was not taken from where it is kept", what, id.Short())
				}
				if got := document(t, p, o, base, head); got != want {
					t.Errorf("%s: the plan from a base that was kept differs\n%s", what, differ(got, want))
				}
			}
		})
	}
}

// kept tells whether a base is taken from where it is kept.
func kept(t *testing.T, p *Previews, o entry.Options, base Revision) bool {
	t.Helper()
	id, ok := p.savedID(o, base)
	if !ok {
		return false
	}
	v, _, ok := p.restore(t.Context(), o, base, id)
	if ok {
		v.Close()
	}
	return ok
}

// anotherProcess shares nothing with others but what lies in a directory.
func anotherProcess(t *testing.T, c tryout, dir string, mask plan.Mask) *Previews {
	t.Helper()
	cfg := configOf(t, c)
	cfg.Saved, cfg.Options.Mask = dir, mask
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := NewPreviews(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// document is a plan as a program reads it, but for how long it took.
func document(t *testing.T, p *Previews, o entry.Options, base, head Revision) string {
	t.Helper()
	e, err := p.compare(t.Context(), o, base, head)
	if err != nil {
		return "error: " + err.Error()
	}
	e.Took = present.Took{}
	text, err := present.Make(present.Plan{Entries: []present.Entry{e}}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// differ shows the lines that one text has and another does not.
func differ(got, want string) string {
	var out strings.Builder
	count := map[string]int{}
	for _, line := range strings.Split(want, "\n") {
		count[line]++
	}
	for _, line := range strings.Split(got, "\n") {
		if count[line]--; count[line] < 0 && out.Len() < 4000 {
			out.WriteString("+ " + line + "\n")
		}
	}
	for line, n := range count {
		if n > 0 && out.Len() < 6000 {
			out.WriteString("- " + line + "\n")
		}
	}
	return out.String()
}

// A field that is new must be part of the ID under which a base is kept, or said
// here not to decide what it is rendered to.
func TestEveryChoiceIsPartOfTheID(t *testing.T) {
	testkit.Fields(t, reflect.TypeFor[PreviewConfig](), map[string]string{
		"Inputs": "", "Values": "", "Mirrors": "", "Fetch": "", "Given": "", "Options": "", "Isolate": "",
		"CacheDir": "where, not what", "Saved": "where, not what", "Log": "only tells", "Say": "only tells",
	})
	platform := tryout{dir: "../../examples/platform", path: "clusters/dev"}
	_, snap := tried(t, platform)
	p := anotherProcess(t, platform, t.TempDir(), plan.Mask{})
	if text := p.choices(); strings.Contains(text, "0x") {
		t.Errorf("an address is no part of an ID: %s", text)
	}
	base, o := Revision{Snapshot: snap}, entry.Options{Path: "clusters/dev"}
	id, ok := p.savedID(o, base)
	if !ok {
		t.Fatal("nothing would be kept")
	}
	for name, change := range map[string]func(*PreviewConfig){
		"given":  func(c *PreviewConfig) { c.Given = !c.Given },
		"values": func(c *PreviewConfig) { c.Values = map[string]string{"a": "b"} },
		"strict": func(c *PreviewConfig) { c.Options.Strict = !c.Options.Strict },
		"gate":   func(c *PreviewConfig) { c.Options.HelmGates.Helm3Defaults = true },
		"limit":  func(c *PreviewConfig) { c.Options.MaxIndex = 1 },
		"stage":  func(c *PreviewConfig) { c.Options.CustomStages = map[schema.GroupKind]bool{{Kind: "X"}: true} },
		"mask":   func(c *PreviewConfig) { c.Options.Mask = plan.NewMask(secret.NewKey()) },
		"input":  func(c *PreviewConfig) { c.Inputs = []string{"saved_test.go"} },
	} {
		other := *p
		change(&other.cfg)
		if got, _ := other.savedID(o, base); got == id {
			t.Errorf("%s does not change the ID", name)
		}
	}
}
