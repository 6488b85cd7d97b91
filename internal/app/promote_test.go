package app

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/world"
)

const twoEnvironments = `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: dev, branch: main, directory: dev, context: dev}
  - {name: prod, branch: main, directory: prod, follows: dev}
`

// rollout is how far the source and the unit of a cluster have come.
type rollout struct{ fetched, applied, ready, message string }

// cluster is one in which a GitRepository follows main of an address, and a Kustomization
// builds from it.
func (s rollout) cluster(t *testing.T, url string) world.Reader {
	t.Helper()
	w := emptied(t)
	meta := map[string]any{"name": "fleet", "namespace": "default"}
	ready := func(status, message string) []any {
		return []any{map[string]any{"type": "Ready", "status": status, "reason": "Is", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}}
	}
	stored(t, w, map[string]any{
		"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": meta,
		"spec": map[string]any{"url": url, "interval": "1m", "ref": map[string]any{"branch": "main"}},
	}, map[string]any{"artifact": artifactAt(s.fetched), "conditions": ready("True", "")})
	stored(t, w, map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": meta,
		"spec": map[string]any{"interval": "1m", "prune": true, "path": "./dev", "sourceRef": map[string]any{"kind": "GitRepository", "name": "fleet"}},
	}, map[string]any{"lastAppliedRevision": s.applied, "lastAttemptedRevision": s.fetched, "conditions": ready(s.ready, s.message)})
	return w
}

var onceEmpty = sync.OnceValues(emptyWorld)

func emptied(t *testing.T) world.World {
	t.Helper()
	w, err := onceEmpty()
	if err != nil {
		t.Fatal(err)
	}
	if w, err = w.Copy(); err != nil {
		t.Fatal(err)
	}
	return w
}

// stored makes an object with a status, nil for none.
func stored(t *testing.T, w world.World, o, status map[string]any) {
	t.Helper()
	made, err := w.Create(t.Context(), &unstructured.Unstructured{Object: o}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if status == nil {
		return
	}
	data, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	patch := world.Patch{Ref: object.RefOf(made), Type: types.MergePatchType, Data: data}
	patch.Subresource = "status"
	if _, err := w.Patch(t.Context(), patch); err != nil {
		t.Fatal(err)
	}
}

// artifactAt is what a source has fetched.
func artifactAt(revision string) map[string]any {
	return map[string]any{"revision": revision, "path": "x", "url": "http://x", "digest": "sha256:" + strings.Repeat("0", 64), "lastUpdateTime": "2026-01-01T00:00:00Z"}
}

// What the source's own cluster does not run, runs in half, or not well, is not promoted
// unless somebody says so; and that it was not asked is said, with why.
func TestPromoteAsksTheSource(t *testing.T) {
	t.Setenv("GIT_AUTHOR_NAME", "Ann")
	t.Setenv("GIT_AUTHOR_EMAIL", "ann@example.com")
	up := repotest.New(t)
	old := up.Commit("main", map[string]string{"leat.yaml": twoEnvironments, "dev/a.yaml": "a: 1\n", "prod/b.yaml": "b: 1\n"})
	head := up.Commit("main", map[string]string{"dev/a.yaml": "a: 2\n"})
	url := repotest.Serve(t, up)
	up.Git("remote", "set-url", "origin", url)
	up.Git("fetch", "-q", "origin")
	fleet, err := Carry(t.Context(), CarryConfig{Dir: up.Work, CacheDir: t.TempDir(), Now: time.Unix(1_800_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fleet.Close() })
	dev, _ := fleet.Flow.Environment("dev")
	was, now := "main@sha1:"+old, "main@sha1:"+head
	for name, c := range map[string]struct {
		at      rollout
		of      string
		connect error
		want    string // of the error
		told    string // where it is promoted all the same, with --unwell
	}{
		"healthy":             {rollout{now, now, "True", ""}, "", nil, "", "dev runs " + head[:10] + " and is healthy."},
		"not fetched":         {rollout{was, was, "True", ""}, "", nil, "dev is not well: pending: GitRepository/default/fleet: it has " + was, "dev is not well (pending"},
		"half rolled out":     {rollout{now, was, "Unknown", "Reconciliation in progress"}, "", nil, "dev is not well: fetched: Kustomization/default/fleet: Reconciliation in progress", "is promoted all the same"},
		"not ready yet":       {rollout{now, now, "Unknown", "waiting"}, "", nil, "dev is not well: applied", "is promoted all the same"},
		"unhealthy":           {rollout{now, was, "False", "Deployment/web is failing"}, "", nil, "dev is not well: failed: Kustomization/default/fleet: Deployment/web is failing", "is promoted all the same"},
		"unreachable":         {rollout{}, "", errors.New("connection refused"), "ask whether dev is healthy: connection refused; --unwell promotes without", "could not be asked, and it is promoted all the same: connection refused."},
		"an older one, by of": {rollout{}, old, errors.New("is not asked"), "", "Whether dev is healthy was not asked: what is promoted is " + old + ", and not what it runs."},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := PromoteConfig{Of: c.of, Connect: func(flow.Environment) (world.Reader, error) {
				if c.connect != nil {
					return nil, c.connect
				}
				return c.at.cluster(t, url), nil
			}}
			out := Promoted{From: dev}
			if _, err := cfg.wellEnough(t.Context(), fleet, &out); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			cfg.Unwell, out = true, Promoted{From: dev}
			seen, err := cfg.wellEnough(t.Context(), fleet, &out)
			if err != nil || !strings.Contains(strings.Join(out.Notes, "\n"), c.told) {
				t.Errorf("with Unwell: %v, %q", err, out.Notes)
			}
			if (seen == repo.Hash{}) != (c.of != "") { // what was asked for is what is promoted
				t.Errorf("with Unwell: %s was seen", seen)
			}
		})
	}
}
