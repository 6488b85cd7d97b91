package screen

import (
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// Infer says what units wait on, from their statuses and specs alone: who looks
// at a cluster from outside has no reports of runs, and Flux's own controllers
// write none.
//
//	board := screen.Make(objects, screen.Infer(objects))
//
// A unit waits where it is not ready and what it reads or depends on is not
// either: a source without an artifact, a dependency where Ready says so.
func Infer(objects []*unstructured.Unstructured) map[object.Key]Run {
	known := make(map[object.Key]*unstructured.Unstructured, len(objects))
	for _, obj := range objects {
		known[object.KeyOf(obj)] = obj
	}
	runs := map[object.Key]Run{}
	for _, obj := range objects {
		s, err := unit.StatusOf(obj)
		ready := s.Ready()
		if err != nil || ready == nil || ready.Status == "True" || suspended(obj) {
			continue
		}
		run := Run{Ready: string(ready.Status), Reason: ready.Reason, Message: ready.Message}
		for _, on := range awaitable(obj, ready.Reason) {
			if other := known[on]; other == nil {
				run.Missing = true
			} else if fine(other, on) {
				continue
			}
			run.On = append(run.On, on.String())
		}
		if len(run.On) > 0 {
			run.Class = report.Waiting
		}
		for _, on := range unwell(ready, known) { // it has failed by them, and waits no more
			run.On = append(run.On, on.String())
		}
		if len(run.On) > 0 {
			runs[object.KeyOf(obj)] = run
		}
	}
	return runs
}

// named finds objects in a message about health: "Kind/namespace/name status: 'Failed'".
var named = regexp.MustCompile(`(\w+/[^\s/\[]+/[^\s/]+) status: '`)

// unwell are the units that a message about health names, and that are not ready.
func unwell(ready *metav1.Condition, known map[object.Key]*unstructured.Unstructured) (on []object.Key) {
	if ready.Reason != report.ReasonHealthFailed {
		return nil
	}
	for _, m := range named.FindAllStringSubmatch(ready.Message, -1) {
		for key := range known {
			if key.String() == m[1] {
				on = append(on, key)
			}
		}
	}
	return on
}

// fine tells whether nobody has to wait for an object: it is ready, or it has an
// artifact, if an old one.
func fine(obj *unstructured.Unstructured, key object.Key) bool {
	s, err := unit.StatusOf(obj)
	if err != nil {
		return false
	}
	k, _ := unit.KindOf(key.GroupKind())
	return k.Source && s.Artifact != nil || s.Ready() != nil && s.Ready().Status == "True" || unit.Static(obj)
}

// awaitable is what a unit with that reason may wait on.
func awaitable(obj *unstructured.Unstructured, reason string) []object.Key {
	if reason == report.ReasonDependency {
		return dependencies(obj)
	}
	switch obj.GetKind() {
	case unit.KustomizationKind, unit.HelmChartKind:
		return reference(obj, "spec", "sourceRef")
	case unit.HelmReleaseKind:
		if ref := reference(obj, "spec", "chartRef"); ref != nil {
			return ref
		}
		if from := reference(obj, "spec", "chart", "spec", "sourceRef"); from != nil {
			return []object.Key{{Group: object.GroupSource, Kind: unit.HelmChartKind, Namespace: from[0].Namespace, Name: obj.GetNamespace() + "-" + obj.GetName()}}
		}
	}
	return nil
}

func dependencies(obj *unstructured.Unstructured) []object.Key {
	entries, _, _ := unstructured.NestedSlice(obj.Object, "spec", "dependsOn")
	var keys []object.Key
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		keys = append(keys, keyOf(obj, fields, obj.GroupVersionKind().Group, obj.GetKind()))
	}
	return keys
}

func reference(obj *unstructured.Unstructured, path ...string) []object.Key {
	fields, found, _ := unstructured.NestedMap(obj.Object, path...)
	if !found {
		return nil
	}
	return []object.Key{keyOf(obj, fields, object.GroupSource, "")}
}

// keyOf reads a reference: what it leaves out is that of the referring object.
func keyOf(from *unstructured.Unstructured, fields map[string]any, group, kind string) object.Key {
	at := func(field, otherwise string) string {
		if set, _ := fields[field].(string); set != "" {
			return set
		}
		return otherwise
	}
	return object.Key{Group: group, Kind: at("kind", kind), Namespace: at("namespace", from.GetNamespace()), Name: at("name", "")}
}
