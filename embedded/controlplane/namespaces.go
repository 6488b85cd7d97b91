package controlplane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"

	"github.com/leat-dev/leat/embedded/internal/loop"
)

const namespaceWorkers = 4

// namespaces finishes the deletion of namespaces, with upstream's deleter but
// without upstream's waiting times: 5 s before it begins and half the pods'
// grace period after. Both exist for several API servers and for real pods.
func namespaces(config *rest.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return fmt.Errorf("namespaces: %w", err)
		}
		meta, err := metadata.NewForConfig(config)
		if err != nil {
			return fmt.Errorf("namespaces: %w", err)
		}
		deleter := deletion.NewNamespacedResourcesDeleter(ctx, client.CoreV1().Namespaces(), meta,
			&noPods{}, client.Discovery().ServerPreferredNamespacedResources, corev1.FinalizerKubernetes)
		loop.New(loop.Spec{
			Resource: "namespaces", Client: client.CoreV1().RESTClient(), Object: &corev1.Namespace{}, Workers: namespaceWorkers,
			Sync: func(ctx context.Context, o runtime.Object) (time.Duration, error) {
				return 0, finish(ctx, deleter, o.(*corev1.Namespace))
			},
		}).Run(ctx)
		return nil
	}
}

// finish deletes what a terminating namespace holds. What remains, because of
// finalizers, is an error: the loop's back-off looks again.
func finish(ctx context.Context, deleter deletion.NamespacedResourcesDeleterInterface, ns *corev1.Namespace) error {
	if ns.DeletionTimestamp == nil || !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
		return nil
	}
	err := deleter.Delete(ctx, ns.Name)
	var remaining *deletion.ResourcesRemainingError
	if errors.As(err, &remaining) {
		return fmt.Errorf("namespace %s: some objects wait for their finalizers", ns.Name)
	}
	return err
}

// noPods hides the pods from the deleter's estimate of how long their grace
// period lasts: simulated pods have none.
type noPods struct{ corev1client.PodInterface }

func (n *noPods) Pods(string) corev1client.PodInterface { return n }

func (*noPods) List(context.Context, metav1.ListOptions) (*corev1.PodList, error) {
	return &corev1.PodList{}, nil
}
