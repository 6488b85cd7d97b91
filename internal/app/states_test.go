package app

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/fleet"
)

// tables are the states that `leat up` reaches on a Kubernetes API, per cluster.
const tables = "../../embedded/fleettest/testdata/"

// standing are clusters of which the tables tell, with what they are given there.
func standingClusters() map[string]tryout {
	radix := [][2]string{
		{"https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.5.1/standard-install.yaml", tables + "gateway-api.yaml"},
		{"https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.0/experimental-install.yaml", tables + "gateway-api.yaml"},
		{"https://infra.tekton.dev/tekton-releases/operator/previous/v0.79.0/release.yaml", tables + "tekton-operator.yaml"},
	}
	lenient := func(c tryout) tryout { c.lenient = true; return c }
	out := map[string]tryout{
		"platform-dev":              {dir: "../../examples/platform", path: "clusters/dev", short: true},
		"platform-prod":             {dir: "../../examples/platform", path: "clusters/prod", short: true},
		"kustomize-helm-staging":    {dir: fleets + "/flux2-kustomize-helm-example", path: "clusters/staging"},
		"kustomize-helm-production": {dir: fleets + "/flux2-kustomize-helm-example", path: "clusters/production"},
		"lsc-sde-local":             lenient(lscsde()),
		"lsc-sde-local-strict":      lscsde(),
		"radix-playground-bare":     {dir: fleets + "/radix-flux/master", path: "clusters/playground"},
		"multi-tenancy-staging": {dir: fleets + "/flux2-multi-tenancy", path: "clusters/staging",
			mirrors: [][2]string{{"https://github.com/fluxcd/flux2-multi-tenancy", tables + "dev-team"}}, inputs: []string{"multi-tenancy"}},
	}
	for _, name := range []string{"c2-production", "c3", "development", "monitoring", "playground", "production"} {
		out["radix-"+name] = tryout{dir: fleets + "/radix-flux/master", path: "clusters/" + name, mirrors: radix,
			inputs: []string{"radix-" + name, "radix-crds"}, short: name == "playground"}
	}
	return out
}

// unlike are the states that differ, each with the reason.
var unlike = map[string]string{}

// A preview to which nothing is made up stands as the fleet does when it is up.
func TestPreviewsStandAsFleetsThatAreUp(t *testing.T) {
	for name, c := range standingClusters() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			want := readTable(t, tables+name+".table")
			c.given = true
			p, snap := tried(t, c)
			got := map[string]string{}
			for _, u := range open(t, p, snap, c).Rendered(t.Context()).Units {
				got[u.Key.String()] = string(u.State)
			}
			units := slices.Concat(slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
			slices.Sort(units)
			for _, unit := range slices.Compact(units) {
				if why := unlike[name+" "+unit]; !alike(got[unit], want[unit]) && why == "" {
					t.Errorf("%s: %q in a preview, %q when it is up", unit, got[unit], want[unit])
				} else if alike(got[unit], want[unit]) && why != "" {
					t.Errorf("%s stands alike, though it is said not to: %s", unit, why)
				}
			}
		})
	}
}

// alike compares a state of a preview with one of a board: what is on its way, on
// a board, goes no further here, and what cannot be rendered waits there, or failed.
func alike(preview, board string) bool {
	switch board {
	case "progressing":
		return preview == "waiting"
	case "waiting", "failed":
		return preview == board || preview == string(fleet.NotRendered)
	}
	return preview == board
}

// boards are the states on a board of kinds that a preview has too.
var boards = []string{"ready", "waiting", "failed", "progressing", "suspended", "new"}

// readTable reads the states of a table.
func readTable(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var state, unit string
		if n, _ := fmt.Sscan(lines.Text(), &state, &unit); n < 2 || strings.Count(unit, "/") != 2 || !slices.Contains(boards, state) {
			continue
		}
		if _, twice := out[unit]; !twice {
			out[unit] = state
		}
	}
	return out
}
