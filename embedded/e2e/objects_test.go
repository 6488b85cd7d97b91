package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
)

// patience is how long anything may take before a test fails.
const patience = 20 * time.Second

// groups of the kinds that tests name without one.
var groups = map[string]string{
	"Kustomization": object.GroupKustomize, "GitRepository": object.GroupSource,
	"Deployment": "apps", "Job": "batch", "Role": "rbac.authorization.k8s.io", "RoleBinding": "rbac.authorization.k8s.io",
	"ClusterRole": "rbac.authorization.k8s.io", "CustomResourceDefinition": "apiextensions.k8s.io",
	"ValidatingAdmissionPolicy": "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io",
	"ValidatingWebhookConfiguration": "admissionregistration.k8s.io",
}

// key reads "ConfigMap/a", or "group/Kind/name" for kinds not in groups; the
// namespace is that of the stand.
func (s *stand) key(name string) object.Key {
	parts := strings.Split(name, "/")
	if len(parts) == 2 {
		parts = append([]string{groups[parts[0]]}, parts...)
	}
	return object.Key{Group: parts[0], Kind: parts[1], Namespace: s.ns, Name: parts[2]}
}

func (s *stand) client(gk schema.GroupKind, namespace string) dynamic.ResourceInterface {
	s.Helper()
	s.world.Invalidate(gk.Group)
	m, err := s.world.Kind(context.Background(), gk.WithVersion(""))
	s.must(err)
	r := s.dyn.Resource(m.GVK.GroupVersion().WithResource(m.Resource))
	if !m.Namespaced {
		return r
	}
	return r.Namespace(namespace)
}

// version is the version in which a kind is discovered now.
func (s *stand) version(group, kind string) string {
	s.Helper()
	s.world.Invalidate(group)
	m, err := s.world.Kind(context.Background(), schema.GroupKind{Group: group, Kind: kind}.WithVersion(""))
	s.must(err)
	return m.GVK.Version
}

func (s *stand) at(name string) (dynamic.ResourceInterface, string) {
	s.Helper()
	key := s.key(name)
	return s.client(key.GroupKind(), key.Namespace), key.Name
}

// apply makes objects from YAML as a person does who uses none of the managers
// that are taken over.
func (s *stand) apply(texts ...string) {
	s.Helper()
	for _, obj := range s.decode(texts...) {
		s.applyAs("person", obj)
	}
}

func (s *stand) applyAs(manager string, obj *unstructured.Unstructured) {
	s.Helper()
	c := s.client(obj.GroupVersionKind().GroupKind(), s.ns)
	gvk := obj.GroupVersionKind()
	if m, err := s.world.Kind(context.Background(), gvk); err == nil { // in the version that was asked for
		r := s.dyn.Resource(gvk.GroupVersion().WithResource(m.Resource))
		if c = r; m.Namespaced {
			c = r.Namespace(s.ns)
		}
	}
	_, err := c.Apply(context.Background(), obj.GetName(), obj, metav1.ApplyOptions{FieldManager: manager, Force: true})
	s.must(err)
}

// decode reads YAML documents.
func (s *stand) decode(texts ...string) (out []*unstructured.Unstructured) {
	s.Helper()
	for _, text := range texts {
		for doc := range strings.SplitSeq(s.expand(text), "\n---\n") {
			obj := &unstructured.Unstructured{}
			s.must(yaml.Unmarshal([]byte(doc), &obj.Object))
			out = append(out, obj)
		}
	}
	return out
}

// get returns an object that must exist.
func (s *stand) get(name string) *unstructured.Unstructured {
	s.Helper()
	c, n := s.at(name)
	obj, err := c.Get(context.Background(), n, metav1.GetOptions{})
	s.must(err)
	return obj
}

// absent fails the test if the object exists.
func (s *stand) absent(name string) {
	s.Helper()
	c, n := s.at(name)
	if _, err := c.Get(context.Background(), n, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("%s exists (error: %v)", name, err)
	}
}

// patch changes an object by a merge patch in YAML, as "person".
func (s *stand) patch(name, text string) *unstructured.Unstructured {
	s.Helper()
	return s.patchAs("person", name, text)
}

func (s *stand) patchAs(manager, name, text string) *unstructured.Unstructured {
	s.Helper()
	return s.patched(manager, name, text)
}

// setStatus changes the status of an object by a merge patch in YAML.
func (s *stand) setStatus(name, text string) {
	s.Helper()
	s.patched("person", name, text, "status")
}

func (s *stand) patched(manager, name, text string, sub ...string) *unstructured.Unstructured {
	s.Helper()
	data, err := yaml.YAMLToJSON([]byte(s.expand(text)))
	s.must(err)
	c, n := s.at(name)
	obj, err := c.Patch(context.Background(), n, types.MergePatchType, data, metav1.PatchOptions{FieldManager: manager}, sub...)
	s.must(err)
	return obj
}

func (s *stand) delete(name string) {
	s.Helper()
	c, n := s.at(name)
	background := metav1.DeletePropagationBackground
	s.must(c.Delete(context.Background(), n, metav1.DeleteOptions{PropagationPolicy: &background}))
}

// await watches an object until ok accepts it, nil standing for its absence.
func (s *stand) await(name string, ok func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.Helper()
	return s.awaitFor(patience, name, ok)
}

func (s *stand) awaitFor(patience time.Duration, name string, ok func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, n := s.at(name)
	var last *unstructured.Unstructured
	for ctx.Err() == nil {
		got, done := awaitOnce(ctx, c, n, ok)
		if done {
			return got
		}
		last = got
	}
	if last != nil {
		last.SetManagedFields(nil)
	}
	text, err := yaml.Marshal(last)
	s.must(err)
	s.Fatalf("%s is not as awaited after %s:\n%s\n%s", name, patience, text, s.logs.tail())
	return nil
}

func awaitOnce(ctx context.Context, c dynamic.ResourceInterface, name string, ok func(*unstructured.Unstructured) bool) (*unstructured.Unstructured, bool) {
	field := "metadata.name=" + name
	list, err := c.List(ctx, metav1.ListOptions{FieldSelector: field})
	if err != nil {
		return nil, false
	}
	var last *unstructured.Unstructured
	if len(list.Items) > 0 {
		last = &list.Items[0]
	}
	if ok(last) {
		return last, true
	}
	w, err := c.Watch(ctx, metav1.ListOptions{FieldSelector: field, ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return last, false
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		switch e.Type {
		case watch.Added, watch.Modified:
			last = e.Object.(*unstructured.Unstructured)
		case watch.Deleted:
			last = nil
		default:
			return last, false
		}
		if ok(last) {
			return last, true
		}
	}
	return last, false
}

func (s *stand) exists(name string) *unstructured.Unstructured {
	s.Helper()
	return s.await(name, func(o *unstructured.Unstructured) bool { return o != nil })
}

func (s *stand) gone(name string) {
	s.Helper()
	s.await(name, absent)
}

// absent accepts that there is no object.
func absent(o *unstructured.Unstructured) bool { return o == nil }

// deleting accepts an object that is being deleted.
func deleting(o *unstructured.Unstructured) bool { return o != nil && o.GetDeletionTimestamp() != nil }

// has waits until a field has a value, both written as JSON: has("ConfigMap/a",
// `"1"`, "data", "key").
func (s *stand) has(name, want string, fields ...string) *unstructured.Unstructured {
	s.Helper()
	return s.await(name, func(o *unstructured.Unstructured) bool { return o != nil && field(o, fields...) == want })
}

// field returns a field as JSON, "" where it is not there.
func field(o *unstructured.Unstructured, fields ...string) string {
	v, ok, err := unstructured.NestedFieldNoCopy(o.Object, fields...)
	if err != nil || !ok {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// data is one value of a ConfigMap.
func (s *stand) data(name, want string) *unstructured.Unstructured {
	s.Helper()
	return s.has(name, fmt.Sprintf("%q", want), "data", "key")
}

// tryApply tells whether an apply would be admitted; it changes nothing.
func (s *stand) tryApply(c dynamic.ResourceInterface, text string) bool {
	s.Helper()
	obj := s.decode(text)[0]
	_, err := c.Apply(context.Background(), obj.GetName(), obj, metav1.ApplyOptions{FieldManager: "person", DryRun: []string{metav1.DryRunAll}})
	return err == nil
}
