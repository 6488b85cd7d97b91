// Package kubetest gives tests a real Kubernetes API server, with controllers,
// a scheduler and simulated nodes. One control plane serves a whole test
// binary; it starts with the first test that asks for it, in about a second, as
// a child process (see Program).
//
//	func TestMain(m *testing.M) { kubetest.Main(m) }
//
//	func TestApply(t *testing.T) {
//		c := kubetest.Shared(t)
//		ns := kubetest.Namespace(t)
//		client := kubernetes.NewForConfigOrDie(c.Config)
//		...
//	}
//
// The child stops, and its data directory goes, when the test binary ends, also
// when that is killed. It must never be used outside tests.
package kubetest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/embedded/child"
)

const (
	startWithin = 2 * time.Minute
	stopWithin  = 30 * time.Second
)

// Cluster is a running control plane.
type Cluster struct {
	// Config has all rights and no rate limit. Copy it before changing it.
	Config *rest.Config
	// Kubeconfig is the path of a file with the same rights.
	Kubeconfig string
	// Process is the child.
	Process *child.Process
}

// Option changes how a control plane is started.
type Option func(*child.Options)

// WithoutControllers leaves kube-controller-manager out: faster to start, no
// garbage collection, no Deployment becomes Available.
func WithoutControllers(o *child.Options) { o.Controllers = child.NoControllers }

// WithoutScheduler leaves kube-scheduler out.
func WithoutScheduler(o *child.Options) { o.NoScheduler = true }

// WithoutNodes runs no simulated nodes: pods stay Pending.
func WithoutNodes(o *child.Options) { o.Nodes = 0 }

// APIOnly runs etcd and kube-apiserver and nothing else.
func APIOnly(o *child.Options) {
	WithoutControllers(o)
	WithoutScheduler(o)
	WithoutNodes(o)
}

// Nodes sets the number of simulated nodes; the default is one.
func Nodes(n int) Option { return func(o *child.Options) { o.Nodes = n } }

// Port sets the API server's port.
func Port(n int) Option { return func(o *child.Options) { o.Port = n } }

// DataDir keeps the data in this directory after the end.
func DataDir(dir string) Option {
	return func(o *child.Options) { o.DataDir, o.Remove = dir, false }
}

var shared struct {
	used    bool // Main was called
	quick   map[string]bool
	options []Option
	once    sync.Once
	cluster *Cluster
	err     error
}

// Main is the body of TestMain. The options are those of the shared cluster.
func Main(m *testing.M, options ...Option) {
	shared.used, shared.options = true, options
	code := m.Run()
	if shared.cluster != nil {
		shared.cluster.Stop()
	}
	os.Exit(code)
}

// Quick names the tests that use a cluster in the quick suite too; without it all
// do. Call it before Main.
//
//	func TestMain(m *testing.M) {
//		kubetest.Quick("TestInstall")
//		kubetest.Main(m)
//	}
func Quick(tests ...string) {
	shared.quick = make(map[string]bool, len(tests))
	for _, name := range tests {
		shared.quick[name] = true
	}
}

// SkipUnlessQuick leaves a test out of the quick suite if Quick does not name it.
func SkipUnlessQuick(t testing.TB) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	if testing.Short() && shared.quick != nil && !shared.quick[name] {
		t.Skip("not in the quick suite; go test without -short runs it")
	}
}

// Shared returns the test binary's one cluster.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	SkipUnlessQuick(t)
	if !shared.used {
		t.Fatal("kubetest.Shared needs: func TestMain(m *testing.M) { kubetest.Main(m) }")
	}
	shared.once.Do(func() { shared.cluster, shared.err = New(shared.options...) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// Start starts a cluster for this test alone.
func Start(t testing.TB, options ...Option) *Cluster {
	t.Helper()
	SkipUnlessQuick(t)
	c, err := New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// Stop stops the cluster and waits. Calling it twice is fine.
func (c *Cluster) Stop() { stop(c.Process) }

// New is Start for tests of what happens when it fails. The caller calls Stop.
func New(options ...Option) (*Cluster, error) {
	o := child.Options{Nodes: 1, Remove: true}
	for _, set := range options {
		set(&o)
	}
	if o.DataDir == "" {
		dir, err := os.MkdirTemp("", "leat-kubetest-")
		if err != nil {
			return nil, err
		}
		o.DataDir = dir
	}
	exe, err := Program()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	p, err := child.Start(ctx, exe, nil, o)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig())
	if err != nil {
		stop(p)
		return nil, fmt.Errorf("read %s: %w", p.Kubeconfig(), err)
	}
	config.QPS, config.Burst = -1, -1
	return &Cluster{Config: config, Kubeconfig: p.Kubeconfig(), Process: p}, nil
}

func stop(p *child.Process) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kubetest:", err)
	}
}
