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

// completeFlag completes a flag from a closed list.
func completeFlag(cmd *cobra.Command, flag string, all ...string) {
	slices.Sort(all)
	// An error would say that the flag does not exist or is completed already.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, name := range all {
			out = appendPrefixed(out, name, prefix)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	})
}

// kindNames are the names of all kinds.
func kindNames() []string {
	var out []string
	for _, k := range flux.Kinds {
		out = append(out, k.Kind)
	}
	return out
}

// completeAbout completes KIND/NAME: the kind first, then live names.
func (p *program) completeAbout(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	kind, name, named := strings.Cut(prefix, "/")
	var out []string
	if !named {
		for _, k := range kindNames() {
			out = appendPrefixed(out, k+"/", prefix)
		}
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	k, known := flux.KindOf(kind)
	if !known {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, directive := p.completeNames(k)(cmd, args, name)
	for _, n := range names {
		out = append(out, kind+"/"+n)
	}
	return out, directive
}
