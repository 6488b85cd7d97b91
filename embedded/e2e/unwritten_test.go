package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/object"
)

const never = "healthChecks: [{apiVersion: v1, kind: Secret, name: never, namespace: $ns}]"

// What a unit applied while it waits for health is pruned by the next commit,
// also before the status that lists it was written.
func TestPruneBeforeProgressWasWritten(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app", "timeout: 1h", never))
	s.exists("ConfigMap/b")
	s.commit(files{"app/b.yaml": "", "app/a.yaml": configMap("a", "2")})
	s.gone("ConfigMap/b")
	s.data("ConfigMap/a", "2")
}

// A unit that is deleted while it waits takes with it what no status lists yet.
func TestDeletionBeforeProgressWasWritten(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "timeout: 1h", never))
	s.exists("ConfigMap/a")
	s.delete("Kustomization/app")
	s.gone("Kustomization/app")
	s.gone("ConfigMap/a")
}

// Statuses cannot be written for a while: what was applied meanwhile is still
// pruned.
func TestPruneWhileStatusesAreRefused(t *testing.T) {
	statuses := &gate{}
	s := up(t, statuses.through)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "retryInterval: 1s"))
	s.ready("app")
	statuses.shut.Store(true)
	s.commit(files{"app/b.yaml": configMap("b", "1")})
	s.patch("GitRepository/fleet", `{spec: {interval: 23h}}`)
	statuses.shut.Store(false)
	s.exists("ConfigMap/b")
	s.ready("app")
	statuses.units.Store(true)
	s.commit(files{"app/c.yaml": configMap("c", "1")})
	s.exists("ConfigMap/c")
	s.commit(files{"app/c.yaml": "", "app/d.yaml": configMap("d", "1")})
	s.exists("ConfigMap/d")
	statuses.units.Store(false)
	s.ready("app")
	s.gone("ConfigMap/c")
}

// gate refuses statuses with 500, all or those of Kustomizations, and a number
// of the latter with 409.
type gate struct {
	shut, units atomic.Bool
	conflicts   atomic.Int64
}

func (g *gate) through(c *app.Config) {
	c.REST = rest.CopyConfig(c.REST)
	c.REST.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return trip(func(req *http.Request) (*http.Response, error) {
			status := strings.HasSuffix(req.URL.Path, "/status")
			units := status && strings.Contains(req.URL.Path, "/kustomizations/")
			switch {
			case status && g.shut.Load(), units && g.units.Load():
				return &http.Response{StatusCode: 500, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
			case units && g.conflicts.Add(-1) >= 0:
				return &http.Response{StatusCode: 409, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
			}
			return next.RoundTrip(req)
		})
	})
}

type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (t trip) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

// A process ends while a unit waits, and the unit is deleted before the next
// process starts.
func TestDeletionAfterACrash(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app", "timeout: 1h", never))
	s.exists("ConfigMap/a")
	s.exists("ConfigMap/b")
	s.stop()
	s.setStatus("Kustomization/app", `{status: {inventory: null}}`) // as if no progress had been written
	theirs := s.bystanders()
	s.delete("Kustomization/app")
	s.start()
	s.gone("Kustomization/app")
	s.gone("ConfigMap/a")
	s.gone("ConfigMap/b")
	s.untouched(theirs)
}

// What was let go stays, whatever marks it carries: with prune off, and by a unit of the
// same name that was deleted and left its objects.
func TestWhatWasLetGoStays(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1"), "app/c.yaml": configMap("c", "1")})
	s.apply(source, kustomization("app", "path: ./app", "prune: false"))
	s.ready("app")
	s.commit(files{"app/b.yaml": ""})
	s.ready("app")
	s.apply(kustomization("app", "path: ./app", "prune: true"))
	s.ready("app")
	s.exists("ConfigMap/b")
	s.apply(kustomization("app", "path: ./app", "deletionPolicy: Orphan"))
	s.ready("app")
	s.delete("Kustomization/app")
	s.gone("Kustomization/app")
	s.commit(files{"app/c.yaml": ""})
	s.await("GitRepository/fleet", func(o *unstructured.Unstructured) bool {
		return field(o, "status", "artifact", "revision") == strconv.Quote(s.revision())
	})
	s.stop()
	s.apply(kustomization("app", "path: ./app"))
	s.start()
	s.ready("app")
	s.exists("ConfigMap/b")
	s.exists("ConfigMap/c")
}

// Statuses that cannot be written make runs again: what they find is told once.
func TestEventsAreToldOnce(t *testing.T) {
	statuses := &gate{}
	runs := make(chan object.Key, 1024)
	s := up(t, statuses.through, counting(runs))
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	s.idle()
	statuses.conflicts.Store(8)
	s.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": configMap("b", "1")})
	s.ready("app")
	statuses.conflicts.Store(8)
	s.commit(files{"app/c.yaml": "no: object\n"})
	s.fails("app", "BuildFailed", "c.yaml")
	s.idle()
	s.stop() // writes the events that wait
	s.fewEvents(2)
	told := strings.Join(s.events("app", corev1.EventTypeNormal), "\n")
	for _, want := range []string{"ConfigMap/$ns/a configured", "ConfigMap/$ns/b created"} {
		if n := strings.Count(told, s.expand(want)); n != 1 {
			t.Errorf("%q was told %d times, want once:\n%s", s.expand(want), n, told)
		}
	}
	if failed := strings.Join(s.events("app", corev1.EventTypeWarning), "\n"); strings.Count(failed, "c.yaml") != 1 {
		t.Errorf("a failure was not told once:\n%s", failed)
	}
	if n := strings.Count(told, "Reconciliation finished"); n != 2 {
		t.Errorf("the end was told %d times for two commits:\n%s", n, told)
	}
}
