package fleettest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

const (
	fleets   = "../../../shared/fleets"
	examples = "../../examples"
)

// fleet is a fleet's cluster and what it is brought up with.
type fleet struct {
	name  string // of the table
	dir   string
	flags []string
	short bool // part of the quick suite
}

var all = []fleet{
	{name: "platform-dev", dir: examples + "/platform", flags: []string{"--path", "clusters/dev"}, short: true},
	{name: "platform-prod", dir: examples + "/platform", flags: []string{"--path", "clusters/prod"}, short: true},
	{name: "kustomize-helm-staging", dir: fleets + "/flux2-kustomize-helm-example", flags: []string{"--path", "clusters/staging"}},
	{name: "kustomize-helm-production", dir: fleets + "/flux2-kustomize-helm-example", flags: []string{"--path", "clusters/production"}},
}

// TestFleets compares every fleet with its table.
func TestFleets(t *testing.T) {
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			if testing.Short() && !f.short {
				t.Skip("not in the quick suite")
			}
			present(t, f.dir)
			compare(t, f.name, up(t, f.dir, f.flags...))
		})
	}
}

// present skips a test whose fleet is not on this machine.
func present(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the fleet %s is not beside the checkout; its table was NOT checked", filepath.Base(dir))
	}
}

// TestExamplesAreReady says of the project's own fleet what a table could lose
// in an -update: everything is ready.
func TestExamplesAreReady(t *testing.T) {
	for _, f := range all[:2] {
		text, err := os.ReadFile(filepath.Join("testdata", f.name+".table"))
		if err != nil {
			t.Fatal(err)
		}
		if notReady.Match(text) {
			t.Errorf("testdata/%s.table has a unit that is not ready:\n%s", f.name, text)
		}
	}
}

var notReady = regexp.MustCompile(`(?m)^(failed|waiting|progressing|unsupported|new|cause) |exit [^0]`)
