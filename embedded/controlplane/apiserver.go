package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/pflag"
	apimachineryversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	basecompatibility "k8s.io/component-base/compatibility"
	logsapi "k8s.io/component-base/logs/api/v1"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/leat-dev/leat/embedded/internal/certauth"
	"github.com/leat-dev/leat/embedded/internal/memnet"
	"github.com/leat-dev/leat/embedded/simservice"
)

// apiserver is what kube-apiserver needs from the rest.
type apiserver struct {
	keys     pki
	listener net.Listener
	networks networks
	webhooks *simservice.Webhooks
	opts     Options
	seeding  seeding
}

// networks are where the API server connects to.
type networks struct{ storage, nodes, services *memnet.Network }

// run serves until ctx ends.
func (a apiserver) run(ctx context.Context) error {
	opts, err := a.options(ctx)
	if err != nil {
		return err
	}
	config, err := kubeapiserver.NewConfig(opts)
	if err != nil {
		return fmt.Errorf("configure kube-apiserver: %w", err)
	}
	if err := a.adapt(config); err != nil {
		return err
	}
	completed, err := config.Complete()
	if err != nil {
		return fmt.Errorf("configure kube-apiserver: %w", err)
	}
	server, err := kubeapiserver.CreateServerChain(completed)
	if err != nil {
		return fmt.Errorf("create kube-apiserver: %w", err)
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return fmt.Errorf("prepare kube-apiserver: %w", err)
	}
	return prepared.Run(ctx)
}

// options are those of the command line, plus what has no flag.
func (a apiserver) options(ctx context.Context) (options.CompletedOptions, error) {
	s := options.NewServerRunOptions()
	flags := s.Flags()
	if err := parseFlags("kube-apiserver", flags, a.args()); err != nil {
		return options.CompletedOptions{}, err
	}
	s.SecureServing.Listener = a.listener
	s.Etcd.StorageConfig.Transport.EgressLookup = a.networks.storage.Egress
	s.Admission.GenericAdmission.Decorators = append(admission.Decorators{a.webhooks}, s.Admission.GenericAdmission.Decorators...)
	registry := s.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("set feature gates: %w", err)
	}
	streams := &logsapi.LoggingOptions{ErrorStream: a.opts.Log, InfoStream: a.opts.Log}
	gates := registry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := logsapi.ValidateAndApplyWithOptions(s.Logs, streams, gates); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("set up logging: %w", err)
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := s.Complete(ctx)
	if err != nil {
		return completed, fmt.Errorf("complete kube-apiserver options: %w", err)
	}
	return completed, errors.Join(completed.Validate()...)
}

func (a apiserver) args() []string {
	return []string{
		"--etcd-servers=" + etcdEndpoint,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(portOf(a.listener)),
		"--endpoint-reconciler-type=none", // the others refuse a loopback address
		"--tls-cert-file=" + a.keys.file("apiserver.crt"), "--tls-private-key-file=" + a.keys.file("apiserver.key"),
		"--client-ca-file=" + a.keys.file("ca.crt"),
		"--requestheader-client-ca-file=" + a.keys.file("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + a.keys.file("front-proxy-client.crt"),
		"--proxy-client-key-file=" + a.keys.file("front-proxy-client.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + a.keys.file("sa.key"),
		"--service-account-key-file=" + a.keys.file("sa.key"),
		"--service-cluster-ip-range=" + serviceCIDR,
		"--authorization-mode=Node,RBAC",
		"--disable-admission-plugins=TaintNodesByCondition", // simulated nodes are ready when created
		"--allow-privileged=true",
		"--kubelet-preferred-address-types=InternalIP", // never resolve simulated node names over DNS
		"--profiling=false",
		"--v=" + strconv.Itoa(a.opts.Verbosity),
	}
}

// adapt changes what has no flag: the version, who clients are, the
// ways to nodes and Services, and the hooks that write the built-in objects.
func (a apiserver) adapt(config *kubeapiserver.Config) error {
	generic := config.KubeAPIs.ControlPlane.Generic
	for _, c := range []*basecompatibility.EffectiveVersion{
		&generic.EffectiveVersion,
		&config.ApiExtensions.GenericConfig.EffectiveVersion,
		&config.Aggregator.GenericConfig.EffectiveVersion,
	} {
		*c = released{*c}
	}
	// The aggregator is in front of all three and authenticates for them.
	authentication := &config.Aggregator.GenericConfig.Authentication
	authentication.Authenticator = certauth.Once(authentication.Authenticator)
	config.KubeAPIs.Extra.KubeletClientConfig.Lookup = a.networks.nodes.Egress
	// What the API server sends to Services and pods must not leave this process.
	config.KubeAPIs.ControlPlane.ProxyTransport.DialContext = a.networks.services.DialContext
	extensions := &config.ApiExtensions.ExtraConfig
	extensions.AuthResolverWrapper = chain(extensions.AuthResolverWrapper, a.webhooks.Wrap)
	a.webhooks.Resolve = extensions.ServiceResolver.ResolveEndpoint
	return a.seeding.install(generic)
}

func chain(first, second webhook.AuthenticationInfoResolverWrapper) webhook.AuthenticationInfoResolverWrapper {
	return func(r webhook.AuthenticationInfoResolver) webhook.AuthenticationInfoResolver { return second(first(r)) }
}

// released is a component version that reports the release which is linked in;
// without linker flags the Go modules call themselves v0.0.0-master.
type released struct {
	basecompatibility.EffectiveVersion
}

func (r released) Info() *apimachineryversion.Info {
	info := r.EffectiveVersion.Info()
	if info != nil {
		info.GitVersion, info.GitCommit, info.GitTreeState = Version, "module", "clean"
	}
	return info
}

// parseFlags sets a component's options from command-line flags.
func parseFlags(component string, sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet(component, pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	if err := all.Parse(args); err != nil {
		return fmt.Errorf("set %s flags: %w", component, err)
	}
	return nil
}
