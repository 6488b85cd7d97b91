package controlplane

import (
	"context"
	"fmt"

	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// controllerManager prepares kube-controller-manager; the result runs it until its context ends.
func controllerManager(ctx context.Context, keys pki, kubeconfig, controllers string) (func(context.Context) error, error) {
	o, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, fmt.Errorf("configure kube-controller-manager: %w", err)
	}
	flags := o.Flags(kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases())
	o.ParsedFlags = &flags
	err = parseFlags("kube-controller-manager", flags, []string{
		"--kubeconfig=" + kubeconfig,
		"--controllers=" + controllers,
		"--leader-elect=false", "--secure-port=0", "--profiling=false",
		"--use-service-account-credentials=true", // its own certificate alone has too few rights
		"--service-account-private-key-file=" + keys.file("sa.key"),
		"--root-ca-file=" + keys.file("ca.crt"),
		"--cluster-signing-cert-file=" + keys.file("ca.crt"), "--cluster-signing-key-file=" + keys.file("ca.key"),
		"--kube-api-qps=-1", "--kube-api-burst=1000",
		"--controller-start-interval=0s",
	})
	if err != nil {
		return nil, err
	}
	c, err := o.Config(ctx, kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases())
	if err != nil {
		return nil, fmt.Errorf("configure kube-controller-manager: %w", err)
	}
	return func(ctx context.Context) error { return kcm.Run(ctx, c.Complete()) }, nil
}

// scheduler prepares kube-scheduler; the result runs it until its context ends.
func scheduler(ctx context.Context, kubeconfig string) (func(context.Context) error, error) {
	o := scheduleroptions.NewOptions()
	err := parseFlags("kube-scheduler", *o.Flags, []string{
		"--kubeconfig=" + kubeconfig,
		"--leader-elect=false", "--secure-port=0", "--profiling=false",
		"--kube-api-qps=1000", "--kube-api-burst=2000",
	})
	if err != nil {
		return nil, err
	}
	cc, sched, err := app.Setup(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("configure kube-scheduler: %w", err)
	}
	return func(ctx context.Context) error { return app.Run(ctx, cc, sched) }, nil
}
