package helm

import (
	"net/http"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func init() { helmkube.ManagedFieldsManager = object.ManagerHelm }

// Cluster is what all releases and identities of one cluster share: the way to
// it and what it serves. No OpenAPI document is ever read: the server validates
// fields itself when objects are applied.
type Cluster struct {
	config   *rest.Config
	kinds    kinds
	isolator Isolator
	renders  *Renders
	// assumes tells that nobody makes objects ready or deletes what has
	// finalizers: what would be awaited is taken as done.
	assumes  bool
	pack     packer
	patience time.Duration // of one action; zero is without bound
	// encoding is how records of releases are sent.
	encoding string
}

// kinds tells what a cluster serves.
type kinds interface {
	// mapping returns how a kind is served; a NoKindMatchError if it is not.
	mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error)
	// serves tells whether a kind is, in any version.
	serves(gk schema.GroupKind) bool
	// complete tells whether all groups are known: an aggregated API that is down
	// hides its kinds, which does not mean that their objects are gone.
	complete() bool
	// capabilities returns what templates see as .Capabilities.
	capabilities() (*common.Capabilities, error)
	// invalidate makes it be read again.
	invalidate()
	// clients are what Helm asks for and hardly uses.
	clients() (discovery.CachedDiscoveryInterface, meta.RESTMapper, error)
}

// Invalidate makes what the cluster serves be read again. Call it when a
// CustomResourceDefinition or an APIService changed; a driver that applied CRDs
// does so itself.
func (c *Cluster) Invalidate() { c.kinds.invalidate() }

// Identity is whom a driver acts as; the zero value is the engine itself.
type Identity = world.Identity

// As returns a driver that acts as the identity. It is cheap; make one for each
// run.
func (c *Cluster) As(who Identity) *Driver { return &Driver{cluster: c, who: who} }

// as returns the configuration for requests of an identity that go through
// wrap.
func (c *Cluster) as(who Identity, wrap func(http.RoundTripper) http.RoundTripper) *rest.Config {
	config := rest.CopyConfig(c.config)
	if who.User != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: who.User, Groups: who.Groups}
	}
	config.Wrap(wrap)
	return config
}
