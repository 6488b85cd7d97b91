package helm

import (
	"fmt"
	"sync"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
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

// maxAge is how old may be what templates see of a server: it is upgraded, and
// APIs that other servers bring come and go, without a definition that changes.
// Flux asks in every reconciliation; here only actions ask.
const maxAge = time.Minute

// inProtobuf is the cheapest way to send built-in kinds to a server.
const inProtobuf = "application/vnd.kubernetes.protobuf"

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
	kinds := &discovered{discovery: cached, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached), now: time.Now}
	return &Cluster{config: config, kinds: kinds, encoding: inProtobuf}, nil
}

// discovered are the kinds of a server, as its discovery tells.
type discovered struct {
	discovery discovery.CachedDiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	now       func() time.Time

	mu     sync.Mutex
	caps   *common.Capabilities
	capsAt time.Time // when they were read
	part   bool      // some groups did not answer then
	read   time.Time
}

func (d *discovered) invalidate() {
	d.mu.Lock()
	d.caps = nil
	d.read = d.now()
	d.mu.Unlock()
	d.mapper.Reset() // drops what the discovery client keeps, too
}

// mapping looks again for a kind that is unknown, unless discovery is fresh.
func (d *discovered) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := d.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) && d.aged() {
		d.invalidate()
		m, err = d.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	return m, err
}

func (d *discovered) serves(gk schema.GroupKind) bool {
	_, err := d.mapper.RESTMapping(gk)
	return err == nil
}

func (d *discovered) aged() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now().Sub(d.read) > minAge
}

func (d *discovered) complete() bool {
	_, _, err := d.discovery.ServerGroupsAndResources()
	return err == nil
}

// outdated tells whether the capabilities must be read again: soon where some
// groups did not answer, as an aggregated API that is down hides its kinds.
func (d *discovered) outdated() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := maxAge
	if d.part {
		limit = minAge
	}
	return d.caps != nil && d.now().Sub(d.capsAt) > limit
}

func (d *discovered) capabilities() (*common.Capabilities, error) {
	if d.outdated() {
		d.invalidate()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.caps != nil {
		return d.caps, nil
	}
	version, err := d.discovery.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("read version of the cluster: %w", err)
	}
	apis, err := action.GetVersionSet(d.discovery)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("read APIs of the cluster: %w", err)
	}
	d.capsAt, d.part = d.now(), !d.complete()
	d.caps = &common.Capabilities{
		APIVersions: apis,
		KubeVersion: common.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor},
		HelmVersion: common.DefaultCapabilities.HelmVersion,
	}
	return d.caps, nil
}

func (d *discovered) clients() (discovery.CachedDiscoveryInterface, meta.RESTMapper, error) {
	return d.discovery, d.mapper, nil
}
