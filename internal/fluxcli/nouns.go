package fluxcli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

// groups say what a group of nouns is about.
var groups = map[string]string{
	"source": "Sources", "sources": "Sources", "image": "Image automation", "images": "Image automation",
	"artifact": "Artifacts", "artifacts": "Artifacts",
}

var groupAliases = map[string]string{"sources": "source", "images": "image", "artifacts": "artifact"}

// noun makes the command of a kind below a verb; Use, Short, flags and what it
// runs are the verb's.
type noun func(flux.Kind) *cobra.Command

// nouns adds the commands of kinds to a verb: verb kustomization, verb source
// git. The groups are returned by name.
func (p *program) nouns(verb *cobra.Command, kinds []flux.Kind, named func(flux.Kind) flux.Noun, make noun) map[string]*cobra.Command {
	made := map[string]*cobra.Command{}
	for _, k := range kinds {
		n := named(k)
		parent := verb
		if n.Group != "" {
			if made[n.Group] == nil {
				made[n.Group] = &cobra.Command{Use: n.Group, Short: groups[n.Group] + ": see " + verb.Name() + " " + n.Group + " --help"}
				if alias := groupAliases[n.Group]; alias != "" {
					made[n.Group].Aliases = []string{alias}
				}
				verb.AddCommand(made[n.Group])
			}
			parent = made[n.Group]
		}
		cmd := make(k)
		cmd.Aliases = n.Aliases
		if cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = p.completeNames(k)
		}
		parent.AddCommand(cmd)
	}
	return made
}

// one names a kind as verbs for single objects do; many as get does.
func one(k flux.Kind) flux.Noun  { return k.Noun }
func many(k flux.Kind) flux.Noun { return k.Nouns }

// kindsOf are the kinds that a verb takes.
func kindsOf(v flux.Verb) []flux.Kind {
	var out []flux.Kind
	for _, k := range flux.Kinds {
		if k.Has(v) {
			out = append(out, k)
		}
	}
	return out
}

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeNames completes the names of live objects of a kind that the line does not
// have yet.
func (p *program) completeNames(k flux.Kind) completion {
	return func(cmd *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if err := p.prepare(cmd, nil); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		names, err := p.names(ctx, k, prefix)
		if err != nil {
			cobra.CompError(err.Error())
			return nil, cobra.ShellCompDirectiveError
		}
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(given, name) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func (p *program) names(ctx context.Context, k flux.Kind, prefix string) ([]string, error) {
	w, err := p.cluster()
	if err != nil {
		return nil, err
	}
	mapping, err := w.Kind(ctx, k.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	in := world.Selection{}
	if mapping.Namespaced {
		in.Namespace = p.namespace()
	}
	objs, err := w.List(ctx, k.GroupVersionKind, in)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, obj := range objs {
		out = appendPrefixed(out, obj.GetName(), prefix)
	}
	return out, nil
}
