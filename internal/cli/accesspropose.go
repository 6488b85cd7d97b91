package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/app"
)

// minEvery is the shortest pause of --every: each pass asks the forge and the cluster.
const minEvery = 10 * time.Second

// accessProposeFlags are the flags of `leat access propose`.
type accessProposeFlags struct {
	accessFlags
	previewFlags
	dir, environment string
	dry              bool
	every            time.Duration
	key              string
}

func newAccessPropose(env Env) *cobra.Command {
	f := &accessProposeFlags{}
	cmd := &cobra.Command{
		Use:   "propose [NAME…]",
		Short: "Propose what was written with grants that are over as changes of the fleet",
		Long: `Bring what was written by hand into Git: for each grant that is over, whose AccessPolicy
says atEnd: propose, and that was not proposed yet, find the line of the fleet that makes
each field, change it, and open one pull request, with who asked and approved, what was
written, and the plan. Every edit is rendered first: one that does not make the field what
it was, or that would change another environment, is told and not made. What Git has
already is left out; where nothing remains there is no pull request. A request says in its
annotation ` + access.Proposed + ` what became of it, so that the next run makes nothing new;
a NAME is proposed again, and its pull request brought up to date.

Without --env it takes the grants of all environments of leat.yaml that the cluster has.
Run it in a clone of the fleet, with the credentials of the other verbs that open pull
requests (docs/carry.md); in the cluster it needs the ClusterRole leat-access-proposer.
Values of Secrets are neither kept nor proposed.`,
		Example: `  leat access propose --env prod --dry-run
  leat access propose alice-7f3a21 --context prod
  leat access propose --env prod --every 5m`,
		RunE: func(cmd *cobra.Command, given []string) error { return runAccessPropose(cmd.Context(), env, f, given) },
	}
	fs := cmd.Flags()
	f.printed(fs)
	fs.StringVarP(&f.dir, "directory", "C", ".", "the fleet's repository, with its leat.yaml")
	fs.StringVar(&f.environment, "env", "", "the environment: the name of an AccessPolicy in the cluster, and of an environment of leat.yaml where its context is to be taken from there")
	fs.BoolVar(&f.dry, "dry-run", false, "say what would be proposed, and push and note nothing")
	fs.DurationVar(&f.every, "every", 0, "stay, and look again after this time")
	fs.StringVar(&f.key, "key", "", keyUsage)
	f.sources(fs)
	return cmd
}

func runAccessPropose(ctx context.Context, env Env, f *accessProposeFlags, names []string) error {
	switch {
	case f.every != 0 && f.every < minEvery:
		return usage("--every %s: want %s or more", f.every, minEvery)
	case f.every != 0 && len(names) > 0:
		return usage("--every proposes what is new; leave out %s", names[0])
	}
	dir, err := flowDir([]string{f.dir})
	if err != nil {
		return err
	}
	if f.environment != "" {
		f.live.toEnvironment(env.Err, dir, f.environment)
	}
	people, err := f.people()
	if err != nil {
		return err
	}
	defer hush()()
	previews, err := f.config()
	if err != nil {
		return &Exit{Code: 2, Err: err}
	}
	cfg := app.AccessProposeConfig{
		CarryConfig: app.CarryConfig{Dir: dir, CacheDir: previews.CacheDir, Mirrors: previews.Mirrors, Signing: signing(f.key, env.Err)},
		People:      people, Environment: f.environment, Names: names, DryRun: f.dry, Previews: previews,
	}
	for {
		err := f.pass(ctx, env, cfg)
		if f.every == 0 {
			return err
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(env.Err, "%v; looking again in %s\n", err, f.every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.every):
		}
	}
}

// pass proposes what there is now.
func (f *accessProposeFlags) pass(ctx context.Context, env Env, cfg app.AccessProposeConfig) error {
	cfg.Now = time.Now()
	found, err := app.ProposeAccess(ctx, cfg)
	if err != nil {
		return err
	}
	tidyKeys(ctx, env.Err, cfg.People)
	if f.output == "json" {
		err = printJSON(env.Out, map[string]any{"proposals": accessProposalsJSON(found)})
	} else if len(found) > 0 || f.every == 0 {
		printAccessProposals(env.Out, found)
	}
	for _, one := range found {
		if one.Err != nil {
			err = errors.Join(err, fmt.Errorf("propose %s: %w", one.Request.Name, one.Err))
		}
	}
	return err
}

// accessItemJSON is a field as JSON tells it; at is file:line, why is why it is left.
type accessItemJSON struct {
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	Git    string `json:"git,omitempty"`
	Live   string `json:"live,omitempty"`
	At     string `json:"at,omitempty"`
	Why    string `json:"why,omitempty"`
}

// accessProposalJSON is what became of one request.
type accessProposalJSON struct {
	Request     string           `json:"request"`
	Environment string           `json:"environment"`
	Fields      []accessItemJSON `json:"fields"`
	Left        []accessItemJSON `json:"left"`
	Branch      string           `json:"branch,omitempty"`
	Base        string           `json:"base,omitempty"`
	PullRequest string           `json:"pullRequest,omitempty"`
	Outcome     string           `json:"outcome,omitempty"`
	Instead     string           `json:"instead,omitempty"`
	Noted       string           `json:"noted,omitempty"`
	Error       string           `json:"error,omitempty"`
}

func accessProposalsJSON(found []app.AccessProposal) []accessProposalJSON {
	out := []accessProposalJSON{}
	for _, p := range found {
		one := accessProposalJSON{
			Request: p.Request.Name, Environment: p.Request.Spec.Environment, Fields: []accessItemJSON{}, Left: []accessItemJSON{}, Branch: p.Head, Base: p.Base,
			PullRequest: p.Written.Request.URL, Outcome: string(p.Outcome), Instead: p.Instead, Noted: p.Noted,
		}
		if p.Err != nil {
			one.Error = p.Err.Error()
		}
		for _, it := range p.Items {
			item := accessItemJSON{it.Object.String(), it.Path, it.Git, it.Live, it.At(), it.Left}
			if it.Proposed() {
				one.Fields = append(one.Fields, item)
			} else {
				one.Left = append(one.Left, item)
			}
		}
		out = append(out, one)
	}
	return out
}

func printAccessProposals(to io.Writer, found []app.AccessProposal) {
	out := plain{to}
	if len(found) == 0 {
		fmt.Fprintln(out, "There is nothing to propose.")
	}
	for _, p := range found {
		fmt.Fprintf(out, "%s, in %s\n", p.Request.Name, p.Request.Spec.Environment)
		for _, it := range p.Items {
			switch {
			case it.Proposed():
				fmt.Fprintf(out, "  %s %s: %s → %s, at %s\n", it.Object, it.Path, it.Git, it.Live, it.At())
			case it.Path == "":
				fmt.Fprintf(out, "  left: %s: %s\n", it.Object, it.Left)
			default:
				fmt.Fprintf(out, "  left: %s %s: %s\n", it.Object, it.Path, it.Left)
			}
		}
		switch {
		case p.Err != nil:
		case p.Noted == access.NothingToPropose, p.Head == "":
			fmt.Fprintln(out, "There is nothing to propose.")
		case p.Noted == "":
			fmt.Fprintf(out, "It would propose %s into %s. Nothing was pushed (--dry-run).\n", p.Head, p.Base)
		default:
			printProposed(out, p.Proposed)
		}
	}
}
