package preview

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// standingUnit is a unit that another Kustomization applied; by is empty for none.
func standingUnit(kind, name, by string) *unstructured.Unstructured {
	group := object.GroupKustomize
	if kind == unit.GitRepositoryKind {
		group = object.GroupSource
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1", "kind": kind}}
	u.SetNamespace("flux-system")
	u.SetName(name)
	if by != "" {
		u.SetLabels(map[string]string{object.GroupKustomize + "/name": by, object.GroupKustomize + "/namespace": "flux-system"})
	}
	return u
}

// What applies a unit stands before it, sources before all; what applies itself, or
// each other, or was applied by what is gone, is in there once.
func TestLayers(t *testing.T) {
	k := unit.KustomizationKind
	found := layers([]*unstructured.Unstructured{
		standingUnit(k, "grandchild", "child"), standingUnit(k, "child", "root"), standingUnit(k, "root", "root"), standingUnit(k, "alone", ""),
		standingUnit(unit.GitRepositoryKind, "src", "root"), standingUnit(k, "ping", "pong"), standingUnit(k, "pong", "ping"), standingUnit(k, "orphan", "gone"),
	})
	var got []string
	for i, layer := range found {
		var names []string
		for _, u := range layer {
			names = append(names, u.GetName())
		}
		got = append(got, fmt.Sprintf("%d: %s", i, strings.Join(names, " ")))
	}
	if got, want := strings.Join(got, "; "), "0: root alone src; 1: child ping pong orphan; 2: grandchild"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
