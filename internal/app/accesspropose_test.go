package app

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/grant"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

const proposedFleet = `
apiVersion: leat.dev/v1alpha1
kind: Flow
environments: [{name: prod, branch: main, directory: prod}]`

const proposedWeb = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2 # two
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
`

// overNow is a request that has ended, as the controller leaves it.
func overNow(name, environment, status string) string {
	return `
apiVersion: leat.dev/v1alpha1
kind: AccessRequest
metadata: {name: ` + name + `}
spec: {requester: {username: alice}, environment: ` + environment + `, role: edit, namespaces: [shop], for: 10m, reason: "down | <!channel>", key: ` + strings.Repeat("A", 43) + `=}
status:
  phase: Ended
  approvedBy: [carol]
  grant: {user: x, from: "2025-01-01T10:00:00Z", until: "2025-01-01T10:10:00Z"}
  end:
    at: "2025-01-01T10:10:00Z"
    propose: true
    writes:
      - {kind: Kustomization, group: kustomize.toolkit.fluxcd.io, namespace: flux-system, name: flux-system, manager: flux, at: "2025-01-01T10:01:00Z", suspended: true}
      - {kind: Secret, namespace: shop, name: keys, manager: kubectl, at: "2025-01-01T10:01:00Z", unit: Kustomization/flux-system/flux-system, fields: [{path: /data/a, hidden: it is a secret}]}
      - kind: Deployment
        group: apps
        namespace: shop
        name: web
        manager: kubectl
        at: "2025-01-01T10:02:00Z"
        unit: Kustomization/flux-system/flux-system
        fields: [` + status + `]`
}

// accessWorld is a cluster with requests.
func accessWorld(t *testing.T, requests ...string) grant.People {
	t.Helper()
	w := memory.New(memory.Options{OwnStatus: true})
	objs := access.Definitions()
	for _, text := range requests {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		objs = append(objs, u)
	}
	for _, u := range objs {
		if _, err := w.Create(t.Context(), u, "test"); err != nil {
			t.Fatal(err)
		}
		status, has := u.Object["status"]
		if !has {
			continue
		}
		data, err := json.Marshal(map[string]any{"status": status})
		if err == nil {
			_, err = w.Patch(t.Context(), world.Patch{Ref: object.RefOf(u), Type: types.MergePatchType, Data: data, Manager: "leat", Subresource: "status"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return grant.People{World: w}
}

// What was written with a grant becomes one branch with exactly the lines that differ;
// the request says so, and a second run makes nothing new.
func TestProposeAccess(t *testing.T) {
	up := repotest.New(t)
	up.Commit("main", map[string]string{"leat.yaml": proposedFleet, "prod/web.yaml": proposedWeb})
	up.Git("fetch", "-q", "origin")
	t.Setenv("GIT_AUTHOR_NAME", "Ann")
	t.Setenv("GIT_AUTHOR_EMAIL", "ann@example.com")
	people := accessWorld(t,
		overNow("alice-1", "prod", `{path: /spec/replicas, value: "3"}, {path: "/spec/template/spec/containers/[name=web]/image", value: '"web:1"'}`),
		overNow("same-2", "prod", `{path: /spec/replicas, value: "2"}`),
		overNow("else-3", "elsewhere", `{path: /spec/replicas, value: "2"}`),
		strings.Replace(overNow("reported-4", "prod", `{path: /spec/replicas, value: "2"}`), "propose: true", "by: alice", 1),
		strings.Replace(overNow("holds-5", "prod", ""), "phase: Ended", "phase: Active", 1),
	)
	cfg := AccessProposeConfig{
		CarryConfig: CarryConfig{Dir: up.Work, CacheDir: t.TempDir(), Now: time.Now()}, People: people, DryRun: true,
		Previews: PreviewConfig{CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Options: engine.Options{FailFast: true}},
	}
	run := func(names ...string) map[string]AccessProposal {
		t.Helper()
		cfg.Names = names
		found, err := ProposeAccess(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]AccessProposal{}
		for _, p := range found {
			if p.Err != nil {
				t.Errorf("%s: %v", p.Request.Name, p.Err)
			}
			out[p.Request.Name] = p
		}
		return out
	}
	noted := func(name string) string {
		t.Helper()
		r, err := people.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return r.Annotations[access.Proposed]
	}

	if found := run(); len(found) != 2 || found["alice-1"].Head != "access/alice-1" || noted("alice-1") != "" {
		t.Fatalf("a dry run: %v", found)
	}
	if branches := up.InBare("branch", "--list", "access/*"); branches != "" {
		t.Fatalf("a dry run pushed %s", branches)
	}
	cfg.DryRun = false
	first := run()
	diff := up.InBare("diff", "-U0", "main", "access/alice-1")
	lines := slices.DeleteFunc(strings.Split(diff, "\n"), func(l string) bool { return !strings.HasPrefix(l, "+ ") && !strings.HasPrefix(l, "- ") })
	if got := strings.Join(lines, "\n"); got != "-  replicas: 2 # two\n+  replicas: 3 # two" {
		t.Errorf("the branch:\n%s", diff)
	}
	for name, want := range map[string]string{"alice-1": "branch access/alice-1", "same-2": access.NothingToPropose, "else-3": "", "reported-4": "", "holds-5": ""} {
		if got := noted(name); got != want {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
	if again := run(); len(again) != 0 {
		t.Errorf("a second run: %v", again)
	}
	named := run("alice-1")
	if named["alice-1"].Commit != first["alice-1"].Commit {
		t.Error("by its name it is proposed by another commit")
	}
	for name, want := range map[string]string{"reported-4": "did not say atEnd: propose", "holds-5": "has not ended (Active)", "else-3": "leat.yaml has prod", "none": "not found"} {
		cfg.Names = []string{name}
		if _, err := ProposeAccess(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}

	// Merged, nothing remains.
	up.InBare("update-ref", "refs/heads/main", "access/alice-1")
	if merged := run("alice-1"); merged["alice-1"].Noted != access.NothingToPropose {
		t.Errorf("merged: %+v", merged)
	}
	one := first["alice-1"]
	body := accessBody(&one, "PLAN")
	for _, want := range []string{"| `Deployment/shop/web` | `/spec/replicas` | `2` | `3` | `prod/web.yaml:5` |", "asked by `alice`", "approved by `carol`", "2025-01-01T10:10:00Z", "| `Secret/shop/keys` |  |  | Kustomization/flux-system/flux-system does not make it any more |", "still suspended", "PLAN"} {
		if !strings.Contains(body, want) {
			t.Errorf("the pull request does not say %q:\n%s", want, body)
		}
	}
}
