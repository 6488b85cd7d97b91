// Package cluster is the World of a real API server.
//
//	w, err := cluster.New(cfg, cluster.Options{Observe: counter.Observe})
//	live, err := w.Get(ctx, ref)
//	after, err := w.As(world.ServiceAccount("apps", "deployer")).Apply(ctx, a)
//
// It is the hot path of the engine, so a request is one HTTP round trip over a
// connection that all identities share, and its answer is decoded once. Nothing
// is cached but discovery: what is read is what the server holds.
//
// It must never retry a write whose answer was lost: only what the server asked
// to be sent again (429 and 5xx with Retry-After) is, a bounded number of times.
package cluster

import (
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/world"
)

// maxRetries bounds how often one request is sent again because the server
// asked for it.
const maxRetries = 5

// Options are the choices of New; the zero value is what production uses.
type Options struct {
	// Client sends the requests; by default it is made from the config. It must
	// authenticate by itself.
	Client *http.Client
	// Observe is told of every request that was answered or failed. It must
	// return fast and be safe for concurrent use.
	Observe func(Request)
	// FieldValidation is sent with writes (Ignore, Warn, Strict); empty leaves
	// the choice to the server, as Flux does.
	FieldValidation string
	// Now is the clock of discovery's back-off and of Request.Took.
	Now func() time.Time
}

// World is a cluster behind its API server. It is safe for concurrent use.
type World struct {
	conn *conn
	as   world.Identity
}

var _ world.World = (*World)(nil)

// conn is what the worlds of all identities share.
type conn struct {
	rest    rest.Interface
	kinds   *discovery
	options Options
}

// New returns the world behind cfg, acting as the user of cfg.
func New(cfg *rest.Config, o Options) (*World, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	client, err := restClient(cfg, o.Client)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Host, err)
	}
	c := &conn{rest: client, options: o}
	c.kinds = newDiscovery(c.discover, o.Now)
	return &World{conn: c}, nil
}

func restClient(cfg *rest.Config, client *http.Client) (rest.Interface, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1                  // the scheduler bounds us, not a bucket in here
	cfg.DisableCompression = true // CPU on both sides is dearer than the wire
	cfg.GroupVersion = &schema.GroupVersion{}
	cfg.NegotiatedSerializer = statusDecoder()
	cfg.ContentType = runtime.ContentTypeJSON
	cfg.AcceptContentTypes = runtime.ContentTypeJSON
	if cfg.WarningHandler == nil && cfg.WarningHandlerWithContext == nil {
		cfg.WarningHandler = rest.NoWarnings{}
	}
	if client == nil {
		var err error
		if client, err = rest.HTTPClientFor(cfg); err != nil {
			return nil, err
		}
	}
	return rest.RESTClientForConfigAndClient(cfg, client)
}

// statusDecoder knows nothing but metav1.Status: the rest client only decodes
// errors, objects are decoded here.
func statusDecoder() runtime.NegotiatedSerializer {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme).WithoutConversion()
}

// Fidelity is exact: predictions are dry runs of the server.
func (w *World) Fidelity() world.Fidelity { return world.Exact }

// As returns the same cluster, asked through impersonation headers. It costs an
// allocation: connections and discovery are shared.
func (w *World) As(id world.Identity) world.World {
	return &World{conn: w.conn, as: id}
}

// Invalidate forgets how the kinds of a group are served. Writes of
// CustomResourceDefinitions through this world do it by themselves; whoever
// watches them calls it for the others.
func (w *World) Invalidate(group string) { w.conn.kinds.forget(group) }
