package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// LocalTree is a checkout of a repository.
type LocalTree struct {
	URL      string
	Revision string
	Tree     tree.Tree
}

// localTrees opens artifacts, and takes a checkout in the place of some.
type localTrees struct {
	storePort
	local LocalTree
	paths map[string]bool // beginnings of the paths of artifacts
}

// Open implements engine.Trees.
func (t localTrees) Open(ctx context.Context, a *meta.Artifact) (tree.Tree, error) {
	for prefix := range t.paths {
		if strings.HasPrefix(a.Path, prefix) {
			return t.local.Tree, nil
		}
	}
	return t.storePort.Open(ctx, a)
}

func (t localTrees) takes(source object.Key) bool {
	return source.Kind == unit.GitRepositoryKind && t.paths["gitrepository/"+source.Namespace+"/"+source.Name+"/"]
}

// inCluster returns a client that reaches Services of a cluster through its API
// server, as whoever the configuration is, and all else directly.
func inCluster(cfg *rest.Config) (*http.Client, error) {
	through, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	server, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &http.Client{Transport: services{server, through, http.DefaultTransport}}, nil
}

// services sends requests for Services through the API server's proxy.
type services struct {
	server          *url.URL
	through, direct http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (s services) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ok := servicePath(r.URL)
	if !ok {
		return s.direct.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.URL, r.Host = s.server.JoinPath(path), ""
	return s.through.RoundTrip(r)
}

// servicePath is where the API server proxies the address of a Service
// (name.namespace.svc…).
func servicePath(u *url.URL) (string, bool) {
	parts := strings.Split(u.Hostname(), ".")
	if len(parts) < 3 || parts[2] != "svc" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return "/api/v1/namespaces/" + parts[1] + "/services/" + u.Scheme + ":" + parts[0] + ":" + port + "/proxy" + u.EscapedPath(), true
}
