package present_test

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/present"
)

var update = flag.Bool("update", false, "write the goldens")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./internal/present -update writes it):\n%s", name, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

func TestText(t *testing.T) {
	doc := fixture(t)
	for _, width := range []int{60, 100, 160} {
		text := doc.Text(present.Style{Width: width})
		golden(t, fmt.Sprintf("text-%d.txt", width), text)
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("width %d: a line of %d columns: %s", width, n, line)
			}
		}
	}
	golden(t, "text-colour.txt", strings.ReplaceAll(doc.Text(present.Style{Width: 100, Colour: true}), "\x1b", "␛"))
}

// outputs is a document in every form.
func outputs(t *testing.T, doc present.Document) map[string]string {
	t.Helper()
	out := map[string]string{
		"text": doc.Text(present.Style{Width: 80, Colour: true}), "markdown": doc.Markdown(present.Comment{}),
	}
	out["html"] = page(t, doc)
	data, err := doc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	out["json"] = string(data)
	if data, err = doc.SARIF(nil); err != nil {
		t.Fatal(err)
	}
	out["sarif"] = string(data)
	return out
}

func TestNoSecretInAnyOutput(t *testing.T) {
	doc := fixture(t)
	for name, text := range outputs(t, doc) {
		for what, secret := range map[string]string{"in clear": canary, "in base64": base64.StdEncoding.EncodeToString([]byte(canary))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret %s", name, what)
			}
		}
		if name != "sarif" && !strings.Contains(text, mask.Fingerprint([]byte(canary))) {
			t.Errorf("%s does not hold its fingerprint", name)
		}
	}
}

// What comes out of Git must not steer a terminal.
func TestTextSteersNoTerminal(t *testing.T) {
	for _, text := range hostileTexts {
		got := present.Make(hostile(text)).Text(present.Style{Width: 80})
		for _, r := range got {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%q: %U stands in the text", text, r)
				break
			}
		}
	}
}

func TestNothingChanges(t *testing.T) {
	doc := present.Make(present.Plan{Entries: []present.Entry{quiet()}})
	if doc.Changes || doc.Verdict != "nothing changes in 96 units" {
		t.Errorf("got %v, %q", doc.Changes, doc.Verdict)
	}
}

// The units that go are counted with those that stay: never more of them change than
// there are.
func TestVerdictCountsUnitsThatGo(t *testing.T) {
	ready := change.Standing{State: fleet.Ready}
	set := change.Set{All: 1, Units: []change.Unit{
		{Key: kustomization("apps"), Op: change.Change, Before: ready, After: ready},
		{Key: kustomization("old"), Op: change.Delete, Before: ready},
		{Key: kustomization("older"), Op: change.Orphan, Before: ready},
	}}
	doc := present.Make(present.Plan{Entries: []present.Entry{{Path: "clusters/x", Set: set}}})
	if want := "3 of 3 units change, no object does"; doc.Verdict != want || doc.Clusters[0].Verdict != want {
		t.Errorf("got %q and %q, want %q", doc.Verdict, doc.Clusters[0].Verdict, want)
	}
}
