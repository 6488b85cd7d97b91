// Package object is the vocabulary of Kubernetes objects: which object (Key),
// of which kind, and the conventions that Flux and Leat attach to objects.
//
//	key := object.KeyOf(u)
//	id := object.InventoryID(key) // "apps_web_apps_Deployment"
//
// It decides nothing about objects and reads nothing from a cluster.
package object

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Key says which object: group and kind (never the version, which is only a
// way to look at an object), namespace (empty for cluster scope) and name.
type Key struct {
	Group, Kind, Namespace, Name string
	// Cluster names another cluster than the fleet's own (unit.Elsewhere), where
	// objects of several are told apart. In a world, every object is of its own cluster.
	Cluster string `json:",omitempty"`
}

// KeyOf returns the key of u.
func KeyOf(u *unstructured.Unstructured) Key {
	gvk := u.GroupVersionKind()
	return Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
}

// In returns the same key in a cluster; empty is the fleet's own.
func (k Key) In(cluster string) Key {
	k.Cluster = cluster
	return k
}

// GroupKind returns the kind of the object.
func (k Key) GroupKind() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

// IsZero tells whether k names nothing.
func (k Key) IsZero() bool { return k == Key{} }

// String returns Kind/namespace/name, or Kind/name at cluster scope: the form
// that messages use. In another cluster, that follows: «Kind/name in Secret/fleet/edge».
func (k Key) String() string {
	text := k.Kind + "/" + k.Name
	if k.Namespace != "" {
		text = k.Kind + "/" + k.Namespace + "/" + k.Name
	}
	if k.Cluster != "" {
		text += " in " + k.Cluster
	}
	return text
}

// Compare orders keys by group, kind, namespace, name, cluster.
func Compare(a, b Key) int {
	return cmp.Or(
		strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.Cluster, b.Cluster),
	)
}

// Ref is a key seen through an API version: what a request needs.
type Ref struct {
	Key
	Version string
}

// RefOf returns the reference under which u was written.
func RefOf(u *unstructured.Unstructured) Ref {
	return Ref{KeyOf(u), u.GroupVersionKind().Version}
}

// In returns the same reference in a cluster; empty is the fleet's own.
func (r Ref) In(cluster string) Ref {
	r.Cluster = cluster
	return r
}

// GVK returns the full kind.
func (r Ref) GVK() schema.GroupVersionKind { return r.GroupKind().WithVersion(r.Version) }

// APIVersion returns group/version, or the version alone in the core group.
func (r Ref) APIVersion() string { return r.GVK().GroupVersion().String() }

// InventoryID returns the id under which Flux records an object in
// status.inventory: <namespace>_<name>_<group>_<Kind>, where a colon in a name
// (allowed in RBAC) is written as two underscores
// (fluxcd/cli-utils pkg/object/objmetadata.go).
func InventoryID(k Key) string {
	return k.Namespace + "_" + strings.ReplaceAll(k.Name, ":", "__") + "_" + k.Group + "_" + k.Kind
}

// ParseInventoryID reads what InventoryID writes.
func ParseInventoryID(id string) (Key, error) {
	ns, rest, ok := strings.Cut(id, "_")
	if !ok {
		return Key{}, inventoryIDError(id)
	}
	rest, kind, ok := cutLast(rest, "_")
	if !ok || kind == "" {
		return Key{}, inventoryIDError(id)
	}
	name, group, ok := cutLast(rest, "_")
	if !ok || name == "" {
		return Key{}, inventoryIDError(id)
	}
	return Key{Group: group, Kind: kind, Namespace: ns, Name: strings.ReplaceAll(name, "__", ":")}, nil
}

func inventoryIDError(id string) error {
	return fmt.Errorf("read inventory id %q: want <namespace>_<name>_<group>_<kind>", id)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
