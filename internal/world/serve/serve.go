// Package serve lets clients of the Kubernetes API work on a World: it answers
// their requests within this process, without a socket.
//
//	api := serve.New(memory.New(memory.Options{}), "v1.36.4")
//	client, err := kubernetes.NewForConfig(api.Config())
//
// It knows get, list (by labels, and by the fields metadata.name and
// metadata.namespace), create, update, all patches, delete, dry runs of each,
// subresource status, impersonation and discovery. It must never hold state of
// its own: what a request means is the World's to say. Nothing can be watched.
package serve

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/overlay"
)

// maxBody bounds the body of a request, as an API server does
// (apiserver v0.36 pkg/server/config.go, MaxRequestBodyBytes).
const maxBody = 3 << 20

// API answers requests from a World. It is safe for concurrent use.
type API struct {
	world   world.World
	version string

	mu    sync.Mutex
	names map[schema.GroupVersionResource]world.Mapping // what was found last; always asked again
}

var _ http.RoundTripper = (*API)(nil)

// New returns the API of a world that says to be of a version of Kubernetes, as
// "v1.36.4".
func New(w world.World, version string) *API {
	return &API{world: w, version: version, names: map[schema.GroupVersionResource]world.Mapping{}}
}

// Config returns a configuration whose clients ask the API, in JSON.
func (a *API) Config() *rest.Config {
	config := &rest.Config{Host: "http://world.invalid", Transport: a, QPS: -1}
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	return config
}

// RoundTrip answers a request. Errors of the World are answers, too.
func (a *API) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	answer, err := a.answer(req)
	if ended := req.Context().Err(); err != nil && ended != nil {
		return nil, ended
	}
	if err != nil {
		answer = statusOf(err)
	}
	return respond(req, answer)
}

func (a *API) answer(req *http.Request) (any, error) {
	body, err := read(req.Body)
	if err != nil {
		return nil, err
	}
	path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	w := a.world
	if user := req.Header.Get("Impersonate-User"); user != "" {
		w = w.As(world.Identity{User: user, Groups: req.Header.Values("Impersonate-Group")})
	}
	switch {
	case path[0] == "version":
		return a.told(), nil
	case path[0] == "api" && len(path) > 2:
		return a.object(req, w, call{gv: schema.GroupVersion{Version: path[1]}, body: body}.at(path[2:]))
	case path[0] == "apis" && len(path) > 3:
		return a.object(req, w, call{gv: schema.GroupVersion{Group: path[1], Version: path[2]}, body: body}.at(path[3:]))
	case path[0] == "api" || path[0] == "apis":
		return a.discover(req.Context(), path)
	}
	return nil, errNoPath
}

func read(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(text) > maxBody {
		err = apierrors.NewRequestEntityTooLargeError("limit is 3145728")
	}
	return text, err
}

// call is a request about objects of one kind.
type call struct {
	gv                           schema.GroupVersion
	namespace, resource          string
	name, subresource            string
	body                         []byte
	kind                         world.Mapping
	contentType, manager, labels string
	fields                       string
	force                        bool
}

// at takes the path after the version apart.
func (c call) at(path []string) call {
	namespaced := path[0] == "namespaces" && len(path) > 2 && !slices.Contains([]string{"status", "finalize"}, path[2])
	if namespaced {
		c.namespace, path = path[1], path[2:]
	}
	path = append(path, "", "")
	c.resource, c.name, c.subresource = path[0], path[1], path[2]
	return c
}

func (c call) with(q url.Values, contentType string) call {
	c.contentType, _, _ = strings.Cut(contentType, ";")
	c.manager, c.labels, c.fields = q.Get("fieldManager"), q.Get("labelSelector"), q.Get("fieldSelector")
	c.force = q.Get("force") == "true"
	return c
}

func (c call) ref() object.Ref {
	return object.Ref{Key: object.Key{Group: c.gv.Group, Kind: c.kind.GVK.Kind, Namespace: c.namespace, Name: c.name}, Version: c.gv.Version}
}

// object answers a request about objects.
func (a *API) object(req *http.Request, w world.World, c call) (any, error) {
	var err error
	if c.kind, err = a.kind(req.Context(), c.gv.WithResource(c.resource)); err != nil {
		return nil, err
	}
	q := req.URL.Query()
	c = c.with(q, req.Header.Get("Content-Type"))
	if q.Get("watch") != "" && q.Get("watch") != "false" {
		return nil, apierrors.NewMethodNotSupported(c.gv.WithResource(c.resource).GroupResource(), "watch")
	}
	if req.Method != http.MethodGet && strings.Contains(c.contentType, "protobuf") {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, req.Method, schema.GroupResource{}, "", "protobuf is not read", 0, false)
	}
	// A dry run is done in a copy of the world.
	if slices.Contains(q["dryRun"], "All") && c.contentType != applyPatch {
		w = overlay.New(w, overlay.Options{})
	}
	return a.verb(req.Context(), w, c, verb{req.Method, slices.Contains(q["dryRun"], "All")})
}

type verb struct {
	method string
	dryRun bool
}

func (a *API) verb(ctx context.Context, w world.World, c call, v verb) (any, error) {
	switch {
	case v.method == http.MethodGet && c.name == "":
		return list(ctx, w, c)
	case v.method == http.MethodGet:
		return w.Get(ctx, c.ref())
	case v.method == http.MethodPost && c.name == "":
		return create(ctx, w, c)
	case v.method == http.MethodPut && c.name != "":
		return update(ctx, w, c)
	case v.method == http.MethodPatch && c.contentType == applyPatch && c.subresource == "":
		return apply(ctx, w, c, v)
	case v.method == http.MethodPatch && c.name != "":
		return patch(ctx, w, c)
	case v.method == http.MethodDelete && c.name != "":
		return remove(ctx, w, c)
	}
	return nil, apierrors.NewMethodNotSupported(schema.GroupResource{Group: c.gv.Group, Resource: c.resource}, strings.ToLower(v.method))
}
