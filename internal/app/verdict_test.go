package app

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/entry"
)

// What an earlier process found against a fleet is what this one would find, object by
// object; where kinds have no schema, they are counted again.
func TestVerdictsThatWereKept(t *testing.T) {
	snap := generated(t, 3)
	snap = replaced(t, snap, "apps/1/app.yaml", [2]string{"spec:\n", "spec:\n  replicsa: 3\n"})
	snap = replaced(t, snap, "apps/2/config.yaml", [2]string{"data:\n", "data:\n  number: 3\n"})
	snap = replaced(t, snap, "apps/0/config.yaml", [2]string{"kind: ConfigMap", "kind: Gadget"})
	snap = replaced(t, snap, "apps/0/config.yaml", [2]string{"apiVersion: v1", "apiVersion: example.com/v1"})
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
	r := v.Rendered(t.Context())
	want, wantNotes := v.flaws(t.Context(), r)
	if len(want) < 2 || len(wantNotes) == 0 {
		t.Fatalf("%d flaws, notes %q", len(want), wantNotes)
	}
	v.judged(t.Context(), r, want)
	kept := 0
	for _, w := range v.verdicts {
		kept += len(w.parts)
	}
	got, notes := v.flaws(t.Context(), r)
	if !reflect.DeepEqual(got, want) || !slices.Equal(notes, wantNotes) {
		t.Errorf("got %v and %q\nwant %v and %q", got, notes, want, wantNotes)
	}
	if kept < 8 { // three units, and what they make but the gadget
		t.Errorf("%d verdicts were kept", kept)
	}
	edited := replaced(t, snap, "apps/1/app.yaml", [2]string{"replicsa", "replicsas"})
	edited.Commit = strings.Repeat("c", 40)
	if err := v.Update(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	again := v.Rendered(t.Context())
	got, notes = v.flaws(t.Context(), again)
	v.verdicts = nil
	if want, wantNotes = v.flaws(t.Context(), again); !reflect.DeepEqual(got, want) || !slices.Equal(notes, wantNotes) {
		t.Errorf("after an edit: got %v and %q\nwant %v and %q", got, notes, want, wantNotes)
	}
}
