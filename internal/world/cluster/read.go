package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// pageSize is how many objects one list request asks for.
const pageSize = 500

// Get reads one object.
func (w *World) Get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	m, err := w.target(ctx, ref)
	if err != nil {
		return nil, err
	}
	return w.object(ctx, call{verb: "get", mapping: m, namespace: ref.Namespace, name: ref.Name})
}

// List reads the objects of a kind page by page. Pages after the first are as
// old as the first, so the answer is one state of the cluster.
func (w *World) List(ctx context.Context, gvk schema.GroupVersionKind, in world.Selection) ([]*unstructured.Unstructured, error) {
	m, err := w.Kind(ctx, gvk)
	if err != nil {
		return nil, err
	}
	c := call{verb: "list", mapping: m, namespace: in.Namespace}.with("limit", limit(pageSize))
	if in.Labels != nil {
		c = c.with("labelSelector", in.Labels.String())
	}
	var all []*unstructured.Unstructured
	for next := ""; ; {
		body, err := w.do(ctx, c.with("continue", next))
		if err != nil {
			return nil, err
		}
		page, more, err := decodeList(body, m.GVK)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", m.Resource, err)
		}
		all = append(all, page...)
		if next = more; next == "" {
			break
		}
	}
	slices.SortFunc(all, byNamespaceAndName)
	return all, nil
}

func byNamespaceAndName(a, b *unstructured.Unstructured) int {
	if c := strings.Compare(a.GetNamespace(), b.GetNamespace()); c != 0 {
		return c
	}
	return strings.Compare(a.GetName(), b.GetName())
}

// Kind says how a kind is served, from what discovery last said of its group.
func (w *World) Kind(ctx context.Context, gvk schema.GroupVersionKind) (world.Mapping, error) {
	return w.conn.kinds.mapping(ctx, gvk)
}

// target finds the mapping of ref and checks that its names make a path.
func (w *World) target(ctx context.Context, ref object.Ref) (world.Mapping, error) {
	m, err := w.Kind(ctx, ref.GVK())
	if err != nil {
		return m, err
	}
	return m, checkNames(ref.Key, m)
}

// object sends a call whose answer is an object.
func (w *World) object(ctx context.Context, c call) (*unstructured.Unstructured, error) {
	body, err := w.do(ctx, c)
	if err != nil {
		return nil, err
	}
	u, err := decode(body)
	if err != nil {
		return nil, fmt.Errorf("%s %s %s: %w", c.verb, c.mapping.Resource, c.name, err)
	}
	return u, nil
}
