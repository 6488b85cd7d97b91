package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/internal/memnet"
	"github.com/leat-dev/leat/embedded/simkubelet"
	"github.com/leat-dev/leat/embedded/simservice"
)

var ran atomic.Bool

// Run starts the control plane, calls ready once it is usable, and blocks until
// ctx ends or a component fails. It stops the components in order before it
// returns; after an error the process should exit, since components that hang
// are left behind. Errors say what a person can do.
func Run(ctx context.Context, o Options, ready func(Info)) error {
	start := time.Now()
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if ran.Swap(true) {
		return errors.New("controlplane.Run was called before in this process; Kubernetes' globals allow it once: start another process")
	}
	dir, err := openDir(o.DataDir)
	if err != nil {
		return err
	}
	defer dir.close()
	c := &cluster{opts: o, dir: dir, keys: pki{dir.join("pki")}, timeline: timeline{start, o.Log}, failed: make(chan error, 8)}
	if err := c.run(ctx, ready); err != nil && ctx.Err() == nil {
		fmt.Fprintf(o.Log, "leat: control plane failed: %v\n", err)
		return err
	}
	return nil
}

// cluster is one run of a control plane.
type cluster struct {
	timeline
	opts   Options
	dir    *dataDir
	keys   pki
	server string     // URL of the API server
	failed chan error // a component that ended by itself
	broken bool       // one has, so the others are not waited for

	networks  networks
	announcer *simservice.Announcer
}

func (c *cluster) run(ctx context.Context, ready func(Info)) error {
	if err := c.keys.ensure(time.Now()); err != nil {
		return err
	}
	port, err := c.dir.listen(c.opts.Port)
	if err != nil {
		return err
	}
	listener := trackConns(port)
	c.server = fmt.Sprintf("https://127.0.0.1:%d", portOf(listener))
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	c.step("certificates and port %s", c.server)

	store := newEtcd(c.opts.Log)
	c.networks = networks{storage: store.network, nodes: memnet.New(), services: memnet.New()}
	c.announcer = simservice.NewAnnouncer()
	api := c.launch("kube-apiserver", apiserver{
		keys: c.keys, listener: listener, networks: c.networks,
		webhooks: &simservice.Webhooks{Answered: c.announcer.Answered},
		opts:     c.opts, seeding: seedingFor(c.dir.seededBy()),
	}.run)
	if err := store.start(ctx, c.dir.join("etcd"), c.opts.Fsync); err != nil {
		api.cancel() // it waits for etcd in vain and may not even notice
		return err
	}
	c.step("etcd serves")
	defer c.stopStore(store)
	go store.watch(c.failed)
	defer func() {
		drained := time.AfterFunc(drain, listener.closeAll)
		defer drained.Stop()
		api.stop(c, apiStop)
	}()
	return c.serve(ctx, ready)
}

// serve runs what needs the API server, until ctx ends.
func (c *cluster) serve(ctx context.Context, ready func(Info)) error {
	admin := c.keys.adminConfig(c.server)
	if err := c.waitReadyz(ctx, admin); err != nil {
		return err
	}
	c.step("kube-apiserver is ready")
	if err := c.dir.markSeeded(); err != nil {
		return fmt.Errorf("mark the data directory: %w", err)
	}
	clients, err := c.launchClients(ctx, admin)
	defer stopAll(c, clients)
	if err != nil {
		return err
	}
	if err := c.waitUsable(ctx, admin); err != nil {
		return err
	}
	c.step("ready")
	ready(Info{
		Server: c.server, Kubeconfig: c.dir.join("kubeconfig"), Version: Version,
		PID: os.Getpid(), Startup: time.Since(c.start),
	})
	select {
	case <-ctx.Done():
		c.step("stopping")
		return nil
	case err := <-c.failed:
		c.broken = true
		return err
	}
}

// launchClients starts the components that talk to the API server. On an error
// it returns those that were started.
func (c *cluster) launchClients(ctx context.Context, admin *rest.Config) (parts []*part, err error) {
	sim := simkubelet.Options{
		Config: admin, Nodes: c.opts.Nodes, Version: Version, Network: c.networks.nodes, EngineLog: c.opts.EngineLog,
		CertFile: c.keys.file("apiserver.crt"), KeyFile: c.keys.file("apiserver.key"),
	}
	parts = append(parts, c.launch("simulated nodes", sim.Run), c.launch("simulated services", c.services(admin)))
	if c.opts.Controllers != None {
		run, err := controllerManager(ctx, c.keys, c.dir.join("controller-manager.kubeconfig"), c.opts.Controllers)
		if err != nil {
			return parts, err
		}
		parts = append(parts, c.launch("kube-controller-manager", run), c.launch("namespaces", namespaces(admin)))
	}
	if !c.opts.NoScheduler {
		run, err := scheduler(ctx, c.dir.join("scheduler.kubeconfig"))
		if err != nil {
			return parts, err
		}
		parts = append(parts, c.launch("kube-scheduler", run))
	}
	return parts, nil
}

func (c *cluster) writeKubeconfigs() error {
	return errors.Join(
		c.keys.writeKubeconfig(c.dir.join("controller-manager.kubeconfig"), c.server, "controller-manager"),
		c.keys.writeKubeconfig(c.dir.join("scheduler.kubeconfig"), c.server, "scheduler"),
		c.keys.writeKubeconfig(c.dir.join("kubeconfig"), c.server, "admin"),
	)
}
