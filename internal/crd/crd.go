// Package crd holds the CustomResourceDefinitions of all Flux kinds as values.
//
// Each definition serves every API version that Flux ever served of its kind;
// the newest is stored. Because objects move between versions by a change of
// apiVersion alone, every version has the fields of all versions, so that no
// field is lost on the way. What all versions demand stands in the schema
// (type, required, enum, pattern, limits). What only some demand is a CEL rule
// of those versions, and holds for new values only: an object that was written
// through another version can always be given status and finalizers.
//
//	for _, c := range crd.All() {
//		apply(c)
//	}
//
// The files in manifests are made by the program in gen from upstream's
// published schemas, with texts of this project. The package never talks to a
// cluster, and what it returns is the caller's to change.
package crd

import (
	"embed"
	"fmt"
	"sort"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:generate env GOWORK=off go run -C gen .

// The API groups of the kinds.
const (
	SourceGroup           = "source.toolkit.fluxcd.io"
	KustomizeGroup        = "kustomize.toolkit.fluxcd.io"
	HelmGroup             = "helm.toolkit.fluxcd.io"
	NotificationGroup     = "notification.toolkit.fluxcd.io"
	ImageGroup            = "image.toolkit.fluxcd.io"
	SourceExtensionsGroup = "source.extensions.fluxcd.io"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// All returns all definitions, sorted by name. They are copies.
func All() []*apiextensionsv1.CustomResourceDefinition {
	all := parsed()
	copies := make([]*apiextensionsv1.CustomResourceDefinition, len(all))
	for i, c := range all {
		copies[i] = c.DeepCopy()
	}
	return copies
}

// ByKind returns a copy of the definition of a kind.
func ByKind(group, kind string) (*apiextensionsv1.CustomResourceDefinition, bool) {
	c := find(group, kind)
	if c == nil {
		return nil, false
	}
	return c.DeepCopy(), true
}

// StorageVersion returns the version in which objects of a kind are stored,
// which is the newest, or "" for a kind that is not here.
func StorageVersion(group, kind string) string {
	c := find(group, kind)
	if c == nil {
		return ""
	}
	for _, v := range c.Spec.Versions {
		if v.Storage {
			return v.Name
		}
	}
	return ""
}

func find(group, kind string) *apiextensionsv1.CustomResourceDefinition {
	for _, c := range parsed() {
		if c.Spec.Group == group && c.Spec.Names.Kind == kind {
			return c
		}
	}
	return nil
}

// parsed reads the embedded files once. They are part of the program, so a
// broken one is a fault of the build and panics.
var parsed = sync.OnceValue(func() []*apiextensionsv1.CustomResourceDefinition {
	files, err := manifests.ReadDir("manifests")
	if err != nil {
		panic(fmt.Sprintf("crd: read manifests: %v", err))
	}
	var all []*apiextensionsv1.CustomResourceDefinition
	for _, f := range files {
		b, err := manifests.ReadFile("manifests/" + f.Name())
		if err != nil {
			panic(fmt.Sprintf("crd: read %s: %v", f.Name(), err))
		}
		c := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(b, c); err != nil {
			panic(fmt.Sprintf("crd: parse %s: %v", f.Name(), err))
		}
		all = append(all, c)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
})
