package build

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// app is a small application: what most Kustomizations of a fleet look like.
func app(dir, name string) map[string]string {
	return map[string]string{
		dir + "/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n" +
			"resources: [deployment.yaml, serviceaccount.yaml, service.yaml, ingress.yaml]\n",
		dir + "/deployment.yaml": fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: apps}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      serviceAccountName: %[1]s
      containers:
      - name: web
        image: ghcr.io/example/%[1]s:1.2.3
        ports: [{name: http, containerPort: 8080}]
        env: [{name: LEVEL, value: info}, {name: ZONE, value: "${zone:=eu}"}]
        resources: {limits: {memory: 64Mi}, requests: {cpu: 10m, memory: 64Mi}}
        readinessProbe: {httpGet: {path: /healthz, port: http}}
`, name),
		dir + "/serviceaccount.yaml": fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: %s, namespace: apps}\n", name),
		dir + "/service.yaml": fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %[1]s, namespace: apps}\n"+
			"spec: {selector: {app: %[1]s}, ports: [{name: http, port: 80, targetPort: http}]}\n", name),
		dir + "/ingress.yaml": fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s, namespace: apps}
spec:
  rules:
  - host: %[1]s.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %[1]s, port: {name: http}}}}]}
`, name),
	}
}

func files(t testing.TB, all ...map[string]string) tree.Tree {
	t.Helper()
	merged := map[string]string{}
	for _, m := range all {
		for k, v := range m {
			merged[k] = v
		}
	}
	out, err := tree.FromFiles(merged)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func with(t testing.TB, tr tree.Tree, p, text string) tree.Tree {
	t.Helper()
	out, err := tr.With(p, tree.BlobOf([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCacheSaysWhy(t *testing.T) {
	t.Run("built when asked for", func(t *testing.T) { saysWhy(t, NewCache(Limits{}), func(tree.Tree, Recipe) {}) })
	t.Run("built ahead", func(t *testing.T) {
		c := NewCache(Limits{})
		saysWhy(t, c, func(tr tree.Tree, r Recipe) { c.Ahead(t.Context(), tr, r, Options{}) })
	})
}

// saysWhy takes a cache through a story, with something done before each step.
func saysWhy(t *testing.T, c *Cache, before func(tree.Tree, Recipe)) {
	t.Helper()
	ctx := t.Context()
	base := files(t, app("apps/web", "web"), app("apps/api", "api"))
	recipe := Recipe{Path: "apps/web", OwnerName: "web", OwnerNamespace: "flux-system"}
	other := recipe
	other.TargetNamespace = "elsewhere"
	service, _ := base.ReadFile("apps/web/service.yaml")
	edited := with(t, base, "apps/web/service.yaml", strings.Replace(string(service), "port: 80", "port: 81", 1))
	without, err := base.Without("apps/web/service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	was, is := base.Lookup("apps/web/service.yaml").ID.Short(), edited.Lookup("apps/web/service.yaml").ID.Short()

	steps := []struct {
		name   string
		tree   tree.Tree
		recipe Recipe
		hit    bool
		why    string
		fails  bool
	}{
		{name: "first", tree: base, recipe: recipe, why: "first build"},
		{name: "again", tree: base, recipe: recipe, hit: true},
		{name: "elsewhere in the tree", tree: with(t, base, "apps/api/service.yaml", "x"), recipe: recipe, hit: true},
		{name: "a file that is not named", tree: with(t, base, "apps/web/README.md", "x"), recipe: recipe, hit: true},
		{name: "a file it reads", tree: edited, recipe: recipe, why: "apps/web/service.yaml " + was + "→" + is},
		{name: "and back", tree: base, recipe: recipe, hit: true},
		{name: "gone", tree: without, recipe: recipe, why: "apps/web/service.yaml " + was + "→(absent)", fails: true},
		{name: "a second kustomization", tree: with(t, base, "apps/web/kustomization.yml", "resources: []"), recipe: recipe,
			why: "apps/web/kustomization.yml (absent)→" + hash.OfString("resources: []").Short(), fails: true},
		{name: "another recipe", tree: base, recipe: other, why: "the recipe changed"},
		{name: "the first again", tree: base, recipe: recipe, hit: true},
	}
	for _, s := range steps {
		before(s.tree, s.recipe)
		out, err := c.Run(ctx, s.tree, s.recipe, Options{})
		if (err != nil) != s.fails || out.Hit != s.hit || out.Why != s.why {
			t.Errorf("%s: got hit %v, why %q, error %v; want hit %v, why %q, fails %v", s.name, out.Hit, out.Why, err, s.hit, s.why, s.fails)
		}
		if len(out.Reads) == 0 {
			t.Errorf("%s: no reads", s.name)
		}
	}
}

// What was built ahead is not built again.
func TestAheadIsTaken(t *testing.T) {
	c := NewCache(Limits{})
	tr := files(t, app("apps/web", "web"))
	r := Recipe{Path: "apps/web", OwnerName: "web"}
	c.Ahead(t.Context(), tr, r, Options{})
	key, err := r.key(Options{})
	if err != nil || !c.has(t.Context(), key, tr) {
		t.Fatalf("nothing was built ahead: %v", err)
	}
	ahead := c.entries[key].Value.(*cached).recent[0].result
	out, err := c.Run(t.Context(), tr, r, Options{})
	if err != nil || len(out.Result.Objects) == 0 || &out.Result.Objects[0] != &ahead.Objects[0] {
		t.Errorf("got another result than what was built ahead: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := NewCache(Limits{Bytes: 20_000, Recent: 2})
	var all []map[string]string
	for i := range 20 {
		all = append(all, app(fmt.Sprintf("apps/%d", i), fmt.Sprintf("app-%d", i)))
	}
	tr := files(t, all...)
	for i := range 20 {
		if _, err := c.Run(context.Background(), tr, Recipe{Path: fmt.Sprintf("apps/%d", i), OwnerName: fmt.Sprint(i)}, Options{}); err != nil {
			t.Fatal(err)
		}
		if got := c.Bytes(); got > 20_000 {
			t.Fatalf("after %d builds the cache holds %d bytes, want at most 20000", i+1, got)
		}
	}
	if _, hit := c.Lookup(context.Background(), tr, Recipe{Path: "apps/19", OwnerName: "19"}, Options{}); !hit {
		t.Error("the newest build is gone")
	}
	if _, hit := c.Lookup(context.Background(), tr, Recipe{Path: "apps/0", OwnerName: "0"}, Options{}); hit {
		t.Error("the oldest build is still there")
	}
	if len(c.latest) != c.order.Len() || len(c.entries) != c.order.Len() {
		t.Errorf("%d owners and %d entries for %d builds", len(c.latest), len(c.entries), c.order.Len())
	}
}

// Builds run side by side, also with one that brings its own schema, and give
// what they give alone; equal wants share one run.
func TestConcurrentBuilds(t *testing.T) {
	var all []map[string]string
	for i := range 8 {
		all = append(all, app(fmt.Sprintf("apps/%d", i), fmt.Sprintf("app-%d", i)))
	}
	all = append(all, schemaCase("schema"))
	tr := files(t, all...)
	var recipes []Recipe
	for i := range 8 {
		recipes = append(recipes, Recipe{Path: fmt.Sprintf("apps/%d", i), NamePrefix: "x-", OwnerName: fmt.Sprint(i),
			Substitute: map[string]string{"zone": "us"}})
	}
	recipes = append(recipes, Recipe{Path: "schema"})
	want := make([]hash.ID, len(recipes))
	for i, r := range recipes {
		res, _, err := Run(context.Background(), tr, r, Options{})
		if err != nil {
			t.Fatal(err)
		}
		want[i] = res.ID
	}
	c := NewCache(Limits{})
	var wg sync.WaitGroup
	for range 4 {
		for i, r := range recipes {
			wg.Go(func() {
				for range 3 {
					out, err := c.Run(context.Background(), tr, r, Options{})
					if err != nil || out.Result.ID != want[i] {
						t.Errorf("%s: got %s, %v, want %s", r.Path, out.Result.ID.Short(), err, want[i].Short())
					}
					res, _, err := Run(context.Background(), tr, r, Options{})
					if err != nil || res.ID != want[i] {
						t.Errorf("%s uncached: got %s, %v, want %s", r.Path, res.ID.Short(), err, want[i].Short())
					}
				}
			})
		}
	}
	wg.Wait()
}

// schemaCase merges a list of a custom kind by key, which only its own schema
// says.
func schemaCase(dir string) map[string]string {
	return map[string]string{
		dir + "/kustomization.yaml": "resources: [pool.yaml]\nopenapi: {path: schema.json}\npatches:\n" +
			"- patch: |\n    apiVersion: example.com/v1\n    kind: Pool\n    metadata: {name: p}\n    spec: {members: [{name: b, weight: 9}]}\n",
		dir + "/pool.yaml": "apiVersion: example.com/v1\nkind: Pool\nmetadata: {name: p}\nspec: {members: [{name: a, weight: 1}, {name: b, weight: 2}]}\n",
		dir + "/schema.json": `{"definitions": {"Pool": {
  "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Pool"}],
  "properties": {"spec": {"properties": {"members": {"type": "array",
    "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge",
    "items": {"type": "object", "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}}}}}}}}}}`,
	}
}

func TestOwnSchema(t *testing.T) {
	tr := files(t, schemaCase("schema"), app("apps/web", "web"))
	for range 2 {
		res, _, err := Run(context.Background(), tr, Recipe{Path: "schema"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(res.Objects[0].JSON); !strings.Contains(got, `"name":"a"`) || !strings.Contains(got, `"weight":9`) {
			t.Errorf("the patch was not merged by the schema's key: %s", got)
		}
		plain := with(t, tr, "schema/kustomization.yaml", strings.Replace(schemaCase("")["/kustomization.yaml"], "openapi: {path: schema.json}", "", 1))
		res, _, err = Run(context.Background(), plain, Recipe{Path: "schema"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(res.Objects[0].JSON); strings.Contains(got, `"name":"a"`) {
			t.Errorf("the schema of another build acts: %s", got)
		}
	}
}
