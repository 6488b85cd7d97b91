package serve

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/leat-dev/leat/internal/world"
)

// errNoPath is what an API server says of a path that it does not serve.
var errNoPath = &apierrors.StatusError{ErrStatus: metav1.Status{
	Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
	Message: "the server could not find the requested resource",
}}

// told is what the API says of its version.
func (a *API) told() version.Info {
	parts := append(strings.Split(strings.TrimPrefix(a.version, "v"), "."), "", "")
	return version.Info{Major: parts[0], Minor: parts[1], GitVersion: a.version, GoVersion: runtime.Version(), Platform: "linux/amd64", Compiler: "gc"}
}

// kinds returns what the world serves.
func (a *API) kinds(ctx context.Context) ([]world.Mapping, error) {
	catalog, ok := a.world.(world.Catalog)
	if !ok {
		return nil, fmt.Errorf("discover kinds: a %T cannot tell what it serves", a.world)
	}
	return catalog.Kinds(ctx)
}

// kind returns the kind that a resource is of.
func (a *API) kind(ctx context.Context, of schema.GroupVersionResource) (world.Mapping, error) {
	a.mu.Lock()
	last, known := a.names[of]
	a.mu.Unlock()
	if known {
		if m, err := a.world.Kind(ctx, last.GVK); err == nil && m.Resource == of.Resource {
			return m, nil
		}
	}
	all, err := a.kinds(ctx)
	if err != nil {
		return world.Mapping{}, err
	}
	for _, m := range all {
		if m.Resource == of.Resource && m.GVK.GroupVersion() == of.GroupVersion() {
			a.mu.Lock()
			a.names[of] = m
			a.mu.Unlock()
			return m, nil
		}
	}
	return world.Mapping{}, errNoPath
}

// discover answers questions about what is served: /api, /api/v1, /apis,
// /apis/apps, /apis/apps/v1.
func (a *API) discover(ctx context.Context, path []string) (any, error) {
	all, err := a.kinds(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case path[0] == "api" && len(path) == 1:
		return &metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}, nil
	case path[0] == "api":
		return resources(all, schema.GroupVersion{Version: path[1]})
	case len(path) == 1:
		return &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: groups(all)}, nil
	case len(path) == 3:
		return resources(all, schema.GroupVersion{Group: path[1], Version: path[2]})
	}
	for _, g := range groups(all) {
		if g.Name == path[1] {
			g.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
			return &g, nil
		}
	}
	return nil, errNoPath
}

func resources(all []world.Mapping, gv schema.GroupVersion) (any, error) {
	out := &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
	for _, m := range all {
		if m.GVK.GroupVersion() == gv {
			out.APIResources = append(out.APIResources, metav1.APIResource{
				Name: m.Resource, Kind: m.GVK.Kind, Namespaced: m.Namespaced,
				Verbs: metav1.Verbs{"create", "delete", "get", "list", "patch", "update"},
			})
		}
	}
	if len(out.APIResources) == 0 {
		return nil, errNoPath
	}
	return out, nil
}

// groups returns the named groups; a version stands before another if it does so
// for the group's first kind that has both.
func groups(all []world.Mapping) []metav1.APIGroup {
	var out []metav1.APIGroup
	for _, m := range all {
		if m.GVK.Group == "" {
			continue
		}
		i := slices.IndexFunc(out, func(g metav1.APIGroup) bool { return g.Name == m.GVK.Group })
		if i < 0 {
			i = len(out)
			out = append(out, metav1.APIGroup{Name: m.GVK.Group})
		}
		v := metav1.GroupVersionForDiscovery{GroupVersion: m.GVK.GroupVersion().String(), Version: m.GVK.Version}
		if !slices.Contains(out[i].Versions, v) {
			out[i].Versions = append(out[i].Versions, v)
		}
		out[i].PreferredVersion = out[i].Versions[0]
	}
	return out
}
