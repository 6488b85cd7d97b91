package build

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// edit changes one random thing of a tree: content, a new file, a deletion, a
// rename, a directory in place of a file or a file in place of a directory.
func edit(t testing.TB, rng *rand.Rand, tr tree.Tree, paths []string) (tree.Tree, string) {
	t.Helper()
	p := paths[rng.IntN(len(paths))]
	data, err := tr.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	dir := p[:max(0, strings.LastIndex(p, "/"))]
	join := func(name string) string { return strings.TrimPrefix(dir+"/"+name, "/") }
	put := func(tr tree.Tree, p string, data []byte) tree.Tree {
		out, err := tr.With(p, tree.BlobOf(data))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cut := func(tr tree.Tree, p string) tree.Tree {
		out, err := tr.Without(p)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	switch kind := rng.IntN(8); kind {
	case 0:
		return put(tr, p, append(slices.Clone(data), "\n# edited\n"...)), "comment in " + p
	case 1:
		line := rng.IntN(1 + strings.Count(string(data), "\n"))
		lines := strings.SplitAfter(string(data), "\n")
		return put(tr, p, []byte(strings.Join(slices.Delete(lines, line, line+1), ""))), fmt.Sprintf("line %d out of %s", line, p)
	case 2:
		return cut(tr, p), "delete " + p
	case 3:
		name := []string{"zz-new.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization", "new.txt"}[rng.IntN(5)]
		if tr.Lookup(join(name)).Kind != tree.Missing {
			return cut(tr, join(name)), "delete " + join(name)
		}
		return put(tr, join(name), []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n")), "add " + join(name)
	case 4:
		return put(cut(tr, p), join("renamed-"+p[strings.LastIndex(p, "/")+1:]), data), "rename " + p
	case 5:
		return put(cut(tr, p), p+"/inner.yaml", data), "directory in place of " + p
	case 6:
		if dir == "" {
			return tr, "nothing"
		}
		return put(cut(tr, dir), dir, data), "file in place of " + dir
	default:
		other := paths[rng.IntN(len(paths))]
		text, err := tr.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		return put(tr, p, text), "content of " + other + " in " + p
	}
}

// The replayed ReadSet answers as a fresh build: where no read has changed,
// result and ReadSet are the same, byte for byte.
func TestReplayEqualsFresh(t *testing.T) {
	edits, recipesOf := 60, 40
	if testing.Short() {
		edits, recipesOf = 3, 10
	}
	hits, misses := 0, 0
	eachFleet(t, func(t *testing.T, f fleet) {
		recipes := sample(f.recipes(t), recipesOf)
		before := make([]built, len(recipes))
		for i, r := range recipes {
			before[i] = buildAll(f.tree, r)
		}
		var paths []string
		if err := f.tree.Walk(func(p string, _ *tree.Blob) error { paths = append(paths, p); return nil }); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, uint64(len(paths))))
		for range edits {
			after, what := edit(t, rng, f.tree, paths)
			m := 0
			for _, i := range near(rng, before, tree.Changed(f.tree, after)) {
				if before[i].changed(after) {
					misses++
					continue
				}
				if m++; m > 1 && rng.IntN(4) > 0 {
					break
				}
				hits++
				fresh := buildAll(after, recipes[i])
				if got, want := before[i].String(), fresh.String(); got != want {
					t.Fatalf("%s, %s: replayed\n%s\nfresh\n%s", what, recipes[i].Path, got, want)
				}
				if before[i].reads.ID() != fresh.reads.ID() {
					t.Fatalf("%s, %s: another ReadSet without a change", what, recipes[i].Path)
				}
			}
		}
	})
	t.Logf("%d replays held against a fresh build, %d misses", hits, misses)
}

// near returns the builds in a random order, first those that looked at what
// stands beside a changed path: they are the ones that could miss a change.
func near(rng *rand.Rand, all []built, changed []string) []int {
	dirs := map[string]bool{}
	for _, p := range changed {
		for dir := path.Dir(p); ; dir = path.Dir(dir) {
			dirs[dir] = true
			if dir == "." {
				break
			}
		}
	}
	distance := make([]int, len(all))
	for i, b := range all {
		for _, r := range b.reads {
			if dirs[path.Dir(r.Key)] || dirs[r.Key] {
				distance[i] = min(distance[i], -strings.Count(r.Key, "/")-1)
			}
		}
	}
	order := rng.Perm(len(all))
	slices.SortStableFunc(order, func(a, b int) int { return distance[a] - distance[b] })
	return order
}

func sample(all []Recipe, n int) []Recipe {
	if len(all) <= n {
		return all
	}
	rng := rand.New(rand.NewPCG(7, uint64(len(all))))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:n]
}

// built is one run with all that is seen of it.
type built struct {
	result Result
	reads  record.Set
	err    error
}

func buildAll(t tree.Tree, r Recipe) built {
	result, reads, err := Run(context.Background(), t, r, Options{})
	return built{result, reads, err}
}

func (b built) changed(t tree.Tree) bool {
	_, changed := b.reads.FirstChange(Ask(context.Background(), t, nil))
	return changed
}

func (b built) String() string {
	if b.err != nil {
		return "error: " + b.err.Error()
	}
	var out strings.Builder
	fmt.Fprintln(&out, b.result.Checksum, b.result.ID, b.result.Warnings)
	for _, o := range b.result.Objects {
		fmt.Fprintf(&out, "%s\n%s\n", o.Ref, o.JSON)
	}
	return out.String()
}

// A change to one file leaves nearly every other build of a large tree as it is.
func TestEditsHitOthers(t *testing.T) {
	const apps = 500
	var all []map[string]string
	for i := range apps {
		dir := fmt.Sprintf("apps/app-%03d", i)
		files := app(dir, fmt.Sprintf("app-%03d", i))
		if i%3 == 0 {
			delete(files, dir+"/kustomization.yaml") // scanned
		}
		if i%5 == 1 {
			files[dir+"/kustomization.yaml"] += "components: [../../parts/common]\n"
		}
		all = append(all, files)
	}
	all = append(all, map[string]string{
		"parts/common/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {team: a}}]\n",
		"README.md":                       "hello\n",
	})
	tr := files(t, all...)
	cache := NewCache(Limits{})
	ctx := context.Background()
	recipes := make([]Recipe, apps)
	for i := range recipes {
		recipes[i] = Recipe{Path: fmt.Sprintf("apps/app-%03d", i), OwnerName: fmt.Sprint(i)}
		if _, err := cache.Run(ctx, tr, recipes[i], Options{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d builds take %d KiB", apps, cache.Bytes()>>10)
	edits, others, hits := 0, 0, 0
	for i := 0; i < apps; i += 10 {
		for _, name := range []string{"deployment.yaml", "service.yaml", "new.yaml", "README.md"} {
			p := recipes[i].Path + "/" + name
			old, _ := tr.ReadFile(p)
			after := with(t, tr, p, string(old)+"\n# edited\n")
			edits++
			for j, r := range recipes {
				if i == j {
					continue
				}
				others++
				if _, hit := cache.Lookup(ctx, after, r, Options{}); hit {
					hits++
				}
			}
		}
	}
	share := float64(hits) / float64(others)
	t.Logf("%d one-file edits: %.2f %% of the other builds are hits", edits, 100*share)
	if share < 0.95 {
		t.Errorf("got %.4f, want at least 0.95", share)
	}
}
