package cluster

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/world"
)

// Request is what one request to the server was and took.
type Request struct {
	// Verb is get, list, create, apply, patch, delete or discover.
	Verb        string
	Group       string
	Resource    string // plural; empty for discover
	Subresource string
	DryRun      bool
	Took        time.Duration // retries that the server asked for included
	Err         error         // as the caller sees it
}

// call is a request under construction.
type call struct {
	verb        string // as in Request.Verb
	mapping     world.Mapping
	namespace   string
	name        string // empty for the collection
	subresource string
	body        []byte
	contentType types.PatchType // of a patch
	params      []string        // name, value, name, value…
	dryRun      bool
}

var methods = map[string]string{
	"get": http.MethodGet, "list": http.MethodGet, "create": http.MethodPost,
	"apply": http.MethodPatch, "patch": http.MethodPatch, "delete": http.MethodDelete,
}

// do sends the call and returns the body of the answer.
func (w *World) do(ctx context.Context, c call) ([]byte, error) {
	start := w.conn.options.Now()
	body, err := w.send(ctx, c)
	if isUnserved(err, c.name) {
		w.conn.kinds.forget(c.mapping.GVK.Group)
		err = noMatch(c.mapping.GVK)
	}
	if observe := w.conn.options.Observe; observe != nil {
		observe(Request{
			Verb: c.verb, Group: c.mapping.GVK.Group, Resource: c.mapping.Resource, Subresource: c.subresource,
			DryRun: c.dryRun, Took: w.conn.options.Now().Sub(start), Err: err,
		})
	}
	return body, err
}

func (w *World) send(ctx context.Context, c call) ([]byte, error) {
	req := w.conn.rest.Verb(methods[c.verb]).MaxRetries(maxRetries).AbsPath(c.path())
	for i := 0; i+1 < len(c.params); i += 2 {
		req.Param(c.params[i], c.params[i+1])
	}
	if c.dryRun {
		req.Param("dryRun", "All")
	}
	if c.body != nil {
		req.Body(c.body)
	}
	if c.contentType != "" {
		req.SetHeader("Content-Type", string(c.contentType))
	}
	impersonate(req, w.as)
	return result(req.Do(ctx))
}

// result returns the body of an answer, or the server's own error.
func result(r rest.Result) ([]byte, error) {
	if err := r.Error(); err != nil {
		return nil, err
	}
	return r.Raw()
}

// impersonate sets the headers that client-go's transport would set, here per
// request so that no identity needs a transport of its own.
func impersonate(req *rest.Request, id world.Identity) {
	if id.User == "" {
		return
	}
	req.SetHeader("Impersonate-User", id.User)
	if len(id.Groups) > 0 {
		req.SetHeader("Impersonate-Group", id.Groups...)
	}
}

func (c call) path() string {
	path := groupVersionPath(c.mapping.GVK.GroupVersion())
	if c.mapping.Namespaced && c.namespace != "" {
		path += "/namespaces/" + c.namespace
	}
	path += "/" + c.mapping.Resource
	if c.name != "" {
		path += "/" + c.name
	}
	if c.subresource != "" {
		path += "/" + c.subresource
	}
	return path
}

func groupVersionPath(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "/api/" + gv.Version
	}
	return "/apis/" + gv.Group + "/" + gv.Version
}

func (c call) with(name, value string) call {
	if value != "" {
		c.params = append(c.params[:len(c.params):len(c.params)], name, value)
	}
	return c
}

func limit(n int) string { return strconv.Itoa(n) }
