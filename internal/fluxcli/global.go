package fluxcli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// global is the flags that all verbs share: those of kubectl and a few more.
type global struct {
	kube     *genericclioptions.ConfigFlags
	timeout  time.Duration
	verbose  bool
	follow   bool
	qps      float32
	burst    int
	ignored  string // an invalid $FLUX_SYSTEM_NAMESPACE
	assigned string // the default namespace
}

// SharedFlags are the flags that all verbs have.
func SharedFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("flux", pflag.ContinueOnError)
	g := newGlobal()
	g.kube.CacheDir = new("~/.kube/cache") // not this machine's
	g.register(fs)
	return fs
}

// Config says how to reach the cluster that the shared flags among these name: for
// verbs of others that are mounted with them.
func Config(fs *pflag.FlagSet) (*rest.Config, error) {
	g, own := newGlobal(), pflag.NewFlagSet("flux", pflag.ContinueOnError)
	g.register(own)
	var wrong error
	fs.Visit(func(f *pflag.Flag) {
		known := own.Lookup(f.Name)
		if known == nil || known.Value.Type() != f.Value.Type() {
			return
		}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			wrong = errors.Join(wrong, known.Value.(pflag.SliceValue).Replace(many.GetSlice()))
			return
		}
		wrong = errors.Join(wrong, known.Value.Set(f.Value.String()))
	})
	if wrong != nil {
		return nil, wrong
	}
	return g.config()
}

func newGlobal() *global {
	g := &global{kube: genericclioptions.NewConfigFlags(false), assigned: install.DefaultNamespace}
	g.kube.APIServer, g.kube.Timeout = new(string), nil
	if set := os.Getenv("FLUX_SYSTEM_NAMESPACE"); set != "" {
		if len(validation.IsDNS1123Label(set)) == 0 {
			g.assigned = set
		} else {
			g.ignored = set
		}
	}
	*g.kube.Namespace = g.assigned
	return g
}

// register adds the flags. -s of --server is left to verbs that have --silent.
func (g *global) register(fs *pflag.FlagSet) {
	fs.DurationVar(&g.timeout, "timeout", 5*time.Minute, "how long the verb may take")
	fs.BoolVar(&g.verbose, "verbose", false, "print generated objects")
	fs.BoolVar(&g.follow, "ns-follows-kube-context", false, "without --namespace, use that of the kubeconfig's context ($FLUX_NS_FOLLOWS_KUBE_CONTEXT)")
	server := g.kube.APIServer
	g.kube.APIServer = nil
	g.kube.AddFlags(fs)
	g.kube.APIServer = server
	fs.StringVar(server, "server", "", "The address and port of the Kubernetes API server")
	fs.Float32Var(&g.qps, "kube-api-qps", 50, "requests per second to the Kubernetes API")
	fs.IntVar(&g.burst, "kube-api-burst", 300, "requests to the Kubernetes API at once")
}

func (g *global) followsContext() bool {
	return g.follow || os.Getenv("FLUX_NS_FOLLOWS_KUBE_CONTEXT") != ""
}

// contextNamespace is the namespace of the kubeconfig's context.
func (g *global) contextNamespace() string {
	raw, err := g.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	current := raw.CurrentContext
	if *g.kube.Context != "" {
		current = *g.kube.Context
	}
	if c := raw.Contexts[current]; c != nil {
		return c.Namespace
	}
	return ""
}

// config says how to reach the cluster.
func (g *global) config() (*rest.Config, error) {
	cfg, err := g.kube.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w; %s", err, g.tried())
	}
	cfg.QPS, cfg.Burst = g.qps, g.burst
	return cfg, nil
}

// tried says which kubeconfig was used, and what to do where it leads nowhere.
func (g *global) tried() string {
	var files []string
	if *g.kube.KubeConfig != "" {
		files = []string{*g.kube.KubeConfig}
	} else {
		files = clientcmd.NewDefaultClientConfigLoadingRules().GetLoadingPrecedence()
	}
	var there, missing []string
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			there = append(there, file)
		} else {
			missing = append(missing, file)
		}
	}
	advice := "; pass --kubeconfig or --context, or start a cluster on this machine with leat up"
	if len(there) == 0 {
		return "tried " + strings.Join(missing, ", ") + ", which does not exist" + advice
	}
	return "tried " + strings.Join(there, ", ") + advice
}

// cluster opens the world of the flags.
func (p *program) cluster() (world.World, error) {
	if p.global.ignored != "" {
		p.warn("ignoring FLUX_SYSTEM_NAMESPACE: %q is no name of a namespace", p.global.ignored)
		p.global.ignored = ""
	}
	cfg, err := p.global.config()
	if err != nil {
		return nil, err
	}
	w, err := cluster.New(cfg, cluster.Options{})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// reached adds to an error of a cluster that does not answer what to do.
func (p *program) reached(err error) error {
	if err == nil || !unreachable(err) {
		return err
	}
	return fmt.Errorf("reach the cluster: %w; %s", err, p.global.tried())
}

func unreachable(err error) bool {
	var timeout interface{ Timeout() bool }
	text := err.Error()
	return strings.Contains(text, "connection refused") || strings.Contains(text, "no such host") ||
		strings.Contains(text, "no route to host") || errors.As(err, &timeout) && timeout.Timeout() && strings.Contains(text, "dial")
}
