package build

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

func patchRecipe(patch string) Recipe {
	return Recipe{Path: ".", Patches: []kustomize.Patch{{Patch: patch}}}
}

// remotes answers URLs from memory.
type remotes struct {
	trees   map[string]tree.Tree
	fetched []string
}

func (r *remotes) Fetch(_ context.Context, url string) (tree.Tree, hash.ID, error) {
	r.fetched = append(r.fetched, url)
	t, ok := r.trees[url]
	if !ok {
		return tree.Tree{}, hash.ID{}, errors.New("not found")
	}
	return t, t.Hash(), nil
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"

func cm(name string) string { return fmt.Sprintf(configMap, name) }

// Over http our bytes are those of Flux's library, which fetches by itself.
func TestRemoteFilesAsFlux(t *testing.T) {
	content := map[string]string{"/org/repo/x.yaml": cm("x"), "/p.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {k: v}\n", "/data": "hello", "/env": "A=b\nC\n"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := content[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	defer server.Close()
	remote := &remotes{trees: map[string]tree.Tree{}}
	for p, text := range content {
		remote.trees[server.URL+p] = files(t, map[string]string{p[strings.LastIndex(p, "/")+1:]: text})
	}
	k := "resources: [\"URL/org/repo/x.yaml\", base]\npatches: [{path: \"URL/p.yaml\"}]\n" +
		"configMapGenerator: [{name: g, files: [k=URL/data, \"URL/data\"], envs: [\"URL/env\"]}]\nbuildMetadata: [originAnnotations]\n"
	tr := files(t, map[string]string{
		"kustomization.yaml":      strings.ReplaceAll(k, "URL", server.URL),
		"base/kustomization.yaml": "resources: [y.yaml]\n", "base/y.yaml": cm("y"),
	})
	want, err := flux(copyTree(t, tr), Recipe{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ours(tr, Recipe{}, Options{Remote: remote})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-Flux +ours:\n%s", diff)
	}
}

func TestRemoteRepositories(t *testing.T) {
	const url = "https://example.com/org/repo//deploy/base?ref=v1"
	repository := files(t, map[string]string{
		"deploy/base/kustomization.yaml": "resources: [../common, a.yaml]\n", "deploy/base/a.yaml": cm("a"),
		"deploy/common/kustomization.yaml": "resources: [c.yaml]\n", "deploy/common/c.yaml": cm("c"),
	})
	remote := &remotes{trees: map[string]tree.Tree{url: repository}}
	tr := files(t, map[string]string{
		"app/kustomization.yaml": "resources: [\"" + url + "\", own.yaml]\nbuildMetadata: [originAnnotations]\nnamePrefix: x-\n",
		"app/own.yaml":           cm("own"),
	})
	result, reads, err := Run(context.Background(), tr, Recipe{Path: "app"}, Options{Remote: remote})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range result.Objects {
		u, err := o.Decode()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, u.GetName()+": "+strings.ReplaceAll(u.GetAnnotations()["config.kubernetes.io/origin"], "\n", " "))
	}
	want := []string{
		"x-c: path: deploy/common/c.yaml repo: https://example.com/org/repo ref: v1 ",
		"x-a: path: deploy/base/a.yaml repo: https://example.com/org/repo ref: v1 ",
		"x-own: path: own.yaml ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := reads.In(record.Remote); len(got) != 1 || got[0].Key != url || got[0].Answer != repository.Hash() {
		t.Errorf("got remote reads %v, want one of the repository", got)
	}

	cache := NewCache(Limits{})
	o := Options{Remote: remote}
	if _, err := cache.Run(context.Background(), tr, Recipe{Path: "app"}, o); err != nil {
		t.Fatal(err)
	}
	if out, err := cache.Run(context.Background(), tr, Recipe{Path: "app"}, o); err != nil || !out.Hit {
		t.Errorf("got hit %v, %v, want a hit", out.Hit, err)
	}
	remote.trees[url] = with(t, repository, "deploy/base/a.yaml", cm("b"))
	out, err := cache.Run(context.Background(), tr, Recipe{Path: "app"}, o)
	if err != nil || out.Hit || !strings.HasPrefix(out.Why, url+" ") {
		t.Errorf("got hit %v, why %q, %v, want a build because the repository moved", out.Hit, out.Why, err)
	}
}

// What stands in a remote base reaches neither the source nor outside.
func TestRemoteBasesAreConfined(t *testing.T) {
	const url = "https://example.com/org/repo//base"
	for name, c := range map[string]struct{ k, want string }{
		"above the repository": {"resources: [../../x]\n", "path leads out of the source"},
		"the source":           {"resources: [../../../leat.source/app/own.yaml]\n", "path leads out of the source"},
		"a file beside":        {"resources: [../other/x.yaml]\n", "may name only files below its directory"},
		"a generator's file":   {"configMapGenerator: [{name: g, files: [../other/x.yaml]}]\n", "may name only files below its directory"},
		"itself":               {"resources: [\"" + url + "\"]\n", "cycle of kustomizations: https://example.com/org/repo//base → https://example.com/org/repo//base"},
		"missing":              {"resources: [none.yaml]\n", "resources: none.yaml: no such file"},
		"another":              {"resources: [\"https://example.com/other/repo//z\"]\n", "fetch remote base https://example.com/other/repo//z of https://example.com/org/repo//base/kustomization.yaml:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			remote := &remotes{trees: map[string]tree.Tree{url: files(t, map[string]string{"base/kustomization.yaml": c.k, "other/x.yaml": cm("x")})}}
			tr := files(t, map[string]string{"app/kustomization.yaml": "resources: [\"" + url + "\"]\n", "app/own.yaml": cm("own")})
			_, _, err := Run(context.Background(), tr, Recipe{Path: "app"}, Options{Remote: remote})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "leat.remote") {
				t.Errorf("%v speaks of our mounts", err)
			}
		})
	}
}

func TestRemoteCount(t *testing.T) {
	k := "resources:\n"
	for i := range maxRemotes + 1 {
		k += fmt.Sprintf("- https://example.com/%d.yaml\n", i)
	}
	_, _, err := Run(context.Background(), files(t, map[string]string{"kustomization.yaml": k}), Recipe{}, Options{Remote: &remotes{}})
	if err == nil || !strings.Contains(err.Error(), "more than 64 remote bases") {
		t.Errorf("got %v", err)
	}
}

func TestRemoteErrorsHideCredentials(t *testing.T) {
	tr := files(t, map[string]string{"kustomization.yaml": "resources: [\"https://user:hunter2@example.com/org/repo//x\"]\n"})
	for _, o := range []Options{{}, {Remote: &remotes{}}} {
		_, _, err := Run(context.Background(), tr, Recipe{}, o)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
}

func TestParseRepo(t *testing.T) {
	for s, want := range map[string]repo{
		"https://github.com/org/repo":                      {clone: "https://github.com/org/repo"},
		"https://github.com/org/repo?ref=v1":               {clone: "https://github.com/org/repo", ref: "v1"},
		"https://github.com/org/repo/sub/dir?version=main": {clone: "https://github.com/org/repo", sub: "sub/dir", ref: "main"},
		"https://example.com/a/b/c.git/x":                  {clone: "https://example.com/a/b/c.git", sub: "/x"[1:]},
		"https://example.com/a/b/c//x/y?ref=z":             {clone: "https://example.com/a/b/c", sub: "x/y", ref: "z"},
		"git@github.com:org/repo.git":                      {clone: "git@github.com:org/repo.git"},
		"git@example.com:org/repo//x":                      {clone: "git@example.com:org/repo", sub: "x"},
		"github.com/org/repo":                              {clone: "https://github.com/org/repo"},
		"github.com:org/repo/x":                            {clone: "https://github.com/org/repo", sub: "x"},
		"ssh://git@example.com/org/repo":                   {clone: "ssh://git@example.com/org/repo"},
		"ssh://git@github.com/org/repo":                    {clone: "git@github.com:org/repo"},
		"git::https://example.com/org/repo":                {clone: "https://example.com/org/repo"},
		"HTTPS://GitHub.com/org/repo":                      {clone: "https://github.com/org/repo"},
		"https://dev.azure.com/org/p/_git/repo/x":          {clone: "https://dev.azure.com/org/p/_git/repo", sub: "x"},
		"file:///srv/repo":                                 {clone: "file:///srv/repo"},
	} {
		if got, ok := parseRepo(s); !ok || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", s, got, ok, want)
		}
	}
	for _, s := range []string{"base", "../base", "./github.com/org/repo", "/abs", "a.yaml", "me@corp.yaml", "https://example.com", "https://github.com/org/repo//../x", "org/repo.git"} {
		if got, ok := parseRepo(s); ok {
			t.Errorf("%s: got %+v, want a path", s, got)
		}
	}
}
