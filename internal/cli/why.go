package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/record"
)

func newWhy(env Env) *cobra.Command {
	f := &renderFlags{}
	cmd := &cobra.Command{
		Use:   "why UNIT [DIRECTORY]",
		Short: "Say what a unit read, how it stands, and what makes it build anew",
		Long: `Render a fleet without a cluster and say of one unit how it stands and why, what made
it, what it builds from, every file and object that it looked at, and which of them
differ from the commit that the fleet is compared with: those make it build anew.`,
		Example: `  leat why apps examples/platform --path clusters/prod
  leat why Kustomization/flux-system/apps -o json`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, given []string) error { return runWhy(cmd.Context(), env, f, given) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

// because is the answer about one unit.
type because struct {
	node
	Reason  string   `json:"reason,omitempty"`
	Message string   `json:"message,omitempty"`
	On      []string `json:"waitingOn,omitempty"`
	Path    string   `json:"path,omitempty"`
	Files   []string `json:"files,omitempty"`
	Objects []string `json:"objects,omitempty"` // that it looked at
	Rebuilt []string `json:"rebuilt,omitempty"`
}

func runWhy(ctx context.Context, env Env, f *renderFlags, given []string) error {
	if err := oneOf(f.output, "text", "json"); err != nil {
		return err
	}
	all, err := f.render(ctx, given[1:])
	if err != nil {
		return err
	}
	var answers []because
	for _, r := range all {
		u, err := findUnit(r.Fleet, given[0])
		if err != nil {
			return err
		}
		b := becauseOf(ctx, r, u)
		b.Message = r.Mask(u.Key).Text(b.Message)
		answers = append(answers, b)
	}
	if f.output == "json" {
		return printJSON(env.Out, struct {
			Units []because `json:"units"`
		}{answers})
	}
	for _, b := range answers {
		if _, err := io.WriteString(env.Out, b.text()); err != nil {
			return err
		}
	}
	return nil
}

func becauseOf(ctx context.Context, r app.Rendering, u fleet.Unit) because {
	b := because{node: nodeOf(r.Path, u), Reason: u.Reason, Message: u.Message, On: u.On, Path: u.Path, Files: u.Files}
	for _, read := range u.Reads {
		cluster, subject := engine.SiteOf(read.Key)
		key, ok := engine.KeyOfSubject(subject)
		if read.Space != record.Object || !ok {
			continue
		}
		text := key.In(cluster).String()
		if read.Answer == record.Miss {
			text += " (not there when it looked)"
		}
		b.Objects = append(b.Objects, text)
	}
	for _, c := range r.Rebuilt(ctx, u) {
		b.Rebuilt = append(b.Rebuilt, c.String())
	}
	return b
}

func (b because) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s is %s: %s\n", b.Unit, b.State, b.Message)
	for _, part := range []struct {
		word  string
		items []string
	}{
		{"cluster", one(b.Cluster)}, {"works in", one(b.KubeConfig)}, {"made by", one(b.Parent)}, {"from", one(strings.TrimSpace(b.Source + " " + b.Path))},
		{"after", b.DependsOn}, {"waits for", b.On}, {"rebuilt", b.Rebuilt}, {"looked at", b.Objects}, {"read", b.Files},
	} {
		for i, item := range part.items {
			word := part.word
			if i > 0 {
				word = ""
			}
			fmt.Fprintf(&out, "  %-10s %s\n", word, item)
		}
	}
	return out.String()
}

func one(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
