package helm

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/storage"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/discovery"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"k8s.io/apimachinery/pkg/api/meta"
)

// storageTimeout bounds one request to Helm's storage. Those requests outlive a
// cancelled run, which must still write down how it ended.
const storageTimeout = 20 * time.Second

// run is one action under way. Helm's interfaces take no context, so it is kept
// here for as long as the action runs: every request ends with it.
type run struct {
	cluster  *Cluster
	job      Job
	ctx      context.Context
	config   *rest.Config
	http     *http.Client
	requests atomic.Int64
	lines    *lines
	storage  *recorder
	guard    *guard
	rendered *chart.Chart // the copy of the job's chart that Helm was given last
	started  time.Time
	// serverSide tells whether objects are applied server-side.
	serverSide bool
	unlooked   bool   // the next manifest is created without a look; see adopt.go
	moved      string // the namespace of a release that is uninstalled
	leaving    bool   // it is being uninstalled
	was        string // the state in which a release was found that is unlocked
	undeleted  []error
	notes      []string
	assumed    []object.Ref
	// built are the entries of manifests that were read, as Helm reads them: by
	// their text.
	built map[string][]v2.ResourceRef

	mu      sync.Mutex
	clients map[schema.GroupVersion]resource.RESTClient
}

// start returns a run of an action on a release that is kept in a namespace.
func (d *Driver) start(ctx context.Context, job Job, storageNamespace string) (*run, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &run{
		cluster: d.cluster, job: job, ctx: ctx, started: time.Now(),
		clients: map[schema.GroupVersion]resource.RESTClient{}, built: map[string][]v2.ResourceRef{},
	}
	r.lines = &lines{hide: newMask(job.Secrets), to: job.Log, share: &ring{}}
	r.guard = newGuard(r)
	r.config = d.cluster.as(d.who, r.bound)
	client, err := rest.HTTPClientFor(r.config)
	if err != nil {
		return nil, fmt.Errorf("connect to cluster: %w", err)
	}
	r.http = client
	stored, err := d.secrets(r, storageNamespace)
	if err != nil {
		return nil, err
	}
	r.storage = &recorder{Driver: stored, run: r}
	r.storage.begin(job, storageNamespace)
	return r, nil
}

// secrets returns the Secrets of a namespace, over a connection that a cancelled
// run does not close.
func (d *Driver) secrets(r *run, namespace string) (*secrets, error) {
	config := d.cluster.as(d.who, func(to http.RoundTripper) http.RoundTripper {
		return &counting{to: to, count: &r.requests}
	})
	config.Timeout = storageTimeout
	config.ContentType = d.cluster.encoding
	config.AcceptContentTypes = d.cluster.encoding + "," + runtime.ContentTypeJSON
	client, err := corev1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to Helm storage: %w", err)
	}
	unread := func(name string, err error) {
		r.notes = append(r.notes, fmt.Sprintf("passed over Secret %s/%s, which holds no release that can be read: %s", namespace, name, r.lines.hide.text(err.Error())))
	}
	return &secrets{api: client.Secrets(namespace), pack: &d.cluster.pack, large: large, unread: unread}, nil
}

// bound makes requests end with the run.
func (r *run) bound(to http.RoundTripper) http.RoundTripper {
	if r.cluster.patience > 0 {
		to = &patient{to, &patience{whole: r.cluster.patience}}
	}
	return &bounded{to: &counting{to: to, count: &r.requests}, run: r.ctx}
}

// configuration is what Helm's actions work with.
func (r *run) configuration() (*action.Configuration, error) {
	caps, err := r.cluster.kinds.capabilities()
	if err != nil {
		return nil, err
	}
	conf := action.NewConfiguration(action.ConfigurationSetLogger(r.lines))
	conf.RESTClientGetter = getter{r}
	conf.Capabilities = caps
	conf.CustomTemplateFuncs = r.functions()
	conf.HookOutputFunc = func(string, string, string) io.Writer { return io.Discard }
	conf.Releases = storage.Init(r.storage)
	conf.Releases.SetLogger(slog.DiscardHandler)
	conf.KubeClient = r.client()
	return conf, nil
}

func (r *run) client() *client {
	c := &client{Client: helmkube.New(getter{r}), run: r}
	c.SetLogger(r.lines)
	c.WaitContext = r.ctx
	return c
}

// namespace is where objects go that name none: for an uninstall, where the
// release was, which may not be where the spec says now.
func (r *run) namespace() string {
	return cmp.Or(r.moved, release.Namespace(r.job.Object))
}

// restClient returns a client for the objects of a group and version.
func (r *run) restClient(gv schema.GroupVersion) (resource.RESTClient, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.clients[gv]; ok {
		return c, nil
	}
	config := rest.CopyConfig(r.config)
	config.ContentConfig = resource.UnstructuredPlusDefaultContentConfig()
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	c, err := rest.RESTClientForConfigAndClient(config, r.http)
	if err != nil {
		return nil, err
	}
	r.clients[gv] = c
	return c, nil
}

// getter gives Helm what the cluster shares, and the run's own connection.
type getter struct{ run *run }

// ToRESTConfig returns the configuration of the run.
func (g getter) ToRESTConfig() (*rest.Config, error) { return g.run.config, nil }

// ToDiscoveryClient returns the shared discovery.
func (g getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	found, _, err := g.run.cluster.kinds.clients()
	return found, err
}

// ToRESTMapper returns the shared mapper.
func (g getter) ToRESTMapper() (meta.RESTMapper, error) {
	_, mapper, err := g.run.cluster.kinds.clients()
	return mapper, err
}

// ToRawKubeConfigLoader returns a loader that knows the release's namespace.
func (g getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	var overrides clientcmd.ConfigOverrides
	overrides.Context.Namespace = g.run.namespace()
	return clientcmd.NewDefaultClientConfig(*clientcmdEmpty, &overrides)
}

// counting counts requests.
type counting struct {
	to    http.RoundTripper
	count *atomic.Int64
}

// RoundTrip counts and passes on.
func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.count.Add(1)
	return c.to.RoundTrip(req)
}

// bounded ends requests when a run ends.
type bounded struct {
	to  http.RoundTripper
	run context.Context
}

// RoundTrip passes on; the response can be read until the run ends.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(b.run, func() { cancel(b.run.Err()) })
	end := func() { stop(); cancel(nil) }
	resp, err := b.to.RoundTrip(req.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = &closing{resp.Body, end}
	return resp, nil
}

// closing calls end when a body is closed.
type closing struct {
	io.ReadCloser
	end func()
}

// Close closes the body.
func (c *closing) Close() error {
	defer c.end()
	return c.ReadCloser.Close()
}
