package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/serve"
)

// KubeVersion is what charts see as .Capabilities.KubeVersion offline unless told
// otherwise: the version of the embedded control plane, and of the kinds that a
// memory world serves.
const KubeVersion = "v1.36.4"

// Offline returns a cluster that is a World: in memory, or laid over another one.
// Actions are the very same ones as with Connect, since the World is served to
// Helm as an API server would be. Two things differ: as no controllers run
// there, what would be awaited (health, hooks, deletions) is taken as done, and
// listed in Outcome.Assumed; and what is served is asked anew each time, so that
// nobody needs to call Invalidate. An empty version is KubeVersion.
//
//	offline, err := helm.Offline(w, "1.31.0")
//	offline.Isolate(pool)
//	out, err := offline.As(helm.Identity{}).Install(ctx, job)
func Offline(w world.World, version string) (*Cluster, error) {
	if version == "" {
		version = KubeVersion
	}
	parsed, err := common.ParseKubeVersion(version)
	if err != nil {
		return nil, fmt.Errorf("read Kubernetes version %q: %w; give it as 1.36 or 1.36.4", version, err)
	}
	config := serve.New(w, parsed.Version).Config()
	return &Cluster{config: config, kinds: &offered{w, *parsed}, assumes: true, encoding: runtime.ContentTypeJSON}, nil
}

// offered are the kinds of a World.
type offered struct {
	world   world.World
	version common.KubeVersion
}

func (o *offered) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := o.world.Kind(context.Background(), gvk)
	if err != nil {
		return nil, err
	}
	out := &meta.RESTMapping{GroupVersionKind: m.GVK, Resource: m.GVK.GroupVersion().WithResource(m.Resource), Scope: meta.RESTScopeRoot}
	if m.Namespaced {
		out.Scope = meta.RESTScopeNamespace
	}
	return out, nil
}

func (o *offered) serves(gk schema.GroupKind) bool {
	_, err := o.mapping(gk.WithVersion(""))
	return err == nil
}

func (o *offered) complete() bool { return true }

func (o *offered) invalidate() {}

func (o *offered) capabilities() (*common.Capabilities, error) {
	catalog, ok := o.world.(world.Catalog)
	if !ok {
		return nil, fmt.Errorf("read APIs of the world: a %T cannot tell what it serves", o.world)
	}
	all, err := catalog.Kinds(context.Background())
	if err != nil {
		return nil, fmt.Errorf("read APIs of the world: %w", err)
	}
	apis := append(make(common.VersionSet, 0, 2*len(all)+len(unkept)), unkept...)
	for _, m := range all {
		gv := m.GVK.GroupVersion().String()
		apis = append(apis, gv, gv+"/"+m.GVK.Kind)
	}
	slices.SortFunc(apis, strings.Compare)
	return &common.Capabilities{
		APIVersions: slices.Compact(apis), KubeVersion: o.version, HelmVersion: common.DefaultCapabilities.HelmVersion,
	}, nil
}

// unkept are the APIs of which a server keeps no objects, so that a World does not
// know them: questions about rights, and what is sent to subresources (Kubernetes
// 1.36, as its discovery tells).
var unkept = []string{
	"authentication.k8s.io/v1", "authentication.k8s.io/v1/SelfSubjectReview", "authentication.k8s.io/v1/TokenReview",
	"authorization.k8s.io/v1", "authorization.k8s.io/v1/LocalSubjectAccessReview", "authorization.k8s.io/v1/SelfSubjectAccessReview",
	"authorization.k8s.io/v1/SelfSubjectRulesReview", "authorization.k8s.io/v1/SubjectAccessReview",
	"apps/v1/Scale", "v1/Scale", "v1/Binding", "v1/Eviction", "v1/NodeProxyOptions", "v1/PodAttachOptions", "v1/PodExecOptions",
	"v1/PodPortForwardOptions", "v1/PodProxyOptions", "v1/ServiceProxyOptions", "v1/TokenRequest",
}

func (o *offered) clients() (discovery.CachedDiscoveryInterface, meta.RESTMapper, error) {
	return nil, nil, errors.New("a world in this process has no discovery")
}
