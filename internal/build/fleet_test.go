package build

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/tree"
)

// fleets is where real fleets stand beside the checkout, for those who have them.
const fleets = "../../../shared/fleets"

// fleet is one repository of the test data.
type fleet struct {
	name, dir string
	tree      tree.Tree
}

// eachFleet runs test for every repository of the fleets.
func eachFleet(t *testing.T, test func(t *testing.T, f fleet)) {
	t.Helper()
	var roots []string
	for _, pattern := range []string{"flux2-*", "home-ops", "radix-flux/*", "flux-v1/*", "lsc-sde/git/*/*"} {
		found, err := filepath.Glob(filepath.Join(fleets, pattern))
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, found...)
	}
	if len(roots) == 0 {
		t.Skipf("no fleets at %s: the cases that need them are not run", fleets)
	}
	for _, dir := range roots {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		name, _ := filepath.Rel(fleets, dir)
		t.Run(name, func(t *testing.T) { test(t, fleet{name, dir, treeOf(t, dir)}) })
	}
}

func treeOf(t testing.TB, dir string) tree.Tree {
	t.Helper()
	var b tree.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		return b.Add(filepath.ToSlash(rel), tree.BlobOf(data))
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// recipes returns a recipe for each directory with a kustomization, and for
// each Flux Kustomization of the repository whose path exists in it.
func (f fleet) recipes(t testing.TB) []Recipe {
	t.Helper()
	var out []Recipe
	err := f.tree.Walk(func(p string, b *tree.Blob) error {
		for _, name := range konfig.RecognizedKustomizationFileNames() {
			if filepath.Base(p) == name {
				out = append(out, Recipe{Path: filepath.Dir(p)})
			}
		}
		if ext := filepath.Ext(p); ext == ".yaml" || ext == ".yml" {
			text, err := b.Read()
			if err != nil {
				return err
			}
			out = append(out, f.units(string(text))...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return distinct(t, out)
}

func distinct(t testing.TB, all []Recipe) []Recipe {
	t.Helper()
	var out []Recipe
	seen := map[string]bool{}
	for _, r := range all {
		r.Path = filepath.Clean("/" + r.Path)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if !seen[string(text)] {
			seen[string(text)] = true
			out = append(out, r)
		}
	}
	return out
}

func (f fleet) units(text string) []Recipe {
	var out []Recipe
	for doc := range strings.SplitSeq(text, "\n---") {
		if !strings.Contains(doc, "kustomize.toolkit.fluxcd.io") {
			continue
		}
		var k kustomizev1.Kustomization
		if yaml.Unmarshal([]byte(doc), &k) != nil || k.Kind != "Kustomization" || strings.Contains(k.Spec.Path, "$") {
			continue
		}
		if f.tree.Lookup(k.Spec.Path).Kind == tree.Dir {
			out = append(out, recipeOf(&k))
		}
	}
	return out
}

func recipeOf(k *kustomizev1.Kustomization) Recipe {
	r := Recipe{
		Path: k.Spec.Path, TargetNamespace: k.Spec.TargetNamespace,
		NamePrefix: k.Spec.NamePrefix, NameSuffix: k.Spec.NameSuffix,
		Patches: k.Spec.Patches, Images: k.Spec.Images,
		Components: k.Spec.Components, IgnoreMissingComponents: k.Spec.IgnoreMissingComponents,
		OwnerName: k.Name, OwnerNamespace: k.Namespace,
	}
	for _, m := range k.Spec.BuildMetadata {
		r.BuildMetadata = append(r.BuildMetadata, string(m))
	}
	if k.Spec.CommonMetadata != nil {
		r.CommonLabels, r.CommonAnnotations = k.Spec.CommonMetadata.Labels, k.Spec.CommonMetadata.Annotations
	}
	if k.Spec.PostBuild != nil {
		r.Substitute = k.Spec.PostBuild.Substitute
		r.SubstituteAlways = k.GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways
	}
	return r
}
