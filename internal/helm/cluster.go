package helm

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/object"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// minAge is how old discovery must be before a kind that it does not know makes
// it be read again; so a chart with many unknown kinds reads it once.
const minAge = time.Second

func init() { helmkube.ManagedFieldsManager = object.ManagerHelm }

// Cluster is what all releases and identities of one cluster share: its
// configuration and what it serves. No OpenAPI document is ever read: the
// server validates fields itself when objects are applied.
type Cluster struct {
	config    *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	isolator  Isolator

	mu   sync.Mutex
	caps *common.Capabilities
	read time.Time
}

// Connect returns a cluster; nothing is asked of it yet. Requests are not
// throttled unless config says so.
func Connect(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	if config.QPS == 0 && config.RateLimiter == nil {
		config.QPS = -1
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to cluster: %w", err)
	}
	cached := memory.NewMemCacheClient(client)
	return &Cluster{config: config, discovery: cached, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached)}, nil
}

// Invalidate makes what the cluster serves be read again. Call it when a
// CustomResourceDefinition or an APIService changed; a driver that applied CRDs
// does so itself.
func (c *Cluster) Invalidate() {
	c.mu.Lock()
	c.caps = nil
	c.read = time.Now()
	c.mu.Unlock()
	c.mapper.Reset() // drops what the discovery client keeps, too
}

// Identity is whom a driver acts as; the zero value is the engine itself.
type Identity struct {
	User   string
	Groups []string
}

// As returns a driver that acts as the identity. It is cheap; make one for each
// run.
func (c *Cluster) As(who Identity) *Driver { return &Driver{cluster: c, who: who} }

// mapping returns how a kind is served. A kind that is unknown is looked for
// again unless discovery is fresh.
func (c *Cluster) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) && c.aged() {
		c.Invalidate()
		m, err = c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	return m, err
}

func (c *Cluster) aged() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.read) > minAge
}

// complete tells whether discovery knows all groups: an aggregated API that is
// down hides its kinds, which does not mean that their objects are gone.
func (c *Cluster) complete() bool {
	_, _, err := c.discovery.ServerGroupsAndResources()
	return err == nil
}

// capabilities returns what templates see as .Capabilities.
func (c *Cluster) capabilities() (*common.Capabilities, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caps != nil {
		return c.caps, nil
	}
	version, err := c.discovery.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("read version of the cluster: %w", err)
	}
	apis, err := action.GetVersionSet(c.discovery)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("read APIs of the cluster: %w", err)
	}
	c.caps = &common.Capabilities{
		APIVersions: apis,
		KubeVersion: common.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor},
		HelmVersion: common.DefaultCapabilities.HelmVersion,
	}
	return c.caps, nil
}

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
