package fluxcli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/flux"
)

// completionTimeout bounds what a press of the tab key asks a cluster.
const completionTimeout = 3 * time.Second

// completeGlobals completes the flags that all verbs share.
func (p *program) completeGlobals(cmd *cobra.Command) {
	namespaces := flux.Kind{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}}
	// An error would say that the flag does not exist or is completed already.
	_ = cmd.RegisterFlagCompletionFunc("namespace", p.completeNames(namespaces))
	_ = cmd.RegisterFlagCompletionFunc("context", p.completeContexts)
}

func (p *program) completeContexts(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	raw, err := p.global.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		cobra.CompError(err.Error())
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for name := range raw.Contexts {
		out = appendPrefixed(out, name, prefix)
	}
	slices.Sort(out)
	return out, cobra.ShellCompDirectiveNoFileComp
}

func appendPrefixed(list []string, name, prefix string) []string {
	if strings.HasPrefix(name, prefix) {
		return append(list, name)
	}
	return list
}
