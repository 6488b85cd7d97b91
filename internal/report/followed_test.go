package report

import (
	"reflect"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/unit"
)

// A status that follows is the one that a run would have written.
func TestFollowedIsWhatARunWrites(t *testing.T) {
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	inventory := &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{{ID: "a_b__ConfigMap", Version: "v1"}}}
	for name, runs := range map[string][2]KustomizationRun{
		"plain":            {{Revision: "main@sha1:a"}, {Revision: "main@sha1:b"}},
		"with health":      {{Revision: "main@sha1:a", Checked: true, HealthText: "well"}, {Revision: "main@sha1:b", Checked: true}},
		"origin that came": {{Revision: "main@sha1:a"}, {Revision: "main@sha1:b", Origin: "v2"}},
		"origin that went": {{Revision: "main@sha1:a", Origin: "v1"}, {Revision: "main@sha1:b"}},
	} {
		k := &unit.Kustomization{Kustomization: kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b", Generation: 2}}}
		var statuses [2]map[string]any
		for i, run := range runs {
			run.Started, run.Attempted, run.Digest, run.Inventory = now, true, "sha256:x", inventory
			statuses[i] = Kustomization(k, run, now).Status
			k.Status = kustomizev1.KustomizationStatus{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(statuses[i], &k.Status); err != nil {
				t.Fatal(err)
			}
		}
		if got := Followed(statuses[0], runs[1].Revision, runs[1].Origin); !reflect.DeepEqual(got, statuses[1]) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, statuses[1])
		}
	}
}
