package fluxcli

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// watching says what is watched; empty parts take everything.
type watching struct {
	kind      schema.GroupVersionKind
	namespace string
	name      string
	labels    string
}

// watch tells of every object there is and then of every change, until seen is
// done. Deletions are told with the last state.
func (p *program) watch(ctx context.Context, on watching, seen func(*unstructured.Unstructured) (done bool, err error)) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	mapping, err := w.Kind(ctx, on.kind)
	if err != nil {
		return err
	}
	cfg, err := p.global.config()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	options := metav1.ListOptions{LabelSelector: on.labels}
	seenAt := func(obj *unstructured.Unstructured) (bool, error) {
		options.ResourceVersion = obj.GetResourceVersion()
		return seen(obj)
	}
	if on.name != "" {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", on.name).String()
	}
	var from dynamic.ResourceInterface = client.Resource(mapping.GVK.GroupVersion().WithResource(mapping.Resource))
	if mapping.Namespaced && on.namespace != "" {
		from = client.Resource(mapping.GVK.GroupVersion().WithResource(mapping.Resource)).Namespace(on.namespace)
	}
	for {
		events, err := from.Watch(ctx, options)
		if err != nil {
			return err
		}
		done, err := drain(ctx, events, seenAt)
		switch {
		case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
			options.ResourceVersion = "" // too long ago: all is told again
		case done || err != nil:
			return err
		}
	}
}

// drain reads a watch to its end; a server ends it now and then.
func drain(ctx context.Context, w watch.Interface, seen func(*unstructured.Unstructured) (bool, error)) (done bool, err error) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ended(ctx)
		case event, open := <-w.ResultChan():
			if !open {
				return false, ctx.Err()
			}
			if event.Type == watch.Error {
				return false, apierrors.FromObject(event.Object)
			}
			obj, ok := event.Object.(*unstructured.Unstructured)
			if !ok {
				return false, fmt.Errorf("watch: got %T", event.Object)
			}
			if done, err := seen(obj); done || err != nil {
				return done, err
			}
		}
	}
}

// ended is the error of a verb whose time is over, or that was interrupted.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return &Exit{Code: 130}
}
