package kube

import (
	"fmt"
	"strings"
)

// Kind is what the harness must know of a kind: no discovery, so that its own
// requests are few and known.
type Kind struct {
	APIVersion, Kind, Resource string
	Cluster                    bool // not in a namespace
}

// The kinds that the harness writes, reads or watches.
var (
	Namespaces       = Kind{"v1", "Namespace", "namespaces", true}
	ConfigMaps       = Kind{"v1", "ConfigMap", "configmaps", false}
	ServiceAccounts  = Kind{"v1", "ServiceAccount", "serviceaccounts", false}
	Services         = Kind{"v1", "Service", "services", false}
	Deployments      = Kind{"apps/v1", "Deployment", "deployments", false}
	Ingresses        = Kind{"networking.k8s.io/v1", "Ingress", "ingresses", false}
	CRDs             = Kind{"apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", true}
	GitRepositories  = Kind{"source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories", false}
	OCIRepositories  = Kind{"source.toolkit.fluxcd.io/v1", "OCIRepository", "ocirepositories", false}
	Kustomizations   = Kind{"kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations", false}
	HelmRepositories = Kind{"source.toolkit.fluxcd.io/v1", "HelmRepository", "helmrepositories", false}
	HelmCharts       = Kind{"source.toolkit.fluxcd.io/v1", "HelmChart", "helmcharts", false}
	HelmReleases     = Kind{"helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", false}
)

var kinds = []Kind{
	Namespaces, ConfigMaps, ServiceAccounts, Services, Deployments, Ingresses, CRDs, GitRepositories, OCIRepositories, Kustomizations,
	HelmRepositories, HelmCharts, HelmReleases,
}

// KindOf finds the kind of an object.
func KindOf(o map[string]any) (Kind, error) {
	for _, k := range kinds {
		if k.Kind == o["kind"] && k.APIVersion == o["apiVersion"] {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("the harness does not know %v %v", o["apiVersion"], o["kind"])
}

// Path is the URL path of an object; without a name, of the collection.
func (k Kind) Path(namespace, name string) string {
	path := "/apis/" + k.APIVersion
	if !strings.Contains(k.APIVersion, "/") {
		path = "/api/" + k.APIVersion
	}
	if !k.Cluster && namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + k.Resource
	if name != "" {
		path += "/" + name
	}
	return path
}

// Name returns the namespace and the name of an object.
func Name(o map[string]any) (namespace, name string) {
	meta, _ := o["metadata"].(map[string]any)
	namespace, _ = meta["namespace"].(string)
	name, _ = meta["name"].(string)
	return namespace, name
}
