package crd_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/crd"
)

// Real fleets lie beside the checkout when tests run where they were
// collected. They are not part of the project.
const shared = "../../../shared"

// TestRealFleets writes every Flux object of the fleets through its version,
// and as the newest version a second time.
func TestRealFleets(t *testing.T) {
	accepted := 0
	for _, dir := range []string{"fleets", "seeds"} {
		root := filepath.Join(shared, dir)
		if _, err := os.Stat(root); err != nil {
			t.Skipf("no %s here", root)
		}
		walkErr := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
				return err
			}
			name, _ := filepath.Rel(shared, path)
			accepted += writeFile(t, path, filepath.ToSlash(name))
			return nil
		})
		if walkErr != nil {
			t.Fatal(walkErr)
		}
	}
	t.Logf("%d objects accepted", accepted)
	if accepted < 500 {
		t.Errorf("only %d objects found", accepted)
	}
}

// writeFile writes the Flux objects of one file and returns their number.
func writeFile(t *testing.T, path, name string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, document := range bytes.Split(b, []byte("\n---")) {
		if !mentionsFlux(document) {
			continue
		}
		o, err := decode(string(document))
		if err != nil {
			if !template(name) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !known(o) {
			continue
		}
		faults := writeTwice(t, o)
		if (len(faults) > 0) != (refused[name] != "") {
			t.Errorf("%s: faults %v, listed as refused: %q", name, faults, refused[name])
		}
		if len(faults) == 0 {
			written++
		}
	}
	return written
}

func writeTwice(t *testing.T, o object) []string {
	t.Helper()
	stored, faults := serverFor(t, o).write(o, nil)
	if len(faults) > 0 {
		return faults
	}
	stored = serverFor(t, newest(o)).read(newest(stored))
	_, faults = serverFor(t, stored).write(stored, stored)
	return faults
}

// mentionsFlux reports that a document may be an object of ours.
func mentionsFlux(document []byte) bool {
	return bytes.Contains(document, []byte("apiVersion: ")) && bytes.Contains(document, []byte(".fluxcd.io/v"))
}

// known reports that an object is of one of our kinds. Others have our groups
// inside: lists of patches, CRDs, kustomize's own Kustomization.
func known(o object) bool {
	apiVersion, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	_, ok := crd.ByKind(group, kind)
	return ok
}

// template reports files that are text for Helm or another program and become
// YAML only there.
func template(name string) bool {
	return strings.Contains(name, "/templates/")
}

// refused lists files whose objects Flux refuses too, and why.
var refused = map[string]string{
	"fleets/flux2-kustomize-helm-example/apps/production/podinfo-values.yaml": patch,
	"fleets/flux2-kustomize-helm-example/apps/staging/podinfo-values.yaml":    patch,
	"fleets/flux2-multi-tenancy/tenants/production/dev-team-patch.yaml":       patch,
	"fleets/flux2-multi-tenancy/tenants/staging/dev-team-patch.yaml":          patch,
	"fleets/radix-flux/master/clusters/c2-production/healthChecks.yaml":       patch,
	"fleets/radix-flux/master/clusters/c3/healthChecks.yaml":                  patch,
	"fleets/radix-flux/master/clusters/development/healthChecks.yaml":         patch,
	"fleets/radix-flux/master/clusters/playground/healthChecks.yaml":          patch,
	"fleets/radix-flux/master/clusters/production/healthChecks.yaml":          patch,
}

const patch = "a patch for an object, not an object"
