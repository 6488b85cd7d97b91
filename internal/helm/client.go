package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	helmkube "helm.sh/helm/v4/pkg/kube"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/internal/object"
)

// client is Helm's way to the cluster: Helm's own for single objects, ours for
// what Helm would ask discovery and OpenAPI for, for waiting, and for telling
// all refusals at once.
type client struct {
	*helmkube.Client
	run *run
}

var (
	_ helmkube.Interface            = (*client)(nil)
	_ helmkube.InterfaceWaitOptions = (*client)(nil)
)

// IsReachable asks nothing: the first request tells.
func (c *client) IsReachable() error { return c.run.ctx.Err() }

// Build reads objects of a manifest. All kinds that are unknown are told at once.
// Fields are validated by the server when the objects are applied, which is what
// Helm's client does too for every server since Kubernetes 1.27.
func (c *client) Build(reader io.Reader, _ bool) (helmkube.ResourceList, error) {
	manifest, err := io.ReadAll(reader) // of memory
	if err != nil {
		return nil, err
	}
	objects, err := readObjects(bytes.NewReader(manifest))
	if err != nil {
		return nil, err
	}
	var list helmkube.ResourceList
	var errs []error
	for _, obj := range objects {
		info, err := c.info(obj)
		if c.run.leaving && meta.IsNoMatchError(err) && c.run.cluster.kinds.complete() {
			c.run.notes = append(c.run.notes, fmt.Sprintf("skipped %s: its kind is not served any more", object.RefOf(obj)))
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, info)
	}
	if len(list) == len(objects) {
		c.run.built[string(manifest)] = c.run.entries(objects)
	}
	c.run.unask(list)
	return list, errors.Join(errs...)
}

// BuildTable is Build: nobody prints tables here.
func (c *client) BuildTable(reader io.Reader, validate bool) (helmkube.ResourceList, error) {
	return c.Build(reader, validate)
}

// info returns an object with the way to it, in the release's namespace if it
// names none and needs one, and in none if its kind has none. Helm's own client leaves it
// a namespace that the API then clears, and takes the two for different objects: an
// upgrade deletes what it has just changed (helm v4.2 pkg/kube/client.go, update).
func (c *client) info(obj *unstructured.Unstructured) (*resource.Info, error) {
	gvk := obj.GroupVersionKind()
	mapping, err := c.run.cluster.kinds.mapping(gvk)
	if err != nil {
		return nil, fmt.Errorf("resource mapping not found for name: %q namespace: %q: %w; ensure CRDs are installed first", obj.GetName(), obj.GetNamespace(), err)
	}
	rest, err := c.run.restClient(gvk.GroupVersion())
	if err != nil {
		return nil, fmt.Errorf("connect for %s: %w", gvk, err)
	}
	place(obj, mapping, c.run.namespace())
	return &resource.Info{
		Client: rest, Mapping: mapping, Namespace: obj.GetNamespace(), Name: obj.GetName(),
		Object: obj, ResourceVersion: obj.GetResourceVersion(),
	}, nil
}

// Update does what Helm does. Where Helm stops at the first object that cannot
// be created, the rest is tried without effect, and all refusals are told. What
// goes meanwhile is made anew.
func (c *client) Update(originals, targets helmkube.ResourceList, options ...helmkube.ClientUpdateOption) (*helmkube.Result, error) {
	intents := intended(targets)
	result, err := c.Client.Update(originals, targets, options...)
	if err == nil {
		return result, c.renew(targets, intents)
	}
	if !c.run.serverSide || c.run.ctx.Err() != nil || result == nil {
		return result, err
	}
	errs := []error{err}
	dry := append(slices.Clone(options), helmkube.ClientUpdateOptionDryRun(true))
	for _, target := range targets {
		if result.Created.Contains(target) || result.Updated.Contains(target) {
			continue
		}
		alone := helmkube.ResourceList{target}
		original := originals.Filter(func(i *resource.Info) bool { return alone.Contains(i) })
		if _, err := c.Client.Update(original, alone, dry...); err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return result, errors.Join(errs...)
}

// Delete does what Helm does, and keeps the errors: Helm's uninstall says only
// that there were some.
func (c *client) Delete(resources helmkube.ResourceList, policy metav1.DeletionPropagation) (*helmkube.Result, []error) {
	result, errs := c.Client.Delete(resources, policy)
	c.run.undeleted = append(c.run.undeleted, errs...)
	return result, errs
}

// GetWaiter returns what waits as a strategy says.
func (c *client) GetWaiter(strategy helmkube.WaitStrategy) (helmkube.Waiter, error) {
	return c.GetWaiterWithOptions(strategy)
}

// GetWaiterWithOptions is GetWaiter; the options are those of Helm's own ways.
func (c *client) GetWaiterWithOptions(strategy helmkube.WaitStrategy, options ...helmkube.WaitOption) (helmkube.Waiter, error) {
	if strategy == helmkube.LegacyStrategy && !c.run.cluster.assumes {
		return c.Client.GetWaiterWithOptions(strategy, options...)
	}
	return &waiter{run: c.run, strategy: strategy}, nil
}

// GetPodList returns pods whose logs a hook's annotation asks for.
func (c *client) GetPodList(namespace string, options metav1.ListOptions) (*corev1.PodList, error) {
	set, err := kubernetes.NewForConfigAndClient(c.run.config, c.run.http)
	if err != nil {
		return nil, err
	}
	return set.CoreV1().Pods(namespace).List(c.run.ctx, options)
}

// OutputContainerLogsForPodList prints nothing: a controller has no terminal,
// and container logs may hold secrets.
func (c *client) OutputContainerLogsForPodList(*corev1.PodList, string, func(namespace, pod, container string) io.Writer) error {
	return nil
}
