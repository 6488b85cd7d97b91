// Package controlplane runs a whole Kubernetes control plane inside this
// process: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and
// simulated nodes. It needs no root, no container runtime and no network: the
// API server listens on 127.0.0.1, everything else speaks through memory.
//
//	err := controlplane.Run(ctx, controlplane.Options{DataDir: dir, Nodes: 1}, func(i controlplane.Info) {
//		fmt.Println("KUBECONFIG=" + i.Kubeconfig)
//	})
//
// Kubernetes keeps flags, metrics and feature gates in globals, so Run works
// once per process: a program that wants two starts two processes (see package
// child).
//
// It must never listen on an address that other machines reach, start a
// container, or touch a file outside Options.DataDir.
package controlplane

import (
	"errors"
	"io"
	"time"
)

// Version is the Kubernetes version that is linked in and that the API server
// reports, with the leading v.
const Version = "v1.36.4"

// None as Options.Controllers leaves kube-controller-manager out.
const None = "none"

// DefaultControllers is the list for kube-controller-manager's --controllers
// when Options.Controllers is empty: all that make sense without real
// machines. Left out are those that need a cloud, a metrics server or a real
// kubelet, and the namespace and node lifecycle controllers, whose work
// simkubelet does without their waiting times.
const DefaultControllers = "*," +
	"-bootstrap-signer-controller,-token-cleaner-controller,-node-ipam-controller,-node-lifecycle-controller," +
	"-taint-eviction-controller,-device-taint-eviction-controller,-namespace-controller," +
	"-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller,-ephemeral-volume-controller," +
	"-horizontal-pod-autoscaler-controller,-ttl-controller,-selinux-warning-controller," +
	"-legacy-serviceaccount-token-cleaner-controller,-resourceclaim-controller"

// Options says what to run. The zero value of every field but DataDir is useful.
type Options struct {
	// DataDir keeps the cluster between runs: keys, etcd, kubeconfig, lock.
	// It is created when missing; one control plane at a time may use it.
	DataDir string
	// Port of the API server on 127.0.0.1. 0 takes the port of the last run
	// when it is free, else any free one.
	Port int
	// Nodes is how many simulated nodes there are; 0 runs none, and pods stay Pending.
	Nodes int
	// Controllers is kube-controller-manager's --controllers list; empty means
	// DefaultControllers, None means not to run it.
	Controllers string
	// EngineLog is the file that an engine on this machine writes: it is the log of
	// pods that stand for the engine. Empty for none.
	EngineLog string
	// NoScheduler leaves kube-scheduler out.
	NoScheduler bool
	// Fsync makes etcd wait for the disk on every write. Without it a crash of
	// the machine (not of the process) may lose the newest writes.
	Fsync bool
	// Verbosity of the components' logs, as in kubectl -v.
	Verbosity int
	// Log receives the components' logs and the step timings; nil discards them.
	Log io.Writer
}

// Info describes a control plane that is ready.
type Info struct {
	// Server is the URL of the API server, such as https://127.0.0.1:43211.
	Server string
	// Kubeconfig is the path of a file with cluster-admin credentials.
	Kubeconfig string
	// Version is the Kubernetes version, such as v1.36.4.
	Version string
	// PID of the process that runs it: this one.
	PID int
	// Startup is the time from the call of Run until it was ready.
	Startup time.Duration
}

func (o Options) withDefaults() (Options, error) {
	if o.DataDir == "" {
		return o, errors.New("the control plane needs a data directory: set --data-dir")
	}
	if o.Controllers == "" {
		o.Controllers = DefaultControllers
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o, nil
}
