package generate

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/tree"
)

// drawFiles draws files of which none is in the way of another.
func drawFiles(t *rapid.T, name string) map[string]string {
	dir := rapid.SampledFrom([]string{"", "apps/", "apps/web/", "apps/.h/", "db/x/"})
	leaf := rapid.SampledFrom([]string{"f.yaml", "g.yaml", "README.md", ".x"})
	text := rapid.SampledFrom([]string{"a: 1\n", "a: {b: [1]}\n", "c: null\n", ""})
	p := rapid.Custom(func(t *rapid.T) string { return dir.Draw(t, "dir") + leaf.Draw(t, "leaf") })
	return rapid.MapOfN(p, text, 1, 8).Draw(t, name)
}

func drawOps(t *rapid.T) []swapi.CopyOperation {
	from := rapid.SampledFrom([]string{
		"", "**", "*", "*.yaml", "apps", "apps/", "apps/**", "apps/*", "*/*", "*/**", "f.yaml", "db/x/", "apps/web/f.yaml",
		"../t/f.yaml", "../*", "/apps", "apps/../..", "apps/../../*",
	})
	to := rapid.SampledFrom([]string{"", "d", "d/", "apps", "apps/web/", "f.yaml", ".", "..", "../x", "a/../../x", "/x"})
	exclude := rapid.SampledFrom([]string{"*.md", "web/**", "**/.*", "apps/**", "f.yaml"})
	op := rapid.Custom(func(t *rapid.T) swapi.CopyOperation {
		return swapi.CopyOperation{
			From:     "@" + rapid.SampledFrom([]string{"s", "t"}).Draw(t, "alias") + "/" + from.Draw(t, "from"),
			To:       "@artifact/" + to.Draw(t, "to"),
			Exclude:  rapid.SliceOfN(exclude, 0, 2).Draw(t, "exclude"),
			Strategy: rapid.SampledFrom([]string{"", "Overwrite", "Merge"}).Draw(t, "strategy"),
		}
	})
	return rapid.SliceOfN(op, 1, 3).Draw(t, "ops")
}

// shuffled makes a tree of files put in in a drawn order.
func shuffled(t *rapid.T, in map[string]string) tree.Tree {
	var b tree.Builder
	for _, p := range rapid.Permutation(slices.Sorted(maps.Keys(in))).Draw(t, "order") {
		if err := b.Add(p, tree.BlobOf([]byte(in[p]))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The output is a function of sources and operations: of nothing else in the
// sources than what is selected, and of no order in which anything was put in.
func TestOnlyTheInputsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files1, files2, ops := drawFiles(t, "s"), drawFiles(t, "t"), drawOps(t)
		a := Artifact{Name: "a", Copy: ops}
		first, err1 := Make(a, Sources{"s": shuffled(t, files1), "t": shuffled(t, files2)}, Options{})
		other := Sources{"t": shuffled(t, files2), "s": shuffled(t, files1), "unused": shuffled(t, files1)}
		second, err2 := Make(a, other, Options{})
		if (err1 == nil) != (err2 == nil) || first.File != second.File || first.Tree.Hash() != second.Tree.Hash() {
			t.Fatalf("%v: got %v %v and %v %v", ops, first.File, err1, second.File, err2)
		}
	})
}

// Nothing comes from outside the sources and nothing goes outside the artifact;
// every file of an artifact that merged nothing has the content of a file of
// the same name, or stands where the operation says.
func TestNothingOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, other, ops := drawFiles(t, "s"), drawFiles(t, "t"), drawOps(t)
		out, err := Make(Artifact{Name: "a", Copy: ops}, Sources{"s": shuffled(t, s), "t": shuffled(t, other)}, Options{})
		leaves := slices.ContainsFunc(ops, func(op swapi.CopyOperation) bool {
			return slices.Contains(strings.Split(op.To, "/"), "..") || strings.HasPrefix(op.To, "@artifact//")
		})
		if leaves && err == nil {
			t.Fatalf("%v was not refused", ops)
		}
		for p := range files(t, out.Tree) {
			if clean, err := tree.Clean(p); err != nil || clean != p {
				t.Fatalf("%v made %q", ops, p)
			}
		}
		if err != nil || slices.ContainsFunc(ops, func(op swapi.CopyOperation) bool { return op.Strategy == swapi.MergeStrategy }) {
			return
		}
		known := append(slices.Collect(maps.Values(s)), slices.Collect(maps.Values(other))...)
		for p, text := range files(t, out.Tree) {
			if !slices.Contains(known, text) {
				t.Fatalf("%v made %s with %q, which is in no source", ops, p, text)
			}
		}
	})
}

// Expanding a pattern finds each matching directory once, in any tree.
func TestPatternFindsDirectories(t *testing.T) {
	spec := swapi.ArtifactGeneratorSpec{PathPattern: "@s/{a}/{b}", OutputArtifacts: []swapi.OutputArtifact{{
		Name: "{a}-{b}", Copy: []swapi.CopyOperation{{From: "@s/{a}/{b}/**", To: "@artifact/"}},
	}}}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"x", "y", "z"})
		dirs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return path.Join(name.Draw(t, "a"), name.Draw(t, "b"), name.Draw(t, "c"))
		}), 0, 6).Draw(t, "dirs")
		in, want := map[string]string{}, map[string]bool{}
		for _, d := range dirs {
			in[d+"/file"] = d
			a, rest, _ := strings.Cut(d, "/")
			b, _, _ := strings.Cut(rest, "/")
			want[a+"-"+b] = true
		}
		src := shuffled(t, in)
		got, err := Expand(spec, Sources{"s": src})
		if err != nil {
			t.Fatal(err)
		}
		names := make([]string, len(got))
		for i, a := range got {
			names[i] = a.Name
			if _, err := Make(a, Sources{"s": src}, Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(sorted, names) {
			t.Fatalf("got %v, want %v", names, sorted)
		}
	})
}

// The example of the Flux project: a monorepo taken apart.
func TestExampleFleet(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "fleets", "flux2-kustomize-helm-example")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the fleets are not here")
	}
	src := loadDir(t, root)
	for _, cluster := range []string{"staging", "production"} {
		text, err := src.ReadFile("clusters/" + cluster + "/artifacts.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var g swapi.ArtifactGenerator
		if err := yaml.UnmarshalStrict(text, &g); err != nil {
			t.Fatal(err)
		}
		if err := Check(g.Spec); err != nil {
			t.Fatal(err)
		}
		wanted, err := Expand(g.Spec, Sources{"monorepo": src})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]tree.Tree{}
		for _, a := range wanted {
			out, err := Make(a, Sources{"monorepo": src}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got[a.Name] = out.Tree
		}
		for name, paths := range map[string][2]string{
			"infrastructure": {"infrastructure", "."}, "apps": {"apps/" + cluster, cluster},
		} {
			want, err := src.Sub(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			have, err := got[name].Sub(paths[1])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(files(t, want), files(t, have)); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", name, cluster, diff)
			}
		}
	}
}

func loadDir(t *testing.T, root string) tree.Tree {
	t.Helper()
	var b tree.Builder
	err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return b.Add(filepath.ToSlash(rel), tree.BlobOf(text))
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
