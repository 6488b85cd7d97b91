package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Leader is how replicas agree on one that works.
type Leader struct {
	Enabled             bool
	Lease, Renew, Retry time.Duration
	Release             bool
}

// DefaultLeader has the durations of Flux.
var DefaultLeader = Leader{Lease: 35 * time.Second, Renew: 30 * time.Second, Retry: 5 * time.Second, Release: true}

// ServeConfig is what running in a cluster needs beside the App.
type ServeConfig struct {
	REST            *rest.Config
	Metrics, Health string // addresses; empty: none
	Leader          Leader
	Lease           string // name of the lock; those that share it take turns
	// StateDir keeps the identity of this replica over restarts, so that one
	// that comes back need not wait for its own lease to run out.
	StateDir string
	// Grace is how long runs, and actions on releases, may take to end once the
	// context has; a value from Hurry ends them at once.
	Grace time.Duration
	Hurry func() (<-chan os.Signal, func()) // begins to listen, and ends that; nil never hurries
	Log   *slog.Logger
}

// RuntimeNamespace is where this process runs: its pod's namespace.
func RuntimeNamespace() string { return cmp.Or(os.Getenv("RUNTIME_NAMESPACE"), "flux-system") }

// Serve runs the App with health and metrics endpoints until ctx ends, as soon
// as it is the leader. It returns an error when it loses that. It is ready when
// whoever comes for artifacts is answered: as the leader from its store, before
// that by the one that leads; a process without artifacts is ready at once.
func Serve(ctx context.Context, a *App, cfg ServeConfig) error {
	stop, err := endpoints(a, cfg)
	if err != nil {
		return err
	}
	defer stop()
	if !cfg.Leader.Enabled {
		return a.RunUntil(context.WithoutCancel(ctx), ctx.Done(), cfg)
	}
	return lead(ctx, a, cfg)
}

func endpoints(a *App, cfg ServeConfig) (stop func(), err error) {
	var servers []*http.Server
	stop = func() {
		for _, s := range servers {
			_ = s.Close()
		}
	}
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }
	health := http.NewServeMux()
	health.HandleFunc("GET /healthz", ok)
	health.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.files.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		ok(w, r)
	})
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	metrics.HandleFunc("/debug/pprof/", pprof.Index)
	metrics.HandleFunc("/debug/pprof/profile", pprof.Profile)
	metrics.HandleFunc("/debug/pprof/trace", pprof.Trace)
	for _, e := range []struct {
		addr string
		mux  *http.ServeMux
		flag string
	}{{cfg.Health, health, "--health-addr"}, {cfg.Metrics, metrics, "--metrics-addr"}} {
		if e.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", e.addr)
		if err != nil {
			stop()
			return nil, fmt.Errorf("listen on %s: %w; pass another %s", e.addr, err, e.flag)
		}
		srv := &http.Server{Handler: e.mux, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, srv)
		go func() { _ = srv.Serve(ln) }()
	}
	return stop, nil
}

func lead(ctx context.Context, a *App, cfg ServeConfig) error {
	client, err := kubernetes.NewForConfig(cfg.REST)
	if err != nil {
		return err
	}
	id, release, err := identity(cfg.StateDir)
	if err != nil {
		return err
	}
	defer release()
	stopped := ctx.Done()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the lease is kept while runs end
	defer cancel()
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, RuntimeNamespace(), cfg.Lease, client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: at(id, os.Getenv("POD_IP"), a.files.listener)})
	if err != nil {
		return err
	}
	result := make(chan error, 1)
	var led atomic.Bool
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: cfg.Leader.Lease, RenewDeadline: cfg.Leader.Renew, RetryPeriod: cfg.Leader.Retry,
		ReleaseOnCancel: cfg.Leader.Release, Name: cfg.Lease,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				led.Store(true)
				cfg.Log.Info("leading")
				result <- a.RunUntil(ctx, stopped, cfg)
				cancel()
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	a.files.follow(elector.GetLeader)
	a.files.serve()
	defer a.files.close()
	go func() {
		select {
		case <-stopped:
			if !led.Load() {
				cancel()
			}
		case <-ctx.Done():
		}
	}()
	elector.Run(ctx)
	if !led.Load() {
		return nil
	}
	select {
	case err := <-result:
		return err
	case <-time.After(cfg.Leader.Renew):
		return errors.New("lost the leader's lease, and a run did not end in time")
	}
}
