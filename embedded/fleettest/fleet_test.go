package fleettest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
	edit  func(t *testing.T, dir string) // of a copy of the fleet; nil: as it stands
	short bool                           // part of the quick suite
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
		{name: "platform-prod", dir: examples + "/platform", flags: path("prod"), short: true},
		{name: "kustomize-helm-staging", dir: fleets + "/flux2-kustomize-helm-example", flags: path("staging")},
		{name: "kustomize-helm-production", dir: fleets + "/flux2-kustomize-helm-example", flags: path("production")},
		{name: "multi-tenancy-staging", dir: fleets + "/flux2-multi-tenancy",
			flags: path("staging", tenantFlags, []string{"--input", "testdata/multi-tenancy.input.yaml"})},
		// Its tenants come behind kyverno, and kyverno from an OCIRepository, which this version
		// does not reconcile: in a copy of the fleet that one source is a GitRepository.
		{name: "multi-tenancy-staging-kyverno-from-git", dir: fleets + "/flux2-multi-tenancy",
			flags: path("staging", tenantFlags, kyvernoFlags), edit: kyvernoFromGit},
		// The same, and in this cluster the tenant's branch reaches for a foreign namespace.
		{name: "multi-tenancy-production-kyverno-from-git", dir: fleets + "/flux2-multi-tenancy",
			flags: path("production", tenantFlags, kyvernoFlags), edit: kyvernoFromGit},
	}
	for _, cluster := range []string{"c2-production", "c3", "development", "monitoring", "playground", "production"} {
		out = append(out, fleet{
			name: "radix-" + cluster, dir: fleets + "/radix-flux/master", short: cluster == "playground",
			flags: append([]string{"--path", "clusters/" + cluster, "--input", "testdata/radix-" + cluster + ".input.yaml"}, radixFlags...),
		})
	}
	// Given nothing at all: it must say what is missing, each thing once, and what to pass.
	return append(out, fleet{name: "radix-playground-bare", dir: fleets + "/radix-flux/master", flags: path("playground")})
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
				t.Skip("not in the quick suite")
			}
			if _, err := os.Stat(f.dir); err != nil {
				t.Skipf("the fleet %s is not beside the checkout: its table was NOT checked", filepath.Base(f.dir))
			}
			dir := f.dir
			if f.edit != nil {
				dir = t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(f.dir)); err != nil {
					t.Fatal(err)
				}
				f.edit(t, dir)
			}
			compare(t, f.name, up(t, dir, f.flags...))
		})
	}
}

var kyvernoFlags = []string{"--mirror", "https://github.com/kyverno/kyverno=testdata/kyverno"}

// kyvernoFromGit makes the fleet's one OCIRepository a GitRepository.
func kyvernoFromGit(t *testing.T, dir string) {
	dir = filepath.Join(dir, "infrastructure", "kyverno")
	source := `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: kyverno-controller
  namespace: flux-system
spec:
  interval: 2h
  url: https://github.com/kyverno/kyverno
`
	if err := os.WriteFile(filepath.Join(dir, "source.yaml"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	sync, err := os.ReadFile(filepath.Join(dir, "sync.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(sync), "kind: OCIRepository", "kind: GitRepository", 1)
	if edited == string(sync) {
		t.Fatal("the fleet is not as it was: kyverno does not come from an OCIRepository")
	}
	if err := os.WriteFile(filepath.Join(dir, "sync.yaml"), []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
}

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
