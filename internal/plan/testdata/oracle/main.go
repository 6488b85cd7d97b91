// Command oracle asks the library of Flux itself, fluxcd/pkg/ssa v0.76.2, what
// it does with random objects, and writes question and answer for the tests of
// package plan. It is a module of its own, so that the library and what it
// brings along stay out of ours. To write upstream.json anew:
//
//	cd internal/plan/testdata/oracle && GOWORK=off GOFLAGS=-mod=mod go run . > ../upstream.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
)

const manager = "kustomize-controller"

// Takeover is one answer of PatchReplaceFieldsManagers.
type Takeover struct {
	Overrides []string                    `json:"overrides,omitempty"`
	Before    []metav1.ManagedFieldsEntry `json:"before"`
	After     []metav1.ManagedFieldsEntry `json:"after"` // null: no patch
}

// Order is one answer of the sort.
type Order struct {
	Objects []string `json:"objects"` // group/Kind/namespace/name, as given
	Sorted  []string `json:"sorted"`
}

// Apply is what ResourceManager.Apply made of a live object and a dry run.
type Apply struct {
	Live      map[string]any `json:"live"`
	Desired   map[string]any `json:"desired"`
	Predicted map[string]any `json:"predicted"`
	Ignore    []string       `json:"ignore,omitempty"`
	Action    string         `json:"action"`
	Sent      map[string]any `json:"sent"` // null: nothing was applied
	Error     string         `json:"error,omitempty"`
}

// Answers is the file.
type Answers struct {
	Takeovers []Takeover `json:"takeovers"`
	Orders    []Order    `json:"orders"`
	Applies   []Apply    `json:"applies"`
}

func main() {
	r := rand.New(rand.NewSource(20261120))
	var answers Answers
	for range 80 {
		answers.Takeovers = append(answers.Takeovers, takeover(r))
	}
	for range 8 {
		answers.Orders = append(answers.Orders, order(r))
	}
	for range 120 {
		answers.Applies = append(answers.Applies, apply(r))
	}
	fmt.Printf("{\"takeovers\":%s,\n\"orders\":%s,\n\"applies\":%s}\n",
		lines(answers.Takeovers), lines(answers.Orders), lines(answers.Applies))
}

// lines writes a list as JSON, one item per line.
func lines[T any](items []T) string {
	var texts []string
	for _, item := range items {
		text, err := json.Marshal(item)
		check(err)
		texts = append(texts, string(text))
	}
	return "[\n" + strings.Join(texts, ",\n") + "\n]"
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.Intn(len(from))] }

func takeover(r *rand.Rand) Takeover {
	t := Takeover{Overrides: pick(r, nil, nil, []string{"helm"}, []string{"helm", "argocd"})}
	seen := map[string]bool{}
	for range r.Intn(7) {
		e := metav1.ManagedFieldsEntry{
			Manager:    pick(r, manager, "kubectl", "kubectl-client-side-apply", "kubectl-edit", "before-first-apply", "helm", "argocd-controller", "hpa"),
			Operation:  pick(r, metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate),
			APIVersion: pick(r, "v1", "v1beta1"), FieldsType: "FieldsV1",
		}
		if e.Manager != manager && r.Intn(4) == 0 {
			e.Subresource = "status"
		}
		if id := e.Manager + string(e.Operation) + e.Subresource; seen[id] {
			continue
		} else {
			seen[id] = true
		}
		fields := map[string]any{}
		for range 1 + r.Intn(4) {
			fields[pick(r, "f:a", "f:b", "f:c")] = pick(r, map[string]any{}, map[string]any{"f:x": map[string]any{}, ".": map[string]any{}},
				map[string]any{`k:{"name":"web"}`: map[string]any{".": map[string]any{}, "f:image": map[string]any{}}}, map[string]any{`v:"x"`: map[string]any{}})
		}
		raw, err := json.Marshal(fields)
		check(err)
		e.FieldsV1 = &metav1.FieldsV1{Raw: raw}
		t.Before = append(t.Before, e)
	}
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetManagedFields(t.Before)
	patch, err := ssa.PatchReplaceFieldsManagers(obj, managers(t.Overrides), manager)
	check(err)
	if len(patch) > 0 {
		t.After = patch[0].Value
	}
	return t
}

// managers are those that kustomize-controller v1.9 takes over.
func managers(overrides []string) []ssa.FieldManager {
	list := []ssa.FieldManager{
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: manager, OperationType: metav1.ManagedFieldsOperationUpdate},
	}
	for _, name := range overrides {
		list = append(list,
			ssa.FieldManager{Name: name, OperationType: metav1.ManagedFieldsOperationApply},
			ssa.FieldManager{Name: name, OperationType: metav1.ManagedFieldsOperationUpdate})
	}
	return list
}

func order(r *rand.Rand) Order {
	kinds := append(append([]string{"DaemonSet", "Widget", "Ingress"}, ssa.ReconcileOrder.First...), ssa.ReconcileOrder.Last...)
	var objs ssa.SortableUnstructureds
	for range 30 {
		obj := &unstructured.Unstructured{Object: map[string]any{}}
		obj.SetGroupVersionKind(schema.GroupVersionKind{Group: pick(r, "", "apps", "z.io"), Version: "v1", Kind: pick(r, kinds...)})
		obj.SetNamespace(pick(r, "", "a", "b"))
		obj.SetName(pick(r, "x", "y"))
		objs = append(objs, obj)
	}
	o := Order{Objects: names(objs)}
	sort.Stable(objs)
	o.Sorted = names(objs)
	return o
}

func names(objs []*unstructured.Unstructured) []string {
	var out []string
	for _, obj := range objs {
		gk := obj.GroupVersionKind()
		out = append(out, fmt.Sprintf("%s/%s/%s/%s", gk.Group, gk.Kind, obj.GetNamespace(), obj.GetName()))
	}
	return out
}

// stub answers the requests of one Apply, and keeps what was applied.
type stub struct {
	client.Client
	live, predicted *unstructured.Unstructured
	sent            *unstructured.Unstructured
}

func (s *stub) Get(_ context.Context, _ client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	if s.live == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, "x")
	}
	s.live.DeepCopyInto(obj.(*unstructured.Unstructured))
	return nil
}

func (s *stub) Patch(_ context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if patch.Type() != types.ApplyPatchType {
		return errors.New("unexpected patch")
	}
	var o client.PatchOptions
	o.ApplyOptions(opts)
	if len(o.DryRun) > 0 {
		s.predicted.DeepCopyInto(obj.(*unstructured.Unstructured))
		return nil
	}
	s.sent = obj.(*unstructured.Unstructured).DeepCopy()
	return nil
}

func apply(r *rand.Rand) Apply {
	live, desired := randomDeployment(r), randomDeployment(r)
	live.SetResourceVersion("1")
	live.SetUID("u")
	live.SetManagedFields(randomOwners(r))
	predicted := desired.DeepCopy()
	predicted.SetResourceVersion("1")
	if r.Intn(4) == 0 {
		predicted = live.DeepCopy()
	}
	s := &stub{live: live, predicted: predicted}
	a := Apply{Live: live.Object, Desired: runtime.DeepCopyJSON(desired.Object), Predicted: runtime.DeepCopyJSON(predicted.Object)}
	// One path for one rule: with several, the order of Flux is that of a map.
	if r.Intn(3) > 0 {
		a.Ignore = []string{pick(r, "/spec/replicas", "/spec/paused", "/spec/template/spec/containers/0/image",
			"/spec/template/spec/containers/1/image", "/spec/template/spec/containers/1", "/metadata/annotations/note", "/spec/template", "/spec/missing")}
	}
	opts := ssa.DefaultApplyOptions()
	if a.Ignore != nil {
		opts.DriftIgnoreRules = []jsondiff.IgnoreRule{{Paths: a.Ignore}}
	}
	rm := ssa.NewResourceManager(s, nil, ssa.Owner{Field: manager, Group: "kustomize.toolkit.fluxcd.io"})
	change, err := rm.Apply(context.Background(), desired, opts)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Action = string(change.Action)
	if s.sent != nil {
		a.Sent = s.sent.Object
	}
	return a
}

func randomDeployment(r *rand.Rand) *unstructured.Unstructured {
	spec := map[string]any{}
	if r.Intn(3) > 0 {
		spec["replicas"] = int64(r.Intn(2))
	}
	if r.Intn(3) == 0 {
		spec["paused"] = pick(r, true, false)
	}
	containers := []any{map[string]any{"name": "web", "image": pick(r, "web:1", "web:2")}}
	if r.Intn(2) == 0 {
		containers = append(containers, map[string]any{"name": "log", "image": pick(r, "log:1", "log:2")})
	}
	spec["template"] = map[string]any{"spec": map[string]any{"containers": containers}}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec,
		"metadata": map[string]any{"name": "web", "namespace": "apps"},
	}}
	if r.Intn(2) == 0 {
		obj.SetAnnotations(map[string]string{"note": pick(r, "a", "b")})
	}
	if r.Intn(2) == 0 {
		obj.SetLabels(map[string]string{"app": pick(r, "a", "b")})
	}
	if r.Intn(3) == 0 {
		obj.Object["status"] = map[string]any{"replicas": int64(r.Intn(3))}
	}
	return obj
}

func randomOwners(r *rand.Rand) []metav1.ManagedFieldsEntry {
	var entries []metav1.ManagedFieldsEntry
	for _, name := range []string{manager, "hpa", "other"} {
		if r.Intn(2) == 0 {
			continue
		}
		fields := pick(r, `{"f:spec":{"f:replicas":{}}}`, `{"f:spec":{"f:paused":{}}}`, `{"f:metadata":{"f:annotations":{"f:note":{}}}}`,
			`{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"log\"}":{".":{},"f:image":{}}}}}}}`,
			`{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{}}}}}}}`)
		entries = append(entries, metav1.ManagedFieldsEntry{
			Manager: name, Operation: pick(r, metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate),
			APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
		})
	}
	return entries
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
