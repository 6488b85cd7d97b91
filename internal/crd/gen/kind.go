package main

import (
	"fmt"
	"log"
	"sort"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

type (
	props   = apiextensionsv1.JSONSchemaProps
	crdType = apiextensionsv1.CustomResourceDefinition
	crdVer  = apiextensionsv1.CustomResourceDefinitionVersion
)

// A kind holds what all releases said about one kind, oldest release first.
type kind struct {
	Latest   crdType             // the newest release: names, categories, scope
	Releases map[string][]crdVer // by API version
}

// readKinds loads every module and groups the result by kind.
func readKinds(ms []module) ([]*kind, error) {
	byName := map[string]*kind{}
	for _, m := range ms {
		log.Printf("read %s@%s", m.Path, m.Version)
		crds, err := load(m)
		if err != nil {
			return nil, err
		}
		for _, c := range crds {
			k := byName[c.Name]
			if k == nil {
				k = &kind{Releases: map[string][]crdVer{}}
				byName[c.Name] = k
			}
			k.Latest = c
			for _, v := range c.Spec.Versions {
				k.Releases[v.Name] = append(k.Releases[v.Name], v)
			}
		}
	}
	var all []*kind
	for _, k := range byName {
		all = append(all, k)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Latest.Name < all[j].Latest.Name })
	return all, nil
}

// versions returns the kind's API versions, newest first.
func (k *kind) versions() []string {
	var names []string
	for name := range k.Releases {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return version.CompareKubeAwareVersionStrings(names[i], names[j]) > 0
	})
	return names
}

// unite builds the CRD that serves all versions of the kind.
func (k *kind) unite(t *texts) (*crdType, error) {
	name := k.Latest.Spec.Names.Kind
	own, err := k.ownSchemas()
	if err != nil {
		return nil, err
	}
	var oldestFirst []*props
	versions := k.versions()
	for i := len(versions) - 1; i >= 0; i-- {
		oldestFirst = append(oldestFirst, own[versions[i]])
	}
	shared, err := loosest(name, oldestFirst)
	if err != nil {
		return nil, err
	}
	if err := t.describe(name, shared); err != nil {
		return nil, err
	}
	c := k.frame()
	for i, v := range versions {
		releases := k.Releases[v]
		ver := *releases[len(releases)-1].DeepCopy()
		s := specialiser{version: v, siblings: oldestFirst, texts: t}
		schema, err := s.apply(shared, own[v])
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", name, v, err)
		}
		ver.Schema = &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema}
		ver.Served, ver.Storage = true, i == 0
		if ver.DeprecationWarning = nil; ver.Deprecated {
			warning := fmt.Sprintf("%s of %s is an old version; change apiVersion to %s/%s",
				v, name, c.Spec.Group, versions[0])
			ver.DeprecationWarning = &warning
		}
		c.Spec.Versions = append(c.Spec.Versions, ver)
	}
	return c, nil
}

// ownSchemas returns, for each version, what any of its releases accepted.
func (k *kind) ownSchemas() (map[string]*props, error) {
	own := map[string]*props{}
	for v, releases := range k.Releases {
		var schemas []*props
		for _, r := range releases {
			schemas = append(schemas, r.Schema.OpenAPIV3Schema)
		}
		merged, err := loosest(k.Latest.Spec.Names.Kind, schemas)
		if err != nil {
			return nil, fmt.Errorf("releases of %s %s: %w", k.Latest.Name, v, err)
		}
		keepHardened(k.Latest.Spec.Names.Kind, merged, schemas[len(schemas)-1])
		add(k.Latest.Spec.Names.Kind, merged)
		own[v] = merged
	}
	return own, nil
}

// frame is the CRD without its versions.
func (k *kind) frame() *crdType {
	return &crdType{
		TypeMeta: k.Latest.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Name:        k.Latest.Name,
			Annotations: map[string]string{"kustomize.toolkit.fluxcd.io/substitute": "disabled"},
		},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group:      k.Latest.Spec.Group,
			Names:      k.Latest.Spec.Names,
			Scope:      k.Latest.Spec.Scope,
			Conversion: &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter},
		},
	}
}
