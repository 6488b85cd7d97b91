package plantest

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/cli"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/artifact"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "isolated" { // charts are rendered in children of the own program
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	kubetest.Quick() // not in the quick suite
	kubetest.Main(m)
}

const (
	// canary is what nobody may ever see.
	canary   = "canary-2b8e61f0c4"
	patience = 2 * time.Minute
)

// A plan for a live cluster is empty for what it has, shows what a directory changes,
// puts right and prunes, exactly, tells no secret, and writes nothing.
func TestPlanForACluster(t *testing.T) {
	f := bringUp(t)
	code, text := f.plan()
	if code != 0 || !strings.Contains(text, "fidelity exact") {
		t.Fatalf("of what was delivered: exit %d\n%s", code, text)
	}
	f.edit("apps/dev/kustomization.yaml", "2.8.0-rc.1", "2.8.0-rc.2")
	f.shows("1 changed", "~ Deployment/apps/web", "image: registry.example.com/web:2.8.0-rc.1 → registry.example.com/web:2.8.0-rc.2", "fidelity exact")
	f.edit("apps/dev/kustomization.yaml", "2.8.0-rc.2", "2.8.0-rc.1")

	f.patch(object.Key{Group: "platform.example.com", Kind: "Budget", Namespace: "apps", Name: "apps"}, `{"spec":{"monthly":5}}`)
	f.shows("1 changed", "~ Budget/apps/apps", "spec.monthly: 5 → 1200")
	f.patch(object.Key{Group: "platform.example.com", Kind: "Budget", Namespace: "apps", Name: "apps"}, `{"spec":{"monthly":1200}}`)

	f.patch(object.Key{Kind: "ConfigMap", Namespace: "apps", Name: "other"}, `{"data":{"key":"by hand"}}`)
	f.shows("1 changed", "~ ConfigMap/apps/other", "data.key: by hand → value")
	f.patch(object.Key{Kind: "ConfigMap", Namespace: "apps", Name: "other"}, `{"data":{"key":"value"}}`)

	f.edit("infrastructure/policies/kustomization.yaml", "  - network-policy.yaml\n", "")
	f.shows("1 pruned", "- NetworkPolicy/apps/same-namespace-only")
	f.edit("apps/base/web/secret.yaml", canary+"-own", canary+"-new")
	f.edit("apps/base/web/deployment.yaml", "value: ${cluster}", "value: ${cluster}-${token}")
	f.edit("charts/cache/Chart.yaml", "version: ", "version: 9")
	f.shows("Secret/apps/own", "secret:", "HelmRelease/apps/cache")
	if code, text := f.plan("-o", "json"); code != 2 {
		f.Errorf("as JSON: exit %d, want 2\n%s", code, text)
	}
	f.diffs()
}

// diffs sees that leat diff says what the plan for the cluster says, in every
// format, for whoever may look, and that a Kustomization is compared as flux does.
func (f *bed) diffs() {
	f.Helper()
	code, text := f.verb("diff", "--path", "clusters/dev")
	if _, want := f.plan(); code != 2 || lasting(text) != lasting(want) {
		f.Errorf("exit %d, want 2, and what the plan says:\n%s\ngot\n%s", code, want, text)
	}
	for output, want := range map[string]string{"json": `"apiVersion": "leat.dev/plan/v1"`, "markdown": "<!-- leat:plan", "html": "<!doctype html>", "sarif": "sarif-schema"} {
		if code, text := f.verb("diff", "--path", "clusters/dev", "-o", output); code != 2 || !strings.Contains(text, want) {
			f.Errorf("as %s: exit %d, want 2 and %q\n%s", output, code, want, text)
		}
	}
	if code, _ := f.verb("diff", "--fail-on", "info"); code != 3 {
		f.Errorf("with --fail-on info: exit %d, want 3", code)
	}
	if code, text := f.verb("diff", "--as", "somebody"); code != 1 || !strings.Contains(text, `User "somebody" cannot`) {
		f.Errorf("as somebody: exit %d, want 1\n%s", code, text)
	}
}

// lasting is an output without what differs from run to run: how long it took, and
// the fingerprints of secrets.
func lasting(text string) string {
	return regexp.MustCompile(`rendered in .*|secret:[0-9a-f]+`).ReplaceAllString(text, "")
}

// bed is a fleet in a directory, and the cluster that it was delivered to.
type bed struct {
	*testing.T
	dir   string
	world *cluster.World
}

// bringUp delivers a copy of the platform that reads a Secret of the cluster and
// has one of its own, and ends the engine when all is ready.
func bringUp(t *testing.T) *bed {
	t.Helper()
	c := kubetest.Shared(t)
	f := &bed{T: t, dir: filepath.Join(t.TempDir(), "fleet")}
	f.must(os.CopyFS(f.dir, os.DirFS("../../examples/platform")))
	var err error
	f.world, err = cluster.New(c.Config, cluster.Options{})
	f.must(err)
	f.never()
	f.edit("apps/base/web/kustomization.yaml", "resources:\n", "resources:\n  - secret.yaml\n")
	f.edit("clusters/dev/apps.yaml", "    substituteFrom:\n", "    substituteFrom:\n      - kind: Secret\n        name: vars\n")
	f.edit("apps/base/web/deployment.yaml", "value: ${log_level:=info}", "value: ${token}")
	f.write("apps/base/web/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: "+canary+"-own}\n")
	other, err := mirror.Parse("https://git.example.com/=" + filepath.Dir(f.dir))
	f.must(err)
	data := t.TempDir()
	input := filepath.Join(t.TempDir(), "vars.yaml")
	f.other()
	f.must(os.WriteFile(input, []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: vars, namespace: flux-system}\nstringData: {token: "+canary+"-vars}\n"), 0o600))
	up, err := app.Prepare(t.Context(), app.UpConfig{
		Dir: f.dir, DataDir: data, Mirrors: []mirror.Mirror{other}, Inputs: []string{input}, CreateNamespaces: true, Log: slog.New(slog.DiscardHandler), Say: func(string, ...any) {},
	})
	f.must(err)
	f.must(up.Install(t.Context(), c.Config))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- up.Run(ctx) }()
	f.settled(ctx, up)
	cancel()
	f.must(<-done)
	f.serve(filepath.Join(data, "artifacts"))
	return f
}

// never sees that a cluster that never had the fleet is told all of it.
func (f *bed) never() {
	f.Helper()
	code, text := f.verb("diff", "--path", "clusters/dev")
	for _, want := range []string{"it never had this fleet", "+ Kustomization/flux-system/flux-system", "+ Kustomization/flux-system/apps", "Deployment/apps/web", "7 of 7 units change"} {
		if !strings.Contains(text, want) {
			f.Errorf("no %q in\n%s", want, text)
		}
	}
	if code != 2 || strings.Contains(text, "never-ready") {
		f.Errorf("exit %d, want 2, and every unit ready:\n%s", code, text)
	}
}

// other gives the fleet a unit from a repository that plans cannot reach: they
// build it from the artifact of the cluster.
func (f *bed) other() {
	f.Helper()
	f.must(os.MkdirAll(filepath.Join(filepath.Dir(f.dir), "other"), 0o700))
	f.write("../other/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: apps}\ndata: {key: value}\n")
	f.edit("clusters/dev/kustomization.yaml", "resources:\n", "resources:\n  - other.yaml\n")
	f.write("clusters/dev/other.yaml", `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: other, namespace: flux-system}
spec: {interval: 1h, url: "https://git.example.com/other", ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: other, namespace: flux-system}
spec: {interval: 1h, path: ./, prune: true, sourceRef: {kind: GitRepository, name: other}, dependsOn: [{name: infra-controllers}]}
`)
}

// serve answers for the artifacts of the engine that ended, where it did.
func (f *bed) serve(dir string) {
	f.Helper()
	store, err := artifact.NewStore(dir, artifact.Options{})
	f.must(err)
	source, err := f.world.Get(f.Context(), unit.Ref(object.Key{Group: object.GroupSource, Kind: unit.GitRepositoryKind, Namespace: "flux-system", Name: "other"}))
	f.must(err)
	s, err := unit.StatusOf(source)
	f.must(err)
	at, err := url.Parse(s.Artifact.URL)
	f.must(err)
	listener, err := net.Listen("tcp", at.Host)
	f.must(err)
	server := &http.Server{Handler: store.Handler(), ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	f.Cleanup(func() {
		_ = server.Close()
		<-done
		_ = store.Close()
	})
}

// settled waits until all units are ready, those of the whole fleet.
func (f *bed) settled(ctx context.Context, up *app.Up) {
	f.Helper()
	const all = 9 // three sources, five Kustomizations, a release
	for {
		idle, changed := up.App.Controller.Idle()
		units := up.App.Controller.Units()
		if idle && len(units) == all && ready(units) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			for _, u := range units {
				f.Logf("%s: %v", object.KeyOf(u), u.Object["status"])
			}
			f.Fatalf("%d of %d units, and not ready after %s", len(units), all, patience)
		}
	}
}

func ready(units []*unstructured.Unstructured) bool {
	for _, u := range units {
		s, err := unit.StatusOf(u)
		if err != nil || s.Ready() == nil || s.Ready().Status != "True" {
			return false
		}
	}
	return true
}

// plan runs the verb.
func (f *bed) plan(flags ...string) (code int, text string) {
	f.Helper()
	return f.verb("plan", append([]string{"--cluster"}, flags...)...)
}

// verb runs one of those that compare, and sees that the cluster stands as it did.
func (f *bed) verb(name string, flags ...string) (code int, text string) {
	f.Helper()
	before := f.versions()
	var out, errs bytes.Buffer
	args := append([]string{name, "--kubeconfig", kubetest.Shared(f.T).Kubeconfig, "--cache-dir", f.TempDir(), f.dir}, flags...)
	code = cli.Main(f.Context(), args, cli.Env{In: &bytes.Buffer{}, Out: &out, Err: &errs})
	text = out.String() + errs.String()
	if after := f.versions(); !maps.Equal(before, after) {
		for key, version := range after {
			if before[key] != version {
				f.Errorf("the plan wrote %s", key)
			}
		}
		f.Errorf("%d objects before the plan, %d after it", len(before), len(after))
	}
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:16]} {
		if strings.Contains(text, form) {
			f.Errorf("a secret is told:\n%s", text)
		}
	}
	return code, text
}

// shows plans, and looks for these texts.
func (f *bed) shows(want ...string) {
	f.Helper()
	code, text := f.plan()
	if code != 2 {
		f.Errorf("exit %d, want 2", code)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			f.Errorf("no %q in\n%s", w, text)
		}
	}
}

// versions are the resource versions of all that is in the cluster, but for what
// its own components write all the time.
func (f *bed) versions() map[object.Key]string {
	f.Helper()
	kinds, err := f.world.Kinds(f.Context())
	f.must(err)
	out := map[object.Key]string{}
	for _, m := range kinds {
		switch m.GVK.Kind {
		case "Lease", "LeaseCandidate", "Event", "Node", "CSINode", "ComponentStatus", "IPAddress":
			continue
		}
		all, err := f.world.List(f.Context(), m.GVK, world.Selection{})
		if err != nil {
			continue // such as reviews, which cannot be listed
		}
		for _, obj := range all {
			out[object.KeyOf(obj)] = obj.GetResourceVersion()
		}
	}
	return out
}

func (f *bed) patch(key object.Key, data string) {
	f.Helper()
	_, err := f.world.Patch(f.Context(), world.Patch{Ref: object.Ref{Key: key, Version: "v1"}, Type: types.MergePatchType, Data: []byte(data), Manager: "kubectl-edit"})
	f.must(err)
}

func (f *bed) edit(file, from, to string) {
	f.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, file))
	f.must(err)
	if !strings.Contains(string(data), from) {
		f.Fatalf("%s has no %q", file, from)
	}
	f.write(file, strings.Replace(string(data), from, to, 1))
}

func (f *bed) write(file, text string) {
	f.Helper()
	f.must(os.WriteFile(filepath.Join(f.dir, file), []byte(text), 0o600))
}

func (f *bed) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}
