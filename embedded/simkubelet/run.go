package simkubelet

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/internal/loop"
	"github.com/leat-dev/leat/embedded/internal/memnet"
)

// component is the source of events.
const component = "leat-simulation"

// Options says what to simulate, where.
type Options struct {
	// Config reaches the API server with all rights and no rate limit.
	Config *rest.Config
	// Nodes is the number of nodes. With 0 nothing is simulated.
	Nodes int
	// Version of Kubernetes, for nodeInfo.
	Version string
	// Network is where the API server looks for kubelets.
	Network *memnet.Network
	// EngineLog is the file that an engine on this machine writes, for the logs of
	// pods that stand for it; empty for none.
	EngineLog string
	// CertFile and KeyFile serve the kubelets' TLS.
	CertFile, KeyFile string
}

// Run creates the nodes and simulates until ctx ends.
func (o Options) Run(ctx context.Context) error {
	config := rest.CopyConfig(o.Config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.UserAgent = component
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("simulated nodes: %w", err)
	}
	pods := &podSim{client: client, nodes: o.Nodes, changed: newNews()}
	if err := pods.ensureNodes(ctx, o.Version); err != nil {
		return fmt.Errorf("create simulated nodes: %w", err)
	}
	if o.Nodes == 0 {
		<-ctx.Done()
		return nil
	}
	if err := ensureStorageClass(ctx, client); err != nil {
		return fmt.Errorf("create StorageClass %s: %w", StorageClass, err)
	}
	volumes := &volumeSim{client}
	podLoop := pods.loop()
	return o.simulate(ctx, newLogs(podLoop, pods.changed, o.EngineLog), podLoop, (&serviceSim{client: client}).loop(), volumes.claims(), volumes.volumes())
}

// simulate runs the loops and serves the kubelets' port.
func (o Options) simulate(ctx context.Context, logs *logs, loops ...*loop.Loop) error {
	server, err := o.kubelet(logs)
	if err != nil {
		return fmt.Errorf("serve simulated kubelets: %w", err)
	}
	var wg sync.WaitGroup
	for _, l := range loops {
		wg.Go(func() { l.Run(ctx) })
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(o.Network, "", "") }()
	select {
	case err = <-failed:
		err = fmt.Errorf("serve simulated kubelets: %w", err)
	case <-ctx.Done():
		_ = server.Close()
		wg.Wait()
	}
	return err
}

// exists turns "already exists" into success.
func exists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
