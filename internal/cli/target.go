package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// target says which cluster and installation a verb is about.
type target struct{ kubeconfig, context, namespace string }

func (t *target) register(fs *pflag.FlagSet) {
	namespace := install.DefaultNamespace
	if set := os.Getenv("FLUX_SYSTEM_NAMESPACE"); set != "" {
		namespace = set
	}
	fs.StringVar(&t.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: $KUBECONFIG, else that of kubectl)")
	fs.StringVar(&t.context, "context", "", "context of the kubeconfig (default: its current one)")
	fs.StringVarP(&t.namespace, "namespace", "n", namespace, "namespace of the installation ($FLUX_SYSTEM_NAMESPACE)")
}

// connector opens the world of a target.
type connector func(target) (world.World, error)

func connect(t target) (world.World, error) {
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	return cluster.New(cfg, cluster.Options{})
}

// config says how to reach the cluster.
func (t target) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.kubeconfig
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: t.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w; pass --kubeconfig or --context", err)
	}
	return cfg, nil
}

// steps prints what an installation does: a line each, or one JSON list at the
// end.
type steps struct {
	out       io.Writer
	json      bool
	unchanged int
	all       []stepJSON
}

type stepJSON struct {
	Op        install.Op `json:"op"`
	Kind      string     `json:"kind"`
	Namespace string     `json:"namespace,omitempty"`
	Name      string     `json:"name"`
	Note      string     `json:"note,omitempty"`
}

func (s *steps) progress(step install.Step) {
	if s.json {
		k := step.Key
		s.all = append(s.all, stepJSON{step.Op, k.Kind, k.Namespace, k.Name, step.Note})
		return
	}
	if step.Op == install.Unchanged && step.Note == "" {
		s.unchanged++
		return
	}
	fmt.Fprintln(s.out, strings.TrimSpace(fmt.Sprintf("%-10s %s %s", step.Op, step.Key, step.Note)))
}

// end prints the last line, or the list.
func (s *steps) end(message string) error {
	if s.json {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Steps []stepJSON `json:"steps"`
		}{s.all})
	}
	if s.unchanged > 0 {
		message += fmt.Sprintf(" (%d objects unchanged)", s.unchanged)
	}
	_, err := fmt.Fprintln(s.out, message)
	return err
}
