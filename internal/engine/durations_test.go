package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/unit"
)

// A stored object whose duration cannot be read is Stalled, the field named, and
// goes when it is deleted.
func TestDurationsThatCannotBeRead(t *testing.T) {
	release := []string{
		"interval", "timeout", "chart.spec.interval", "install.timeout", "install.strategy.retryInterval", "upgrade.timeout",
		"upgrade.strategy.retryInterval", "rollback.timeout", "test.timeout", "uninstall.timeout",
	}
	for kind, fields := range map[string][]string{
		unit.GitRepositoryKind:  {"interval", "timeout"},
		unit.OCIRepositoryKind:  {"interval", "timeout"},
		unit.HelmRepositoryKind: {"interval", "timeout"},
		unit.HelmChartKind:      {"interval"},
		unit.KustomizationKind:  {"interval", "retryInterval", "timeout"},
		unit.HelmReleaseKind:    release,
	} {
		for _, field := range fields {
			for _, value := range []any{"soon", int64(5)} {
				obj := holding(t, kind, field, value)
				rep := (&Engine{}).Converge(t.Context(), nil, obj, time.Unix(1, 0))
				text := stalled(rep.Status)
				if !strings.Contains(text, "spec."+field+": ") {
					t.Errorf("%s with %s: %v: Stalled says %q, want the field", kind, field, value, text)
				}
				if err := decodes(kind, unit.Removable(obj)); err != nil {
					t.Errorf("%s with %s: %v cannot be removed: %v", kind, field, value, err)
				}
			}
		}
	}
}

// holding makes an object with a value in a field of its spec.
func holding(t *testing.T, kind, field string, value any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	at := slices.IndexFunc(unit.Kinds, func(k unit.Kind) bool { return k.Kind == kind })
	obj.SetGroupVersionKind(unit.Kinds[at].GVK())
	obj.SetNamespace("apps")
	obj.SetName("a")
	obj.SetGeneration(3)
	if err := unstructured.SetNestedField(obj.Object, value, append([]string{"spec"}, strings.Split(field, ".")...)...); err != nil {
		t.Fatal(err)
	}
	return obj
}

// stalled is the message of the condition Stalled, "" where it is not True.
func stalled(status map[string]any) string {
	obj := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	s, err := unit.StatusOf(obj)
	if err != nil {
		return err.Error()
	}
	if c := unit.Condition(s.Conditions, "Stalled"); c != nil && c.Status == metav1.ConditionTrue && s.ObservedGeneration == 3 {
		return c.Message
	}
	return ""
}

func decodes(kind string, obj *unstructured.Unstructured) (err error) {
	switch kind {
	case unit.GitRepositoryKind:
		_, err = unit.DecodeGitRepository(obj)
	case unit.OCIRepositoryKind:
		_, err = unit.DecodeOCIRepository(obj)
	case unit.HelmRepositoryKind:
		_, err = unit.DecodeHelmRepository(obj)
	case unit.HelmChartKind:
		_, err = unit.DecodeHelmChart(obj)
	case unit.HelmReleaseKind:
		_, err = unit.DecodeHelmRelease(obj)
	default:
		_, err = unit.DecodeKustomization(obj)
	}
	return err
}
