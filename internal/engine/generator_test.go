package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

const twoApps = `artifacts: [
  {name: web, originRevision: "@repo", copy: [{from: "@repo/web/**", to: "@artifact/"}]},
  {name: db, revision: "@repo", copy: [{from: "@repo/db/", to: "@artifact/"}]}]`

func v1() map[string]string { return map[string]string{"web/a.yaml": "1", "db/a.yaml": "1"} }

func TestGeneratorStory(t *testing.T) {
	s := newStand(t)
	s.generator(twoApps)

	rep, asked := s.run()
	s.wants(rep, "False", "SourceFetchFailed", "source 'GitRepository/apps/repo' not found")
	s.asks(asked, "status")
	if !rep.Next.IsZero() || len(rep.Reads) != 1 || !slices.Equal(rep.On, []string{"GitRepository/apps/repo"}) {
		t.Errorf("waits on %v reading %v until %v", rep.On, rep.Reads, rep.Next)
	}

	s.source("main@sha1:1", v1())
	rep, asked = s.run()
	s.wants(rep, "True", "Succeeded", "reconciliation succeeded, generated 2 artifact(s)")
	s.asks(asked, "apply ExternalArtifact/web", "patch ExternalArtifact/web status", "apply ExternalArtifact/db", "patch ExternalArtifact/db status", "status")
	if got := s.shows("web"); got != "latest main@sha1:1 a.yaml" {
		t.Error(got)
	}
	if got := s.shows("db"); got != "main@sha1:1  db/a.yaml" {
		t.Error(got)
	}
	if len(rep.Events) != 1 || rep.Events[0].Reason != "Ready" || !strings.HasPrefix(rep.Events[0].Message, "external artifacts reconciled: apps/web (sha256:") {
		t.Errorf("events: %v", rep.Events)
	}

	for name, before := range map[string]func(){"nothing moved": func() {}, "after a restart": s.restart} {
		before()
		rep, asked = s.run()
		if s.asks(asked); len(rep.Events) > 0 || t.Failed() {
			t.Fatalf("%s: %v", name, rep.Events)
		}
	}

	s.restart()
	s.run()
	s.shelf.puts = 0
	s.source("main@sha1:2", map[string]string{"web/a.yaml": "1", "db/a.yaml": "2"})
	rep, asked = s.run()
	s.asks(asked, "patch ExternalArtifact/web status", "patch ExternalArtifact/db status", "status")
	if s.shelf.puts != 1 {
		t.Errorf("stored %d artifacts, want the one that changed", s.shelf.puts)
	}
	if got := s.shows("web"); got != "latest main@sha1:2 a.yaml" {
		t.Error(got)
	}
	if len(rep.Events) != 1 || strings.Contains(rep.Events[0].Message, "apps/web") {
		t.Errorf("events: %v", rep.Events)
	}
}

func TestGeneratorObject(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", map[string]string{"apps/Auth/a": "1"})
	s.generator(`commonMetadata: {labels: {team: x, app: other, app.kubernetes.io/managed-by: me}, annotations: {note: yes!}}, pathPattern: "@repo/apps/{app}",
  artifacts: [{name: "{app}-x", copy: [{from: "@repo/apps/{app}/**", to: "@artifact/"}]}]`)
	s.run()
	u := s.get(output("auth-x"))
	want := map[string]string{
		"team": "x", "app": "auth", "app.kubernetes.io/managed-by": "source-watcher",
		"source.extensions.fluxcd.io/generator": string(s.get(generatorKey).GetUID()),
	}
	if diff := cmp.Diff(want, u.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"note": "yes!"}, u.GetAnnotations()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	ref, _, _ := unstructured.NestedStringMap(u.Object, "spec", "sourceRef")
	if diff := cmp.Diff(map[string]string{"apiVersion": "source.extensions.fluxcd.io/v1beta1", "kind": "ArtifactGenerator", "name": "split", "namespace": "apps"}, ref); diff != "" {
		t.Errorf("sourceRef (-want +got):\n%s", diff)
	}
	for _, m := range u.GetManagedFields() {
		if m.Manager != "source-watcher" {
			t.Errorf("written by %s", m.Manager)
		}
	}
	status, err := unit.StatusOf(u)
	s.must(err)
	if c := status.Ready(); c == nil || c.Status != "True" || c.Reason != "Succeeded" || c.Message != "Artifact is ready" || c.ObservedGeneration != u.GetGeneration() {
		t.Errorf("Ready is %v", c)
	}

	// A label that the spec no longer has goes, also when the process is new.
	s.generator(`pathPattern: "@repo/apps/{app}", artifacts: [{name: "{app}-x", copy: [{from: "@repo/apps/{app}/**", to: "@artifact/"}]}]`)
	s.restart()
	_, asked := s.run()
	s.asks(asked, "apply ExternalArtifact/auth-x", "status")
	if u = s.get(output("auth-x")); u.GetLabels()["team"] != "" || len(u.GetAnnotations()) > 0 {
		t.Errorf("left: %v %v", u.GetLabels(), u.GetAnnotations())
	}
}

func TestGeneratorDrift(t *testing.T) {
	for name, drift := range map[string]struct {
		do   func(s *stand)
		want []string
	}{
		"deleted": {func(s *stand) {
			s.must(s.w.Delete(s.Context(), world.Delete{Ref: unit.Ref(output("web"))}))
		}, []string{"apply ExternalArtifact/web", "patch ExternalArtifact/web status"}},
		"label": {func(s *stand) {
			s.create("{apiVersion: source.toolkit.fluxcd.io/v1, kind: ExternalArtifact, metadata: {name: web, namespace: apps, labels: {app.kubernetes.io/managed-by: me}}}")
		}, []string{"apply ExternalArtifact/web"}},
		"status": {func(s *stand) {
			s.status(s.get(output("web")), map[string]any{})
		}, []string{"patch ExternalArtifact/web status"}},
		"file": {func(s *stand) {
			s.must(s.shelf.RemoveAll(output("web")))
		}, nil},
		"foreign annotation": {func(s *stand) {
			s.create("{apiVersion: source.toolkit.fluxcd.io/v1, kind: ExternalArtifact, metadata: {name: web, namespace: apps, annotations: {mine: x}}}")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.source("main@sha1:1", v1())
			s.generator(twoApps)
			s.run()
			before := s.shows("web")
			drift.do(s)
			rep, asked := s.run()
			s.wants(rep, "True", "Succeeded", "")
			s.asks(asked, drift.want...)
			if got := s.shows("web"); got != before {
				t.Errorf("got %s, want %s", got, before)
			}
			status, err := unit.StatusOf(s.get(output("web")))
			s.must(err)
			if !s.shelf.Has(status.Artifact) {
				t.Error("the artifact is not stored")
			}
			_, asked = s.run()
			s.asks(asked)
		})
	}
}

func TestGeneratorOrphans(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.generator(twoApps)
	s.run()
	s.generator(`artifacts: [{name: db, revision: "@repo", copy: [{from: "@repo/db/", to: "@artifact/"}]}]`)
	rep, asked := s.run()
	s.wants(rep, "True", "Succeeded", "generated 1 artifact(s)")
	s.asks(asked, "delete ExternalArtifact/web", "status")
	if s.exists(output("web")) || !s.exists(output("db")) {
		t.Error("the wrong one was deleted")
	}
	for p := range s.shelf.files {
		if strings.HasPrefix(p, "externalartifact/apps/web/") {
			t.Errorf("%s is left", p)
		}
	}

	// A lost status loses nothing: the label finds what was made.
	s.status(s.get(generatorKey), map[string]any{})
	s.generator(`artifacts: [{name: new, copy: [{from: "@repo/web/", to: "@artifact/"}]}]`)
	s.run()
	if s.exists(output("db")) {
		t.Error("the orphan that no inventory listed is left")
	}
}

func TestGeneratorTouchesNothingOfOthers(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.create("{apiVersion: source.toolkit.fluxcd.io/v1, kind: ExternalArtifact, metadata: {name: web, namespace: apps}, spec: {sourceRef: {kind: Robot, name: r2}}}")
	before := s.get(output("web")).GetResourceVersion()
	s.generator(twoApps)
	rep, asked := s.run()
	s.wants(rep, "False", "ReconciliationFailed", "web reconcile failed: ExternalArtifact/apps/web belongs to Robot/apps/r2; rename the artifact, or delete that object")
	s.asks(asked, "apply ExternalArtifact/db", "patch ExternalArtifact/db status", "status")
	if !rep.Next.IsZero() || !slices.ContainsFunc(rep.Reads.In("object"), func(r record.Read) bool { return r.Key == engine.Subject(output("web")) }) {
		t.Errorf("the end of the other object would not be seen: %v", rep.Reads)
	}
	s.generator(`artifacts: [{name: db, copy: [{from: "@repo/db/", to: "@artifact/"}]}]`)
	s.run()
	s.must(s.w.Delete(s.Context(), world.Delete{Ref: unit.Ref(generatorKey)}))
	if rep, _ := s.run(); !rep.Finalize {
		t.Error("not released")
	}
	if got := s.get(output("web")).GetResourceVersion(); got != before {
		t.Error("the object of others was written")
	}
	if s.exists(output("db")) {
		t.Error("the object of the generator is left")
	}
}

func TestGeneratorFailures(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.generator(twoApps)
	s.run()
	web := s.shows("web")

	// One that cannot be made keeps what it was; the others go on.
	s.source("main@sha1:2", map[string]string{"db/a.yaml": "2"})
	rep, asked := s.run()
	s.wants(rep, "False", "BuildFailed", `web build failed: copy[0] from "@repo/web/**" to "@artifact/": nothing in the source matches "web/**"`)
	s.asks(asked, "patch ExternalArtifact/db status", "status")
	if got := s.shows("web"); got != web {
		t.Errorf("web became %s", got)
	}
	if g := s.get(generatorKey); len(inventoryOf(t, g)) != 2 {
		t.Errorf("inventory: %v", inventoryOf(t, g))
	}
	rep, asked = s.run()
	if s.asks(asked); len(rep.Events) > 0 || !rep.Next.IsZero() {
		t.Errorf("a failure that only the source can end is told or tried again: %v %v", rep.Events, rep.Next)
	}

	s.source("main@sha1:3", v1())
	s.shelf.broken = errors.New("disk full")
	rep, _ = s.run()
	s.wants(rep, "False", "BuildFailed", "disk full")
	if rep.Next.IsZero() {
		t.Error("a full disk is not tried again")
	}
	s.shelf.broken = nil
	rep, _ = s.run()
	s.wants(rep, "True", "Succeeded", "")

	s.generator(`pathPattern: "@repo/{x}", artifacts: [{name: "same", copy: [{from: "@repo/{x}/", to: "@artifact/"}]}]`)
	rep, _ = s.run()
	s.wants(rep, "False", "BuildFailed", "failed to expand path pattern")
	if rep.Summary.Class != report.Stalled || !s.exists(output("web")) {
		t.Error("not stalled, or what was there is gone")
	}

	s.generator(`artifacts: [{name: a, copy: [{from: "@repo/", to: "@artifact/"}]}, {name: a, copy: [{from: "@repo/", to: "@artifact/"}]}]`)
	rep, _ = s.run()
	s.wants(rep, "False", "ValidationFailed", "duplicate artifact name 'a' found")
}

func inventoryOf(t *testing.T, u *unstructured.Unstructured) []any {
	t.Helper()
	list, _, err := unstructured.NestedSlice(u.Object, "status", "inventory")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestGeneratorSwitches(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.generator(twoApps)
	annotate := func(key, value string) {
		s.create(fmt.Sprintf("{apiVersion: source.extensions.fluxcd.io/v1beta1, kind: ArtifactGenerator, metadata: {name: split, namespace: apps, annotations: {%s: %s}, finalizers: [source.extensions.fluxcd.io/finalizer]}, spec: {sources: [{alias: repo, kind: GitRepository, name: repo}], %s}}", key, value, twoApps))
	}
	annotate("source.extensions.fluxcd.io/reconcile", "Disabled")
	rep, asked := s.run()
	s.wants(rep, "True", "ReconciliationDisabled", "Initialized with reconciliation suspended")
	s.asks(asked, "status")
	rep, asked = s.run()
	if s.asks(asked); rep.Status != nil {
		t.Error("a disabled generator was reported again")
	}

	annotate("reconcile.fluxcd.io/requestedAt", "now")
	s.run()
	status, err := unit.StatusOf(s.get(generatorKey))
	s.must(err)
	if status.LastHandledReconcileAt != "now" || status.Ready().Status != "True" {
		t.Errorf("got %v", status)
	}

	s.e.Options.NoCrossNamespaceRefs = true
	s.create("{apiVersion: source.extensions.fluxcd.io/v1beta1, kind: ArtifactGenerator, metadata: {name: split, namespace: apps, finalizers: [source.extensions.fluxcd.io/finalizer]}, spec: {sources: [{alias: repo, kind: GitRepository, name: repo, namespace: other}], " + twoApps + "}}")
	rep, _ = s.run()
	s.wants(rep, "False", "AccessDenied", "cross-namespace reference to source GitRepository/other/repo is not allowed")
	if rep.Summary.Class != report.Stalled {
		t.Error("not stalled")
	}
}

// lagging is a world whose reads of ExternalArtifacts stand still.
type lagging struct {
	world.World
	seen map[object.Key]*unstructured.Unstructured
}

func (l lagging) Get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	if u := l.seen[ref.Key]; u != nil {
		return u.DeepCopy(), nil
	}
	return l.World.Get(ctx, ref)
}

// A cache that lags behind what the run itself wrote makes no conflicts and no
// second writes.
func TestGeneratorBehindALaggingCache(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.generator(twoApps)
	s.run()
	old := lagging{s.w, map[object.Key]*unstructured.Unstructured{output("web"): s.get(output("web")), output("db"): s.get(output("db"))}}
	s.source("main@sha1:2", v1())
	s.run()
	for _, want := range []string{"main@sha1:2", "main@sha1:3"} {
		s.source(want, v1())
		s.asked = nil
		rep := s.e.Converge(s.Context(), old, s.get(generatorKey), s.now)
		s.wants(rep, "True", "Succeeded", "")
		if want == "main@sha1:2" {
			s.asks(s.asked)
		}
		if got := s.shows("db"); !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
	}
}

func TestGeneratorRefused(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.generator(twoApps)
	s.refuse = "apply ExternalArtifact/web"
	rep, _ := s.run()
	s.wants(rep, "False", "ReconciliationFailed", "web reconcile failed: apply ExternalArtifact/apps/web: refused")
	if rep.Next.IsZero() || !s.exists(output("db")) {
		t.Error("not tried again, or the other one waits too")
	}
	s.refuse = ""
	rep, asked := s.run()
	s.wants(rep, "True", "Succeeded", "")
	s.asks(asked, "apply ExternalArtifact/web", "patch ExternalArtifact/web status", "status")

	s.refuse = "delete ExternalArtifact/db"
	s.generator(`artifacts: [{name: web, copy: [{from: "@repo/web/", to: "@artifact/"}]}]`)
	rep, _ = s.run()
	s.wants(rep, "False", "ReconciliationFailed", "delete ExternalArtifact/apps/db: refused")
	if n := len(inventoryOf(t, s.get(generatorKey))); n != 2 {
		t.Errorf("the inventory has %d entries, want what could not be deleted too", n)
	}
	s.must(s.w.Delete(s.Context(), world.Delete{Ref: unit.Ref(generatorKey)}))
	if rep, _ = s.run(); rep.Finalize || rep.Next.IsZero() {
		t.Error("released though something is left")
	}
	s.refuse = ""
	if rep, _ = s.run(); !rep.Finalize || s.exists(output("db")) || s.exists(output("web")) {
		t.Error("not released, or something is left")
	}
}

// The digest of the sources is that of Flux, so that a handover rebuilds nothing.
func TestGeneratorSourcesDigest(t *testing.T) {
	s := newStand(t)
	s.source("main@sha1:1", v1())
	s.generator(twoApps)
	s.run()
	status, err := unit.StatusOf(s.get(unit.SourceKey(unit.GitRepositoryKind, "apps", "repo", "")))
	s.must(err)
	a := status.Artifact
	want := hash.OfString(fmt.Sprintf("repo=[digest=%s,revision=%s,url=%s]", a.Digest, a.Revision, a.URL)).String()
	got, _, _ := unstructured.NestedString(s.get(generatorKey).Object, "status", "observedSourcesDigest")
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
