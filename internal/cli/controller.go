package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/collect"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// controllerFlags are those of Flux's controllers, with their meaning.
type controllerFlags struct {
	kubeconfig string
	scope      struct {
		all      bool
		selector string
	}
	concurrent, concurrentSources int
	engine                        engineFlags
	remotes                       remoteFlags
	components                    []string
	requireApproval               string
	access                        bool
	logLevel, logEncoding         string
	metricsAddr, healthAddr       string
	storagePath, storageAddr      string
	storageAdvAddr                string
	leader                        leaderFlags
	grace                         time.Duration
}

// engineFlags decide how units converge.
type engineFlags struct {
	noCrossNamespace, noRemoteBases bool
	defaultServiceAccount           string
	actAsControllers                bool
	overrideManagers                []string
	customStages                    string
	features                        map[string]bool
	charts                          chartFlags
}

func newController(env Env) *cobra.Command {
	f := &controllerFlags{}
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run the engine in a cluster",
		Long: `Run the engine: all kinds of Flux in one process, for the cluster that the
kubeconfig (or the pod's ServiceAccount) points at. The flags are those of Flux's
controllers. It ends gracefully on SIGTERM.`,
		Example: `  leat controller --kubeconfig ~/.kube/config
  leat controller --enable-leader-election --no-cross-namespace-refs --default-service-account=default`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runController(cmd.Context(), env, f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *controllerFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: $KUBECONFIG, else the pod's ServiceAccount)")
	fs.BoolVar(&f.scope.all, "watch-all-namespaces", true, "watch all namespaces; false: only the one in $RUNTIME_NAMESPACE")
	fs.StringVar(&f.scope.selector, "watch-label-selector", "", "reconcile only objects with these labels, for sharding")
	fs.StringSliceVar(&f.components, "components", nil, "reconcile only the kinds of these controllers of Flux (default: all)")
	fs.BoolVar(&f.access, "access", false, "grant temporary rights to those who ask and are approved, as the installation of $RUNTIME_NAMESPACE (docs/access.md)")
	fs.StringVar(&f.requireApproval, "require-approval", "", "NAMESPACE/NAME of the ConfigMap that says whose approval every Kustomization and HelmRelease needs (docs/approvals.md)")
	fs.IntVar(&f.concurrent, "concurrent", 20, "Kustomizations and HelmReleases converged at once")
	fs.IntVar(&f.concurrentSources, "concurrent-sources", 10, "sources fetched at once")
	fs.StringVar(&f.logLevel, "log-level", "info", "trace, debug, info or error")
	fs.StringVar(&f.logEncoding, "log-encoding", "json", "json or console")
	fs.StringVar(&f.metricsAddr, "metrics-addr", ":8080", "where metrics are served; empty: nowhere")
	fs.StringVar(&f.healthAddr, "health-addr", ":9440", "where /healthz and /readyz are served; empty: nowhere")
	fs.StringVar(&f.storagePath, "storage-path", cmp.Or(os.Getenv("STORAGE_PATH"), "/data"), "directory of fetched objects and artifacts")
	fs.StringVar(&f.storageAddr, "storage-addr", cmp.Or(os.Getenv("STORAGE_ADDR"), ":9090"), "where artifacts are served")
	fs.StringVar(&f.storageAdvAddr, "storage-adv-addr", os.Getenv("STORAGE_ADV_ADDR"), "host under which others fetch artifacts")
	fs.DurationVar(&f.grace, "graceful-shutdown-timeout", 600*time.Second, "how long runs and actions on releases may take to end after SIGTERM; a second signal ends them at once")
	f.leader.register(fs)
	f.engine.register(fs)
	f.remotes.register(fs)
	ignored(fs)
}

func (f *engineFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.noCrossNamespace, "no-cross-namespace-refs", false, "refuse references to other namespaces")
	fs.BoolVar(&f.noRemoteBases, "no-remote-bases", false, "refuse http and git resources in kustomizations")
	fs.StringVar(&f.defaultServiceAccount, "default-service-account", "", "ServiceAccount to act as where a unit names none")
	fs.BoolVar(&f.actAsControllers, "act-as-controllers", false, "act as kustomize-controller and helm-controller of $RUNTIME_NAMESPACE where a unit names no ServiceAccount")
	fs.StringSliceVar(&f.overrideManagers, "override-manager", nil, "field managers whose fields are taken over (repeatable)")
	fs.StringVar(&f.customStages, "custom-apply-stage-kinds", "", "kinds applied in a stage of their own: group/Kind,…")
	fs.Var(&gates{&f.features}, "feature-gates", "feature gates of Flux's controllers: Name=true,…")
	f.charts.register(fs)
}

// ignored accepts flags of Flux's controllers that have nothing to set here, so
// that their Deployments' arguments keep working.
func ignored(fs *pflag.FlagSet) {
	for _, name := range []string{
		"events-addr", "requeue-dependency", "concurrent-ssa", "kube-api-qps", "kube-api-burst", "min-retry-delay",
		"max-retry-delay", "interval-jitter-percentage", "http-retry", "artifact-retention-ttl", "artifact-retention-records",
		"artifact-digest-algo", "watch-configs-label-selector", "token-cache-max-size", "token-cache-max-duration",
		"snapshot-digest-algo", "http-timeout", "oom-watch-interval", "oom-watch-memory-threshold", "oom-watch-max-memory-path",
		"oom-watch-current-memory-path",
	} {
		fs.String(name, "", "accepted for compatibility; it has nothing to set here")
		if err := fs.MarkHidden(name); err != nil {
			panic(err) // unreachable: the flag was just made
		}
	}
}

// How garbage is collected: the engine keeps little and makes much, so a larger heap
// is cheap and saves a tenth of its processor time.
const (
	engineGrowth = 250       // percent
	engineFrugal = 128 << 20 // bytes
)

func runController(ctx context.Context, env Env, f *controllerFlags) error {
	log, err := newLogger(env.Err, f.logLevel, f.logEncoding)
	if err != nil {
		return err
	}
	klog.SetSlogLogger(log)
	memory := limitMemory(log)
	collect.Late(engineGrowth, engineFrugal)
	options, err := f.engine.options(log)
	if err != nil {
		return err
	}
	options.DefaultKubeConfigAccount = f.remotes.account
	if options.Approvals.Rules, err = approvalRules("--require-approval", f.requireApproval); err != nil {
		return err
	}
	scope := controller.Scope{Selector: f.scope.selector}
	if !f.scope.all {
		if scope.Namespace = os.Getenv("RUNTIME_NAMESPACE"); scope.Namespace == "" {
			return usage("--watch-all-namespaces=false needs the environment variable RUNTIME_NAMESPACE")
		}
	}
	kinds, err := componentKinds(f.components)
	if err != nil {
		return err
	}
	cfg, err := clusterConfig(f.kubeconfig)
	if err != nil {
		return err
	}
	a, err := app.New(app.Config{
		REST: cfg, Options: options, Scope: scope, Kinds: kinds, Applying: f.concurrent, Fetching: f.concurrentSources,
		DataDir: f.storagePath, Artifacts: f.storageAddr, Advertise: f.storageAdvAddr, Log: log,
		Isolate: isolation(log, memory), Remotes: app.Remotes{Allowed: true, Allow: f.remotes.allow}, Access: f.accessNamespace(),
	})
	if err != nil {
		return err
	}
	return app.Serve(ctx, a, app.ServeConfig{
		REST: cfg, Metrics: f.metricsAddr, Health: f.healthAddr, Leader: f.leader.config(), Lease: leaseOf(f.components), StateDir: f.storagePath,
		Grace: f.grace, Hurry: hurry, Log: log,
	})
}

// accessNamespace is that of the installation which grants access; empty grants none.
func (f *controllerFlags) accessNamespace() string {
	if !f.access {
		return ""
	}
	return app.RuntimeNamespace()
}

// approvalRules reads the name of a ConfigMap with rules; empty is none.
func approvalRules(flag, name string) (object.Key, error) {
	namespace, name, found := strings.Cut(name, "/")
	switch {
	case !found && namespace == "":
		return object.Key{}, nil
	case namespace == "" || name == "" || strings.Contains(name, "/"):
		return object.Key{}, usage("%s: want NAMESPACE/NAME of a ConfigMap", flag)
	}
	return object.Key{Kind: "ConfigMap", Namespace: namespace, Name: name}, nil
}

// hurry listens for the signal after the one that stopped the process.
func hurry() (signals <-chan os.Signal, end func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	return c, func() { signal.Stop(c) }
}

func (f *engineFlags) options(log *slog.Logger) (engine.Options, error) {
	stages, err := plan.ParseStageKinds(f.customStages)
	if err != nil {
		return engine.Options{}, usage("--custom-apply-stage-kinds: %v", err)
	}
	on := func(gate string, byDefault bool) bool {
		if v, set := f.features[gate]; set {
			return v
		}
		return byDefault
	}
	var acting engine.Acting
	if f.actAsControllers {
		acting = engine.ActAsControllers(app.RuntimeNamespace())
	}
	if err := f.charts.check(); err != nil {
		return engine.Options{}, err
	}
	o := engine.Options{
		Acting: acting, NoCrossNamespaceRefs: f.noCrossNamespace, NoRemoteBases: f.noRemoteBases,
		DefaultServiceAccount: f.defaultServiceAccount, OverrideManagers: f.overrideManagers, CustomStages: stages,
		Strict: on("StrictPostBuildSubstitutions", true), FailFast: !on("DisableFailFastBehavior", false),
		AdditiveReadyExpr:          on("AdditiveCELDependencyCheck", false),
		DefaultToRetryOnFailure:    on("DefaultToRetryOnFailure", false),
		DisableChartDigestTracking: on("DisableChartDigestTracking", false),
		HelmGates:                  helm.Gates{Helm3Defaults: on("UseHelm3Defaults", false), DNS: on("AllowDNSLookups", false)},
		Log:                        log,
	}
	f.charts.into(&o)
	return o, nil
}

// clusterConfig finds the cluster: the flag, $KUBECONFIG, the pod's account.
func clusterConfig(path string) (*rest.Config, error) {
	if path == "" {
		path = os.Getenv("KUBECONFIG")
	}
	if path == "" {
		cfg, err := rest.InClusterConfig()
		if err == nil {
			return cfg, nil
		}
		if !errors.Is(err, rest.ErrNotInCluster) {
			return nil, err
		}
		return nil, errors.New("no cluster: pass --kubeconfig, set KUBECONFIG, or run in a pod")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	return cfg, nil
}

// newLogger writes the keys that Flux's logs have: ts, level, msg, error.
func newLogger(w io.Writer, level, encoding string) (*slog.Logger, error) {
	var at slog.Level
	switch level {
	case "trace", "debug":
		at = slog.LevelDebug
	case "info":
		at = slog.LevelInfo
	case "error":
		at = slog.LevelError
	default:
		return nil, usage("--log-level %q: want trace, debug, info or error", level)
	}
	options := &slog.HandlerOptions{Level: at, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			return slog.String("ts", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		case slog.LevelKey:
			return slog.String("level", levelName(a.Value.Any()))
		}
		return a
	}}
	switch encoding {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "console":
		return slog.New(slog.NewTextHandler(w, options)), nil
	default:
		return nil, usage("--log-encoding %q: want json or console", encoding)
	}
}

func levelName(v any) string {
	switch v {
	case slog.LevelError:
		return "error"
	case slog.LevelDebug:
		return "debug"
	default:
		return "info"
	}
}
