package kubetest_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m, kubetest.APIOnly) }

func TestNamespacesAreFreshAndApart(t *testing.T) {
	client, err := kubernetes.NewForConfig(kubetest.Shared(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	first, second := kubetest.Namespace(t), kubetest.Namespace(t)
	if first == second {
		t.Errorf("got %s twice", first)
	}
	ns, err := client.CoreV1().Namespaces().Get(t.Context(), first, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(ns.Status.Phase); got != "Active" {
		t.Errorf("phase: got %s, want Active", got)
	}
}
