package simservice_test

import (
	"context"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/embedded/simservice"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

func clients(t *testing.T) (*kubernetes.Clientset, dynamic.Interface) {
	t.Helper()
	c := kubetest.Shared(t)
	typed, err1 := kubernetes.NewForConfig(c.Config)
	untyped, err2 := dynamic.NewForConfig(c.Config)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return typed, untyped
}

// service makes a Service that nobody serves.
func service(t *testing.T, client *kubernetes.Clientset, ns string) {
	t.Helper()
	_, err := client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "hook"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// hook asks a Service about every ConfigMap of the namespace, and refuses without an answer.
func hook(t *testing.T, client *kubernetes.Clientset, ns, service string) {
	t.Helper()
	fail, none := admissionv1.Fail, admissionv1.SideEffectClassNone
	_, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(t.Context(), &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: "hook.example.com", FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			ClientConfig:      admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: ns, Name: service}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.OperationAll},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.AdmissionregistrationV1().MutatingWebhookConfigurations().Delete(context.Background(), ns, metav1.DeleteOptions{})
	})
}

func TestWebhookOfAServiceAllowsAndSaysSo(t *testing.T) {
	client, _ := clients(t)
	ns := kubetest.Namespace(t)
	service(t, client, ns)
	hook(t, client, ns, "hook")
	events := client.CoreV1().Events(ns)
	w, err := events.Watch(t.Context(), metav1.ListOptions{FieldSelector: "reason=" + simservice.Reason})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	// A new webhook is seen within moments; ConfigMaps are written until it was asked.
	for asked := false; !asked; {
		_, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "c-"}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-w.ResultChan():
			got, ok := e.Object.(*corev1.Event)
			asked = ok && got.InvolvedObject.Name == "hook" && strings.Contains(got.Message, "simulated by leat")
		default:
		}
	}
}

func TestWebhookOfAMissingServiceFails(t *testing.T) {
	client, _ := clients(t)
	ns := kubetest.Namespace(t)
	hook(t, client, ns, "missing")
	for {
		_, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "c-"}}, metav1.CreateOptions{})
		if err != nil {
			if !strings.Contains(err.Error(), `service "missing" not found`) {
				t.Errorf("got %v, want that the service is missing", err)
			}
			return
		}
	}
}

func TestConversionChangesTheVersion(t *testing.T) {
	client, untyped := clients(t)
	ns := kubetest.Namespace(t)
	service(t, client, ns)
	group := ns + ".example.com" // of this run alone
	crds := untyped.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	open := map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
	_, err := crds.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "widgets." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"kind": "Widget", "plural": "widgets"},
			"versions": []any{
				map[string]any{"name": "v1", "served": true, "storage": true, "schema": open},
				map[string]any{"name": "v2", "served": true, "storage": false, "schema": open},
			},
			"conversion": map[string]any{"strategy": "Webhook", "webhook": map[string]any{
				"conversionReviewVersions": []any{"v1"},
				"clientConfig":             map[string]any{"service": map[string]any{"namespace": ns, "name": "hook"}},
			}},
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kubetest.AwaitObject(t, crds, "widgets."+group, func(o *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			if m := c.(map[string]any); m["type"] == "Established" && m["status"] == "True" {
				return true
			}
		}
		return false
	})
	widgets := func(version string) dynamic.ResourceInterface {
		return untyped.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: "widgets"}).Namespace(ns)
	}
	big := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v2", "kind": "Widget", "metadata": map[string]any{"name": "w"}, "spec": map[string]any{"size": "big"},
	}}
	_, err = widgets("v2").Create(t.Context(), big, metav1.CreateOptions{})
	for apierrors.IsNotFound(err) { // established, and not yet served
		_, err = widgets("v2").Create(t.Context(), big, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := widgets("v1").Get(t.Context(), "w", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if size, _, _ := unstructured.NestedString(got.Object, "spec", "size"); got.GetAPIVersion() != group+"/v1" || size != "big" {
		t.Errorf("got %v", got.Object)
	}
}

func TestAggregatedAPIBecomesAvailable(t *testing.T) {
	client, untyped := clients(t)
	ns := kubetest.Namespace(t)
	_, err := client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}}, Selector: map[string]string{"app": "metrics"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CoreV1().Pods(ns).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics", Labels: map[string]string{"app": "metrics"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "metrics"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	apis := untyped.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"})
	_, err = apis.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1beta1.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"insecureSkipTLSVerify": true, "service": map[string]any{"namespace": ns, "name": "metrics"},
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kubetest.AwaitObject(t, apis, "v1beta1.metrics.k8s.io", func(o *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		return len(conditions) == 1 && conditions[0].(map[string]any)["status"] == "True"
	})
	// The aggregator acts upon that condition by a watch of its own.
	var list *metav1.APIResourceList
	err = wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		var err error
		list, err = client.Discovery().ServerResourcesForGroupVersion("metrics.k8s.io/v1beta1")
		if apierrors.IsServiceUnavailable(err) {
			return false, nil
		}
		return true, err
	})
	if err != nil || len(list.APIResources) != 0 {
		t.Errorf("discovery: got %v, %v, want an empty list", list, err)
	}
	if err := apis.Delete(t.Context(), "v1beta1.metrics.k8s.io", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}
