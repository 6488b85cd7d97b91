package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/simkubelet"
)

const (
	readyWithin = 2 * time.Minute
	readyAgain  = 10 * time.Millisecond // between two looks at /readyz
)

// waitReadyz waits until the API server says that it is ready.
func (c *cluster) waitReadyz(ctx context.Context, admin *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client, err := rest.HTTPClientFor(admin)
	if err != nil {
		return fmt.Errorf("wait for kube-apiserver: %w", err)
	}
	tick := time.NewTicker(readyAgain)
	defer tick.Stop()
	for {
		if isOK(ctx, client, c.server+"/readyz") {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready after %s: the log says why", readyWithin)
		}
	}
}

func isOK(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// waitUsable waits until a pod could run in the namespace default: the
// namespace, its ServiceAccount and the nodes are there.
func (c *cluster) waitUsable(ctx context.Context, admin *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return fmt.Errorf("wait for the cluster: %w", err)
	}
	core := client.CoreV1()
	if err := c.waitFor(ctx, "namespace default", named("default"), core.Namespaces().Watch); err != nil {
		return err
	}
	if c.opts.Controllers != None {
		if err := c.waitFor(ctx, "ServiceAccount default/default", named("default"), core.ServiceAccounts("default").Watch); err != nil {
			return err
		}
	}
	for i := range c.opts.Nodes {
		name := simkubelet.NodeName(i)
		if err := c.waitFor(ctx, "node "+name, named(name), core.Nodes().Watch); err != nil {
			return err
		}
	}
	return nil
}

func named(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}

// waitFor waits for the first event of a watch that means that the object is usable.
func (c *cluster) waitFor(ctx context.Context, what string, opts metav1.ListOptions, start func(context.Context, metav1.ListOptions) (watch.Interface, error)) error {
	w, err := start(ctx, opts)
	if err != nil {
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	defer w.Stop()
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("wait for %s: %w", what, errors.Join(ctx.Err(), errors.New("the watch ended")))
			}
			if usable(e) {
				return nil
			}
		case err := <-c.failed:
			return err
		}
	}
}

func usable(e watch.Event) bool {
	if e.Type != watch.Added && e.Type != watch.Modified {
		return false
	}
	node, ok := e.Object.(*corev1.Node)
	if !ok {
		return true
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
