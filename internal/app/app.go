// Package app wires the parts of Leat together; it holds no rules.
//
//	a, err := app.New(app.Config{REST: cfg, DataDir: dir, Log: log})
//	err = a.Run(ctx)
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/dynamic"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/source/artifact"
	"github.com/leat-dev/leat/internal/source/bases"
	"github.com/leat-dev/leat/internal/source/charts"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/live"
)

// Config is what an App is made of.
type Config struct {
	REST    *rest.Config
	Options engine.Options
	Scope   controller.Scope
	// Applying and Fetching bound the runs at once of the two classes.
	Applying, Fetching int
	// DataDir holds fetched objects and artifacts.
	DataDir string
	// Artifacts is where the artifact server listens, "" for nowhere; Advertise
	// is the host under which others reach it, "" for the address it got.
	Artifacts, Advertise string
	// Local reads some addresses from this machine; nil reads none.
	Local Local
	// Bases brings what kustomizations name by URL; nil fetches it.
	Bases build.RemoteFetcher
	// Offline refuses every remote that Local does not have.
	Offline bool
	// Remotes lets units work in other clusters; the zero value does not.
	Remotes Remotes
	// Isolate starts children for work that may take a process down; nil does
	// it in this process. Its command must end in ServeIsolated.
	Isolate *isolate.Config
	Kinds   []unit.Kind // nil: all
	// Access grants temporary rights as an installation in this namespace; empty does not.
	Access   string
	Log      *slog.Logger
	Finished func(controller.Run)
	Removed  func(object.Key)
}

// Local reads addresses from this machine.
type Local interface {
	engine.Git
	// OpenOCI opens what stands for the repository of an oci:// address.
	OpenOCI(url string) (oci.Reader, error)
	// ChartFolder returns what stands for a repository of charts.
	ChartFolder(url string) (charts.Folder, error)
	// Offline words the refusal of an address that is not here.
	Offline(url string) error
}

// App is an engine with its ports.
type App struct {
	Controller *controller.Controller
	access     *controller.Access // nil: none is granted
	World      *cluster.World
	Requests   *cluster.Counter

	registry *prometheus.Registry
	metrics  *metrics
	store    *artifact.Store
	pool     *git.Pool
	images   *oci.Pool
	helm     *helm.Cluster
	children *isolate.Pool
	heavy    *heavy // builds that are too much for this process; nil does them here
	charts   *charts.Pool
	files    artifacts
	log      *slog.Logger
}

// buildMemory bounds what the build cache keeps, in bytes.
const buildMemory = 64 << 20

// New makes the parts. Nothing is asked of the cluster yet; the artifact server
// listens already, because its address stands in every artifact.
func New(cfg Config) (a *App, err error) {
	a = &App{log: cfg.Log, Requests: &cluster.Counter{}, registry: prometheus.NewRegistry()}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.metrics = newMetrics(a.registry)
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := a.storage(cfg); err != nil {
		return nil, err
	}
	restCfg := rest.CopyConfig(cfg.REST)
	restCfg.QPS = -1
	restCfg.WarningHandler = rest.NoWarnings{} // deprecations are for people who write manifests, not for each of our requests
	client, err := rest.HTTPClientFor(restCfg)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.REST.Host, err)
	}
	if a.World, err = cluster.New(restCfg, cluster.Options{Client: client, Observe: a.observe}); err != nil {
		return nil, err
	}
	own, err := watchers(restCfg, client, world.Identity{})
	if err != nil {
		return nil, err
	}
	managed, err := watchers(restCfg, client, cfg.Options.Acting.Kustomize)
	if err != nil {
		return nil, err
	}
	releases, err := watchers(restCfg, client, cfg.Options.Acting.Helm)
	if err != nil {
		return nil, err
	}
	if a.helm, err = helm.Connect(restCfg); err != nil {
		return nil, err
	}
	a.isolation(cfg.Isolate)
	events, err := corev1.NewForConfigAndClient(protobuf(restCfg), client)
	if err != nil {
		return nil, err
	}
	if cfg.Access != "" {
		if a.access, err = a.grants(cfg, restCfg, client, accessClients{own, managed, events}); err != nil {
			return nil, err
		}
	}
	kinds := cfg.Kinds
	if kinds == nil {
		kinds = unit.Kinds
	}
	a.Controller = controller.New(controller.Config{
		World: discovering{a.World, a.helm}, Clients: own, Managed: managed, Releases: releases, Events: events, Engine: a.engine(cfg), Kinds: kinds,
		Scope: cfg.Scope, Limits: sched.Limits{"apply": cfg.Applying, "source": cfg.Fetching},
		Dial: a.dialer(cfg, restCfg), Log: cfg.Log, Finished: a.finished(cfg.Finished), Removed: a.removed(cfg.Removed),
	})
	return a, nil
}

// watchers returns the clients that watch in the name of an identity, over the
// connections of client.
func watchers(cfg *rest.Config, client *http.Client, as world.Identity) (c controller.Clients, err error) {
	watching := *client
	watching.Transport = live.Soon(cluster.Impersonating(client.Transport, as))
	if c.Dynamic, err = dynamic.NewForConfigAndClient(cfg, &watching); err != nil {
		return c, err
	}
	c.Metadata, err = metadata.NewForConfigAndClient(cfg, &watching)
	return c, err
}

func (a *App) observe(r cluster.Request) {
	a.Requests.Observe(r)
	a.metrics.request(r)
}

// finished counts a run and tells next, which may be nil.
func (a *App) finished(next func(controller.Run)) func(controller.Run) {
	return func(r controller.Run) {
		a.metrics.finished(r)
		if next != nil {
			next(r)
		}
	}
}

func (a *App) removed(next func(object.Key)) func(object.Key) {
	return func(key object.Key) {
		a.metrics.removed(key)
		if next != nil {
			next(key)
		}
	}
}

func protobuf(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	return cfg
}

func (a *App) engine(cfg Config) *engine.Engine {
	port := storePort{a.store}
	remote := cfg.Bases
	if remote == nil {
		remote = bases.New(a.pool, bases.Options{})
	}
	return &engine.Engine{
		Remote: remote, Expect: expectation(), Options: cfg.Options, Trees: port, Store: port,
		Builds: build.NewCache(build.Limits{Bytes: buildMemory}).Elsewhere(a.heavy.apart()),
		Git:    router{local: cfg.Local, remote: &gitPort{a.pool, &checkouts{}}, offline: cfg.Offline},
		OCI:    registries{local: cfg.Local, pool: a.images, offline: cfg.Offline},
		Helm:   engine.Driving(a.helm),
		Charts: chartRepositories{local: cfg.Local, pool: a.charts, offline: cfg.Offline},
	}
}

// storage opens the artifact store, its server, and the pool of remotes.
func (a *App) storage(cfg Config) error {
	host := cfg.Advertise
	if cfg.Artifacts != "" {
		ln, err := net.Listen("tcp", cfg.Artifacts)
		if err != nil {
			return fmt.Errorf("serve artifacts on %s: %w; pass another --storage-addr", cfg.Artifacts, err)
		}
		a.files.listener = ln
		if host == "" {
			host = ln.Addr().String()
		}
	}
	var err error
	if a.store, err = artifact.NewStore(filepath.Join(cfg.DataDir, "artifacts"), artifact.Options{Host: host}); err != nil {
		return err
	}
	a.files.store, a.files.log = a.store.Handler(), a.log
	a.images = oci.NewPool(oci.Options{Contents: a.store.Contents})
	a.charts = charts.NewPool(charts.Options{MaxIndex: cfg.Options.MaxIndex, MaxChart: cfg.Options.ChartLimits.Packed})
	a.pool, err = git.NewPool(filepath.Join(cfg.DataDir, "git"), git.Options{Unused: git.UnusedFor})
	return err
}

// Run works until ctx ends; then everything has stopped.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	a.files.serve()
	a.files.leads.Store(true)
	defer a.files.leads.Store(false)
	return a.work(ctx)
}

func (a *App) close() {
	a.files.close()
	if a.children != nil {
		a.children.Close()
	}
	a.heavy.close()
	if a.pool != nil {
		_ = a.pool.Close()
	}
	if a.images != nil {
		_ = a.images.Close()
	}
	if a.charts != nil {
		a.charts.Close()
	}
	if a.store != nil {
		_ = a.store.Close()
	}
}
