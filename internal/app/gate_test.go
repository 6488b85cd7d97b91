package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/keeper"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/git"
)

const childWord = "isolated-for-test"

// The test is its own child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		fmt.Fprintln(os.Stderr, ServeIsolated(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const gateRules = `apiVersion: leat.dev/v1alpha1
kind: Flow
seal: word
environments:
  - {name: production, branch: main, cluster: clusters/production, directory: apps}
gates:
  - {environments: [production], approvals: {count: 1, users: [alice, bob]}}
`

// fleetFiles are a fleet of one Kustomization.
func fleetFiles(rules string) map[string]string {
	return map[string]string{
		"leat.yaml": rules,
		"clusters/production/apps.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n" +
			"spec:\n  interval: 1h\n  path: ./apps\n  prune: true\n  sourceRef: {kind: GitRepository, name: flux-system}\n" +
			"  postBuild: {substituteFrom: [{kind: Secret, name: outside}]}\n",
		"apps/kustomization.yaml": "resources: [a.yaml]\n",
		"apps/a.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {k: v1, s: \"${word:=none}\"}\n",
	}
}

// rendering is a repository with a change, and what renders it.
type rendered struct {
	*testing.T
	repo *repo.Repo
	of   keeper.Rendering
}

func newRendered(t *testing.T, change map[string]string) *rendered {
	t.Helper()
	up := repotest.New(t)
	up.Commit("main", fleetFiles(gateRules))
	up.Git("push", "-q", "origin", "main:change")
	up.Commit("change", change)
	r, err := repo.Clone(context.Background(), up.Bare, repo.Options{Dir: t.TempDir(), Credential: &git.Credential{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	out := &rendered{T: t, repo: r, of: keeper.Rendering{Branch: "main", Environment: "production"}}
	if out.of.Base, err = r.Branch("main"); err != nil {
		t.Fatal(err)
	}
	if out.of.Head, err = r.Branch("change"); err != nil {
		t.Fatal(err)
	}
	return out
}

// by renders with a configuration.
func (r *rendered) by(cfg FactsConfig) (check.Facts, *renderer) {
	r.Helper()
	exe, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	cfg.Previews.Isolate = &isolate.Config{Command: []string{exe, childWord}}
	render, err := newRenderer(cfg, r.repo.Dir(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		r.Skip(err)
	}
	r.Cleanup(render.close)
	out, err := render.render(context.Background(), r.of)
	if err != nil {
		r.Fatal(err)
	}
	return out, render
}

// A child finds what this process finds, and a fork is given less.
func TestGateRenders(t *testing.T) {
	if testing.Short() {
		t.Skip("not in the quick suite, since it starts processes; go test without -short runs it")
	}
	var asked atomic.Int32
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); w.WriteHeader(404) }))
	defer outside.Close()
	r := newRendered(t, map[string]string{
		"apps/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {k: v2, s: \"${word:=none}\"}\n",
	})
	input := filepath.Join(t.TempDir(), "outside.yaml")
	if err := os.WriteFile(input, []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: outside, namespace: flux-system}\nstringData: {word: hunter2-canary}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEAT_FORGE_TOKEN", "token-canary")
	previews := PreviewConfig{Inputs: []string{input}, Fetch: true}
	own, render := r.by(FactsConfig{Previews: previews})
	if own.Error != "" || !own.Plan.Changes || own.Before == own.After || !own.After.Valid() {
		t.Fatalf("got %+v", own)
	}
	job := render.job(r.of, time.Now())
	job.Cache = t.TempDir()
	here, err := job.facts(context.Background())
	if err != nil || here.After != own.After || here.Before != own.Before {
		t.Errorf("a child finds something else than this process: %v", err)
	}
	data, _ := json.Marshal(own.Plan.Clusters[0].Changes)
	if same, _ := json.Marshal(here.Plan.Clusters[0].Changes); !bytes.Equal(data, same) {
		t.Errorf("a child has another plan:\n%s\n%s", data, same)
	}
	if data, err = json.Marshal(own); err != nil || bytes.Contains(data, []byte("canary")) {
		t.Errorf("a secret stands in the facts: %v", err)
	}

	// Case 42: from a fork the same change knows nothing from outside of Git.
	r.of.Fork = true
	fork, render := r.by(FactsConfig{Previews: previews})
	if fork.Error != "" || fork.After == own.After {
		t.Errorf("a fork was given what lives outside of Git: %+v", fork.Error)
	}
	if job := render.job(r.of, time.Now()); job.Fetch || len(job.Inputs)+len(job.Values) > 0 {
		t.Errorf("a fork is told of %+v", job)
	}
	if !render.forks.Alone() {
		t.Log("this system does not let us take the network from a child")
	}

	// It reaches for the network.
	r = newRendered(t, map[string]string{"apps/kustomization.yaml": "resources: [a.yaml, " + outside.URL + "/base.yaml]\n"})
	r.of.Fork = true
	reached, _ := r.by(FactsConfig{Previews: previews})
	if asked.Load() != 0 {
		t.Errorf("a fork had us ask the network %d times", asked.Load())
	}
	e := check.Judge(reached, check.Case{})
	if e.State != check.Failure || !strings.Contains(e.Line, "fetch remote base") {
		t.Errorf("got %s: %s", e.State, e.Line)
	}
}

// Case 42: memory and time are bounded, and the change is at fault.
func TestGateBoundsRendering(t *testing.T) {
	if testing.Short() {
		t.Skip("not in the quick suite, since it starts processes; go test without -short runs it")
	}
	r := newRendered(t, map[string]string{"apps/b.yaml": "# nothing\n"})
	for name, cfg := range map[string]FactsConfig{"longer than": {Timeout: time.Millisecond}, "MiB of memory": {Memory: 96 << 20}} {
		got, _ := r.by(cfg)
		if !got.Broken || !strings.Contains(got.Error, name) {
			t.Errorf("got %+v, want %s", got, name)
		}
	}
}

// A webhook is believed to be from the forge by its signature alone, and secrets are
// replaced while the gate stands.
func TestGateHears(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	g := &Gate{cfg: GateConfig{Secrets: []string{file}, Log: slog.New(slog.DiscardHandler)}, heard: make(chan forge.Event, 1)}
	g.webhook = forgeKinds["gitlab"].webhook
	g.counts = newGateMetrics(discard{})
	server := httptest.NewServer(http.HandlerFunc(g.hook))
	defer server.Close()
	const body = `{"object_kind":"merge_request","project":{"path_with_namespace":"team/fleet"},"object_attributes":{"iid":7,"action":"update","last_commit":{"id":"0123456789012345678901234567890123456789"}}}`
	send := func(secret, text string) int {
		t.Helper()
		req, err := http.NewRequest("POST", server.URL, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Gitlab-Token", secret)
		req.Header.Set("X-Gitlab-Event", "Merge Request Hook")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		in, secret, body string
		status, heard    int
	}{
		{"", "one", body, 500, 0}, // an empty file would let everybody in
		{"one\n", "", body, 401, 0},
		{"one\n", "two", body, 401, 0},
		{"one\n", "one", body, 202, 1},
		{"two\n", "one", body, 401, 0},
		{"two\n", "two", body, 202, 1},
		{"two\n", "two", strings.Repeat(" ", forge.MaxAnswer+1), 413, 0},
	} {
		if err := os.WriteFile(file, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := send(c.secret, c.body); got != c.status {
			t.Errorf("%q sent with %q: got %d, want %d", c.in, c.secret, got, c.status)
		}
		if len(g.heard) != c.heard {
			t.Errorf("%q sent with %q: heard %d", c.in, c.secret, len(g.heard))
		}
		for len(g.heard) > 0 {
			if e := <-g.heard; e.Number != 7 {
				t.Errorf("heard %+v", e)
			}
		}
	}
	g.heard <- forge.Event{}
	if got := send("two", body); got != 202 || len(g.heard) != 1 {
		t.Errorf("a full ear answers %d", got)
	}
	g.cfg.Secrets = nil
	if got := send("two", body); got != 404 {
		t.Errorf("without secrets: %d", got)
	}
}

// What an engine is told by flags, a child is told too.
func TestPlainOptions(t *testing.T) {
	in := plainOptions{NoRemoteBases: true, Strict: true, OverrideManagers: []string{"x"}, CustomStages: []string{"Kind.group"}, MaxIndex: 7, DefaultServiceAccount: "d"}
	if got := plainly(in.options(nil)); !reflect.DeepEqual(got, in) {
		t.Errorf("got %+v", got)
	}
}

// discard is a registry that keeps nothing.
type discard struct{ prometheus.Registerer }

func (discard) MustRegister(...prometheus.Collector) {}
