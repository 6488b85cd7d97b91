package e2e

import (
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/world/cluster"
)

func TestDeletionPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		spec    string
		deletes bool
	}{
		"the default follows prune: true":    {"prune: true", true},
		"the default follows prune: false":   {"prune: false", false},
		"MirrorPrune with prune":             {"deletionPolicy: MirrorPrune\nprune: true", true},
		"MirrorPrune without prune":          {"deletionPolicy: MirrorPrune\nprune: false", false},
		"Delete without prune":               {"deletionPolicy: Delete\nprune: false", true},
		"WaitForTermination without prune":   {"deletionPolicy: WaitForTermination\nprune: false", true},
		"Orphan with prune":                  {"deletionPolicy: Orphan\nprune: true", false},
		"a suspended one keeps whatever":     {"deletionPolicy: Delete\nsuspend: true", false},
		"a suspended one waits for nothing ": {"deletionPolicy: WaitForTermination\nsuspend: true", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(files{"app/a.yaml": configMap("a", "1")})
			s.apply(source, kustomization("app", "path: ./app"))
			s.ready("app")
			s.apply(kustomization("app", "path: ./app", c.spec))
			s.idle()
			s.delete("Kustomization/app")
			s.gone("Kustomization/app")
			if c.deletes {
				s.gone("ConfigMap/a")
				return
			}
			s.idle()
			s.exists("ConfigMap/a")
		})
	}
}

// What is deleted must never stick, whatever went before it.
func TestDeletionNeedsNothingElse(t *testing.T) {
	start := func(t *testing.T, spec ...string) *stand {
		s := up(t)
		s.apply(serviceAccount, allowAll)
		s.commit(files{"app/a.yaml": configMap("a", "1")})
		s.apply(source, kustomization("app", append(spec, "path: ./app")...))
		s.ready("app")
		return s
	}
	t.Run("not the source", func(t *testing.T) {
		s := start(t)
		s.delete("GitRepository/fleet")
		s.gone("GitRepository/fleet")
		s.delete("Kustomization/app")
		s.gone("Kustomization/app")
		s.gone("ConfigMap/a")
	})
	t.Run("not the ServiceAccount, whose rights went with it", func(t *testing.T) {
		s := start(t, "serviceAccountName: deployer")
		s.delete("ServiceAccount/deployer")
		s.gone("ServiceAccount/deployer")
		s.delete("Kustomization/app")
		s.gone("Kustomization/app")
		s.exists("ConfigMap/a")
	})
	t.Run("not a ServiceAccount that never was", func(t *testing.T) {
		s := up(t, func(c *app.Config) { c.Options.DefaultServiceAccount = "nobody" })
		s.commit(files{"app/a.yaml": configMap("a", "1")})
		s.apply(source, kustomization("app", "path: ./app"))
		s.fails("app", "ReconciliationFailed", "nobody")
		s.delete("Kustomization/app")
		s.gone("Kustomization/app")
		s.absent("ConfigMap/a")
	})
	t.Run("not a spec that can be read", func(t *testing.T) {
		s := start(t)
		s.apply(kustomization("app", "path: ./none", "deletionPolicy: Delete"))
		s.fails("app", "BuildFailed")
		s.delete("Kustomization/app")
		s.gone("Kustomization/app")
		s.gone("ConfigMap/a")
	})
}

// hold keeps an object from going, release lets it go.
const (
	hold    = "finalizers: [example.com/hold]"
	release = `{metadata: {finalizers: null}}`
)

func TestWaitForTermination(t *testing.T) {
	start := func(t *testing.T, spec ...string) *stand {
		s := up(t)
		s.commit(files{"app/a.yaml": configMap("a", "1", hold)})
		s.apply(source, kustomization("app", append(spec, "path: ./app")...))
		s.ready("app")
		s.delete("Kustomization/app")
		s.await("ConfigMap/a", deleting)
		return s
	}
	t.Run("keeps the unit until its objects are gone", func(t *testing.T) {
		s := start(t, "deletionPolicy: WaitForTermination", "timeout: 1h")
		s.idle()
		s.exists("Kustomization/app")
		s.must(s.app.Controller.Wake(s.key("Kustomization/app"), "a run while it waits"))
		s.idle()
		s.exists("Kustomization/app")
		deletes := s.requests(func(c cluster.Count) bool { return c.Verb == "delete" && c.Resource == "configmaps" })
		if deletes != 1 {
			t.Errorf("got %d requests to delete the ConfigMap, want 1: what is being deleted is not deleted again", deletes)
		}
		s.patch("ConfigMap/a", release)
		s.gone("Kustomization/app")
	})
	t.Run("is not what Delete does", func(t *testing.T) {
		s := start(t, "deletionPolicy: Delete", "timeout: 1h")
		s.gone("Kustomization/app")
		s.patch("ConfigMap/a", release)
	})
}

func TestWaitForTerminationEndsWithTheTimeout(t *testing.T) {
	long(t) // at least 30 seconds, as in Flux
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1", hold)})
	s.apply(source, kustomization("app", "path: ./app", "deletionPolicy: WaitForTermination", "timeout: 1s"))
	s.ready("app")
	s.delete("Kustomization/app")
	s.awaitFor(time.Minute, "Kustomization/app", absent)
	s.patch("ConfigMap/a", release)
}
