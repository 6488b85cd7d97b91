package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

func newGraph(env Env) *cobra.Command {
	f := &renderFlags{}
	cmd := &cobra.Command{
		Use:   "graph [DIRECTORY]",
		Short: "Show what depends on what in a fleet",
		Long: `Render a fleet without a cluster and show its units in the order of delivery, with
what makes each, what it builds from, and what it waits for.`,
		Example: `  leat graph examples/platform --path clusters/prod
  leat graph -o dot | dot -Tsvg > fleet.svg`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runGraph(cmd.Context(), env, f, given) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text, dot or json")
	return cmd
}

// node is a unit of a graph.
type node struct {
	Cluster string `json:"cluster"`
	Unit    string `json:"unit"`
	State   string `json:"state"`
	// KubeConfig names what leads to the other cluster that the unit works in.
	KubeConfig string   `json:"kubeConfig,omitempty"`
	Parent     string   `json:"parent,omitempty"`
	Source     string   `json:"source,omitempty"`
	DependsOn  []string `json:"dependsOn,omitempty"`
}

func runGraph(ctx context.Context, env Env, f *renderFlags, given []string) error {
	if err := oneOf(f.output, "text", "dot", "json"); err != nil {
		return err
	}
	all, err := f.render(ctx, given)
	if err != nil {
		return err
	}
	var nodes []node
	for _, r := range all {
		for _, u := range inOrder(r.Fleet.Units) {
			nodes = append(nodes, nodeOf(r.Path, u))
		}
	}
	switch f.output {
	case "json":
		return printJSON(env.Out, struct {
			Units []node `json:"units"`
		}{nodes})
	case "dot":
		return printDot(env.Out, nodes)
	default:
		return printGraph(env.Out, nodes)
	}
}

func nodeOf(cluster string, u fleet.Unit) node {
	n := node{Cluster: cluster, Unit: u.Key.String(), State: string(u.State), KubeConfig: u.Cluster, Parent: named(u.Parent), Source: named(u.Source)}
	for _, key := range u.DependsOn {
		n.DependsOn = append(n.DependsOn, key.String())
	}
	return n
}

func named(key object.Key) string {
	if key == (object.Key{}) {
		return ""
	}
	return key.String()
}

func printGraph(out io.Writer, nodes []node) error {
	cluster := "\x00"
	for _, n := range nodes {
		if n.Cluster != cluster {
			cluster = n.Cluster
			if _, err := fmt.Fprintln(out, cluster); err != nil {
				return err
			}
		}
		line := "  " + n.Unit
		if n.State != string(fleet.Ready) {
			line += " (" + n.State + ")"
		}
		for _, part := range []struct{ word, text string }{
			{"works in", n.KubeConfig}, {"made by", n.Parent}, {"from", n.Source}, {"after", strings.Join(n.DependsOn, ", ")},
		} {
			if part.text != "" {
				line += "\n      " + part.word + " " + part.text
			}
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// printDot writes the language of Graphviz.
func printDot(out io.Writer, nodes []node) error {
	var b strings.Builder
	b.WriteString("digraph fleet {\n  rankdir=LR;\n  node [shape=box];\n")
	for _, n := range nodes {
		id := func(unit string) string { return fmt.Sprintf("%q", strings.TrimPrefix(n.Cluster+" ", ". ")+unit) }
		fmt.Fprintf(&b, "  %s [label=%q];\n", id(n.Unit), n.Unit)
		if n.Parent != "" {
			fmt.Fprintf(&b, "  %s -> %s [label=makes, style=dotted];\n", id(n.Parent), id(n.Unit))
		}
		if n.Source != "" {
			fmt.Fprintf(&b, "  %s -> %s [label=source, style=dashed];\n", id(n.Source), id(n.Unit))
		}
		for _, dep := range n.DependsOn {
			fmt.Fprintf(&b, "  %s -> %s;\n", id(dep), id(n.Unit))
		}
	}
	b.WriteString("}\n")
	_, err := io.WriteString(out, b.String())
	return err
}
