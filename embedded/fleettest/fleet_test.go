package fleettest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

const (
	fleets   = "../../../shared/fleets"
	examples = "../../examples"
)

// fleet is a cluster of a fleet and what it is brought up with.
type fleet struct {
	name  string // of the table
	dir   string
	flags []string
	more  func(t *testing.T) []string // flags that need files made first
	short bool                        // part of the quick suite
}

// The flags of fleets that need something from outside.
var (
	tenantFlags = []string{"--mirror", "https://github.com/fluxcd/flux2-multi-tenancy=testdata/dev-team"}
	radixFlags  = []string{
		"--input", "testdata/radix-crds.input.yaml",
		"--mirror", "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.5.1/standard-install.yaml=testdata/gateway-api.yaml",
		"--mirror", "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.0/experimental-install.yaml=testdata/gateway-api.yaml",
		"--mirror", "https://infra.tekton.dev/tekton-releases/operator/previous/v0.79.0/release.yaml=testdata/tekton-operator.yaml",
	}
)

// all are the fleets, in the order in which they run.
func all() []fleet {
	out := []fleet{
		{name: "platform-dev", dir: examples + "/platform", flags: path("dev"), short: true},
		{name: "platform-prod", dir: examples + "/platform", flags: path("prod")},
		{name: "kustomize-helm-staging", dir: fleets + "/flux2-kustomize-helm-example", flags: path("staging")},
		{name: "kustomize-helm-production", dir: fleets + "/flux2-kustomize-helm-example", flags: path("production")},
		{name: "multi-tenancy-staging", dir: fleets + "/flux2-multi-tenancy",
			flags: path("staging", tenantFlags, []string{"--input", "testdata/multi-tenancy.input.yaml"})},
		// Its tenants come behind kyverno, which comes from a registry.
		{name: "multi-tenancy-staging-kyverno", dir: fleets + "/flux2-multi-tenancy", flags: path("staging", tenantFlags, kyvernoFlags)},
		// The same, and in this cluster the tenant's branch reaches for a foreign namespace.
		{name: "multi-tenancy-production-kyverno", dir: fleets + "/flux2-multi-tenancy", flags: path("production", tenantFlags, kyvernoFlags)},
	}
	out = append(out, helmFleets()...)
	for _, cluster := range []string{"c2-production", "c3", "development", "monitoring", "playground", "production"} {
		out = append(out, fleet{
			name: "radix-" + cluster, dir: fleets + "/radix-flux/master",
			flags: append([]string{"--path", "clusters/" + cluster, "--input", "testdata/radix-" + cluster + ".input.yaml"}, radixFlags...),
		})
	}
	// Given nothing at all: it must say what is missing, each thing once, and what to pass.
	return append(out, fleet{name: "radix-playground-bare", dir: fleets + "/radix-flux/master", flags: path("playground")})
}

// helmFleets are those that stand on charts.
func helmFleets() []fleet {
	example, seed := fleets+"/flux2-kustomize-helm-example", fleets+"/lsc-sde/git/iac-flux-lscsde/main"
	// The seed's platform was written for a Flux that took undefined variables as empty.
	lenient := []string{"--path", "clusters/local", "--feature-gates", "StrictPostBuildSubstitutions=false"}
	return []fleet{
		{name: "kustomize-helm-staging-charts", dir: example, flags: path("staging"), more: standIns},
		{name: "kustomize-helm-production-charts", dir: example, flags: path("production"), more: standIns},
		{name: "lsc-sde-local", dir: seed, flags: lenient, more: lscsde},
		{name: "lsc-sde-local-calico", dir: seed, flags: append(slices.Clone(lenient), "--input", "testdata/calico.input.yaml"), more: lscsde},
		{name: "lsc-sde-local-strict", dir: seed, flags: path("local"), more: lscsde},
		{name: "home-ops", dir: fleets + "/home-ops", more: appTemplate,
			flags: []string{"--path", "kubernetes/flux/cluster", "--input", "testdata/home-ops-crds.input.yaml"}},
	}
}

// path returns the flags for a cluster.
func path(cluster string, more ...[]string) []string {
	out := []string{"--path", "clusters/" + cluster}
	for _, flags := range more {
		out = append(out, flags...)
	}
	return out
}

// TestFleets compares every fleet with its table.
func TestFleets(t *testing.T) {
	for _, f := range all() {
		t.Run(f.name, func(t *testing.T) {
			if testing.Short() && !f.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			if _, err := os.Stat(f.dir); err != nil {
				t.Skipf("the fleet %s is not beside the checkout: its table was NOT checked", filepath.Base(f.dir))
			}
			flags := f.flags
			if f.more != nil {
				flags = append(slices.Clone(flags), f.more(t)...)
			}
			compare(t, f.name, up(t, f.dir, flags...))
		})
	}
}

var kyvernoFlags = []string{"--mirror", "oci://ghcr.io/kyverno/manifests/kyverno=testdata/kyverno"}

var notReady = regexp.MustCompile(`(?m)^(failed|waiting|progressing|unsupported|new|cause) |exit [^0]`)

// TestExamplesAreReady says of the project's own fleet what an -update could
// lose: everything is ready.
func TestExamplesAreReady(t *testing.T) {
	for _, name := range []string{"platform-dev", "platform-prod"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".table"))
		if err != nil {
			t.Fatal(err)
		}
		if notReady.Match(text) {
			t.Errorf("testdata/%s.table has a unit that is not ready:\n%s", name, text)
		}
	}
}
