package build

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	oracle "github.com/fluxcd/pkg/kustomize"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// ours returns the bytes that the oracle's are compared with: kustomize's
// output after substitution.
func ours(t tree.Tree, r Recipe, o Options) (string, error) {
	texts, err := newPort(context.Background(), t, &record.Recorder{}).build(context.Background(), r, o)
	return string(joined(texts)), err
}

// flux builds as Flux's controller does, with Flux's own library, on a copy of
// the repository at root, which it leaves as it was.
func flux(root string, r Recipe) (string, error) {
	dir := filepath.Join(root, filepath.Clean("/"+r.Path))
	restore, err := keep(dir)
	if err != nil {
		return "", err
	}
	defer restore()
	u := unstructured.Unstructured{Object: fluxSpec(r)}
	if _, err := oracle.NewGenerator(root, u).WriteFile(dir); err != nil {
		return "", err
	}
	m, err := oracle.SecureBuild(root, dir, true)
	if err != nil {
		return "", err
	}
	for _, res := range m.Resources() {
		out, err := oracle.SubstituteVariables(context.Background(), nil, u, res,
			oracle.SubstituteWithDryRun(true), oracle.SubstituteWithStrict(r.Strict), oracle.SubstituteWithAlways(r.SubstituteAlways))
		if err != nil {
			return "", err
		}
		if out != nil {
			if _, err := m.Replace(res); err != nil {
				return "", err
			}
		}
	}
	text, err := m.AsYaml()
	return string(text), err
}

// keep remembers the kustomization files of dir and returns what restores them.
func keep(dir string) (func(), error) {
	before := map[string][]byte{}
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			before[name] = data
		}
	}
	return func() {
		for _, name := range konfig.RecognizedKustomizationFileNames() {
			p := filepath.Join(dir, name)
			if data, ok := before[name]; ok {
				_ = os.WriteFile(p, data, 0o600)
			} else if info, err := os.Stat(p); err == nil && !info.IsDir() {
				_ = os.Remove(p)
			}
		}
	}, nil
}

// fluxSpec writes the recipe as the Kustomization that it came from.
func fluxSpec(r Recipe) map[string]any {
	spec := map[string]any{
		"targetNamespace": r.TargetNamespace, "namePrefix": r.NamePrefix, "nameSuffix": r.NameSuffix,
		"patches": r.Patches, "patchesStrategicMerge": r.PatchesStrategicMerge, "patchesJson6902": r.PatchesJSON6902,
		"images": r.Images, "components": r.Components, "ignoreMissingComponents": r.IgnoreMissingComponents,
		"buildMetadata": r.BuildMetadata,
	}
	if len(r.Substitute) > 0 {
		spec["postBuild"] = map[string]any{"substitute": r.Substitute}
	}
	for k, v := range spec {
		text, _ := json.Marshal(v)
		if s := string(text); s == "null" || s == `""` {
			delete(spec, k)
		}
	}
	text, _ := json.Marshal(map[string]any{"spec": spec})
	var out map[string]any
	_ = json.Unmarshal(text, &out)
	return out
}

// copyTree writes t to a new directory and returns its path.
func copyTree(t testing.TB, tr tree.Tree) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = tr.Walk(func(p string, b *tree.Blob) error {
		data, err := b.Read()
		if err != nil {
			return err
		}
		name := filepath.Join(root, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		return os.WriteFile(name, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Where the library goes to the network the two are not compared here but in
// TestRemote, over a local server.
func remoteOnly(err error) bool {
	return err != nil && strings.Contains(err.Error(), "remote bases are disabled")
}

// TestFluxBytes holds kustomize compatibility: for every kustomization of every
// fleet the bytes are those of Flux's library.
func TestFluxBytes(t *testing.T) {
	total, failing, remote := 0, 0, 0
	eachFleet(t, func(t *testing.T, f fleet) {
		root := copyTree(t, f.tree)
		for i, r := range f.recipes(t) {
			if testing.Short() && i%60 != 0 {
				continue // the whole suite compares them all
			}
			got, err := ours(f.tree, r, Options{})
			if total++; remoteOnly(err) {
				remote++
				t.Logf("%s: %v", r.Path, err)
				continue
			}
			want, wantErr := flux(root, r)
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%s: got error %v, want %v", r.Path, err, wantErr)
				continue
			}
			if err != nil {
				failing++
				t.Logf("%s: both fail:\n  ours: %v\n  Flux: %v", r.Path, err, wantErr)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: not Flux's bytes (-Flux +ours):\n%s", r.Path, diff)
			}
		}
	})
	t.Logf("%d recipes compared, %d of them fail in both, %d need a remote", total-remote, failing, remote)
}

// Substitutions in substitutions come out as Flux's library writes them, however
// deep: the defaults of a bomb as those of a person.
func TestNestedSubstitutionsAsFlux(t *testing.T) {
	for _, op := range []string{":=", ":-", "=", "-", "/x/", "//x/", ":+", ":?", "?", "#", ":0:", "^^"} {
		for _, depth := range []int{2, 200} {
			text := strings.Repeat("${a"+op, depth) + "x" + strings.Repeat("}", depth)
			body := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: '" + text + "'}\n"
			r := Recipe{Path: ".", Substitute: map[string]string{"other": "1"}}
			got, err := ours(files(t, map[string]string{"a.yaml": body}), r, Options{})
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			want, wantErr := flux(dir, r)
			if got != want || (err == nil) != (wantErr == nil) {
				t.Errorf("%s, %d deep: got %.200q, %v; want %.200q, %v", op, depth, got, err, want, wantErr)
			}
		}
	}
}
