package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxcd/pkg/apis/meta"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/crd"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// tenantUnit is a suspended Kustomization that holds the ConfigMap team-a/web, or says so.
func tenantUnit(namespace, account, made string, holds bool) *unstructured.Unstructured {
	entries := []any{}
	if holds {
		entries = append(entries, map[string]any{"id": "team-a_web__ConfigMap", "v": "v1"})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"namespace": namespace, "name": "apps", "uid": namespace, "creationTimestamp": made},
		"spec": map[string]any{
			"prune": true, "interval": "1h", "suspend": true, "serviceAccountName": account, "path": "./",
			"sourceRef": map[string]any{"kind": "GitRepository", "name": "fleet"},
		},
		"status": map[string]any{"inventory": map[string]any{"entries": entries}},
	}}
}

var web = object.Key{Kind: "ConfigMap", Namespace: "team-a", Name: "web"}

// refusing is a world in which the deployer of team-b may write nothing of team-a.
func refusing(r memory.Request) error {
	if r.As.User == world.ServiceAccount("team-b", "deployer").User {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, r.Ref.Name, fmt.Errorf("no"))
	}
	return nil
}

func runOf(t *testing.T, raw, rival *unstructured.Unstructured) *kustomizing {
	t.Helper()
	k, err := unit.DecodeKustomization(raw)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Units: func() []*unstructured.Unstructured { return []*unstructured.Unstructured{raw, rival} }}
	w := memory.New(memory.Options{Check: refusing})
	c := &kustomizing{Engine: e, k: k, raw: raw, own: w, w: w, memo: e.memo(k.Key())}
	c.view = view{world: w, rec: &record.Recorder{}}
	c.status, err = recorded(k)
	c.recorded = c.status
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A unit that its account does not let write an object cannot keep another namespace
// from pruning it, whatever its source or its inventory names.
func TestHeldByWhoMay(t *testing.T) {
	mine := tenantUnit("team-a", "", "2026-01-01T00:00:00Z", true)
	for name, c := range map[string]struct {
		rival *unstructured.Unstructured
		held  bool
	}{
		"another namespace, without rights":         {tenantUnit("team-b", "deployer", "2026-01-02T00:00:00Z", true), false},
		"another namespace, as the engine":          {tenantUnit("team-b", "", "2026-01-02T00:00:00Z", true), true},
		"another namespace, with rights":            {tenantUnit("team-b", "admin", "2026-01-02T00:00:00Z", true), true},
		"another namespace, which does not want it": {tenantUnit("team-b", "", "2026-01-02T00:00:00Z", false), false},
	} {
		if _, held := runOf(t, mine, c.rival).heldBy(t.Context())(web); held != c.held {
			t.Errorf("%s: held %v, want %v", name, held, c.held)
		}
	}
}

// Somebody who may write an object of another namespace's unit cannot take it from
// that unit by writing the label of one of theirs.
func TestLabelsTakeNothing(t *testing.T) {
	const early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
	for name, c := range map[string]struct {
		mine, theirs *unstructured.Unstructured
		before       bool
	}{
		"only we hold it":                  {tenantUnit("team-a", "", late, true), tenantUnit("team-b", "", early, false), true},
		"both do, and we are older":        {tenantUnit("team-a", "", early, true), tenantUnit("team-b", "", late, true), true},
		"both do, and they are older":      {tenantUnit("team-a", "", late, true), tenantUnit("team-b", "", early, true), false},
		"both do, made at once: by name":   {tenantUnit("team-a", "", early, true), tenantUnit("team-b", "", early, true), true},
		"we do not":                        {tenantUnit("team-a", "", early, false), tenantUnit("team-b", "", late, false), false},
		"of one namespace, the label says": {tenantUnit("team-a", "", early, true), tenantUnit("team-a", "", late, false), false},
	} {
		if got := runOf(t, c.mine, c.theirs).holdsBefore(c.theirs, web); got != c.before {
			t.Errorf("%s: got %v, want %v", name, got, c.before)
		}
	}
}

// A run in another cluster ends, however slowly that one answers.
func TestRunsElsewhereEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("read ConfigMap/a: %w", ctx.Err())
		}
		k := &unit.Kustomization{}
		k.Spec.KubeConfig = &meta.KubeConfigReference{}
		err := (&kustomizing{k: k}).within(t.Context(), slow)
		if p := report.AsProblem(err, ""); p.Class != report.Retrying || !strings.Contains(err.Error(), "answers slowly") {
			t.Errorf("got %v", err)
		}
		if err := (&kustomizing{k: &unit.Kustomization{}}).within(t.Context(), func(ctx context.Context) error {
			_, bounded := ctx.Deadline()
			if bounded {
				return errors.New("bounded")
			}
			return nil
		}); err != nil {
			t.Errorf("in the engine's own cluster: %v", err)
		}
	})
}

// Two releases whose HelmChart would have one name: the second does not change which
// chart the first installs.
func TestChartOfAnotherRelease(t *testing.T) {
	release := func(namespace, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
			"metadata": map[string]any{"namespace": namespace, "name": name, "uid": name},
			"spec": map[string]any{"interval": "1h", "chart": map[string]any{"spec": map[string]any{
				"chart": "web", "sourceRef": map[string]any{"kind": "HelmRepository", "name": "charts", "namespace": "shared"},
			}}},
		}}
	}
	w := memory.New(memory.Options{})
	def, _ := crd.ByKind(object.GroupHelm, unit.HelmReleaseKind)
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(def)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "team-a"}}}
	for _, obj := range []*unstructured.Unstructured{u, ns} {
		if _, err := w.Create(t.Context(), obj, "test"); err != nil {
			t.Fatal(err)
		}
	}
	run := func(raw *unstructured.Unstructured) *releasing {
		h, err := unit.DecodeHelmRelease(raw)
		if err != nil {
			t.Fatal(err)
		}
		return &releasing{h: h, own: w, view: view{world: w, rec: &record.Recorder{}}}
	}
	first, second := release("team-a", "web"), release("team", "a-web")
	made, err := run(first).helmChart()
	if err != nil {
		t.Fatal(err)
	}
	if err := run(second).chartOfAnother(t.Context(), made); err != nil {
		t.Errorf("of a release that is gone: %v", err)
	}
	if _, err := w.Create(t.Context(), first, "test"); err != nil {
		t.Fatal(err)
	}
	if err := run(second).chartOfAnother(t.Context(), made); err == nil || !strings.Contains(err.Error(), "belongs to HelmRelease/team-a/web") {
		t.Errorf("got %v, want who it belongs to", err)
	}
	if err := run(first).chartOfAnother(t.Context(), made); err != nil {
		t.Errorf("its own: %v", err)
	}
}
