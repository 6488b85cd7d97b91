package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/forge"
)

// reviewFlags are the flags of `leat review`.
type reviewFlags struct {
	dir, commit, key, output string
	approve, reject          bool
}

func newReview(env Env) *cobra.Command {
	f := &reviewFlags{}
	cmd := &cobra.Command{
		Use:   "review [NUMBER]",
		Short: "Show pull requests, and approve or reject one of plain Git",
		Long: `Show the open pull requests of the fleet's repository, or one with what was said about it:
reviews, and the statuses of leat gate.

Where the repository is the only forge (forge.kind git) reviews are given here: --approve and
--reject sign the commit that the pull request is at with your SSH key, which has to stand
in the repository's signers (docs/forges.md). The review falls to what is rendered there,
as everywhere: leat gate says for how long it counts. Merge with git as always.`,
		Example: `  leat review
  leat review 12
  leat review 12 --approve --commit 3f2c91aa
  leat review 12 --reject --key ~/.ssh/id_ed25519.pub`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runReview(cmd.Context(), env, f, given) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.dir, "directory", "C", ".", "the fleet's repository, with its leat.yaml")
	fs.BoolVar(&f.approve, "approve", false, "say yes to what the pull request is at")
	fs.BoolVar(&f.reject, "reject", false, "ask for changes")
	fs.StringVar(&f.commit, "commit", "", "with --approve or --reject: only if the pull request is at this commit")
	fs.StringVar(&f.key, "key", "", keyUsage)
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

func runReview(ctx context.Context, env Env, f *reviewFlags, given []string) error {
	if err := oneOf(f.output, "text", "json"); err != nil {
		return &Exit{Code: 2, Err: err}
	}
	number, err := f.number(given)
	if err != nil {
		return err
	}
	dir, err := flowDir([]string{f.dir})
	if err != nil {
		return err
	}
	defer hush()()
	c, err := app.Carry(ctx, app.CarryConfig{Dir: dir, Now: time.Now(), Signing: signing(f.key, env.Err)})
	if err != nil {
		return err
	}
	defer c.Close()
	if number == 0 {
		all, err := c.Pulls(ctx)
		if err != nil {
			return err
		}
		return printPulls(env, all, f.output)
	}
	one, err := c.Pull(ctx, number)
	if err == nil && (f.approve || f.reject) {
		if err = c.Judge(ctx, one, f.commit, f.verdict()); err == nil {
			one, err = c.Pull(ctx, number)
		}
	}
	if err != nil {
		return err
	}
	return printPulls(env, []app.Reviewed{one}, f.output)
}

func (f *reviewFlags) verdict() forge.Verdict {
	if f.approve {
		return forge.Approved
	}
	return forge.Rejected
}

// number is the pull request that is meant; 0 for all.
func (f *reviewFlags) number(given []string) (int, error) {
	switch {
	case f.approve && f.reject:
		return 0, usage("--approve and --reject are two answers; give one")
	case len(given) == 0 && (f.approve || f.reject || f.commit != ""):
		return 0, usage("which pull request? leat review lists them")
	case len(given) == 0:
		return 0, nil
	case f.commit != "" && !f.approve && !f.reject:
		return 0, usage("--commit goes with --approve or --reject")
	}
	n, err := strconv.Atoi(strings.TrimPrefix(given[0], "#"))
	if err != nil || n <= 0 {
		return 0, usage("%q is no number of a pull request; leat review lists them", given[0])
	}
	return n, nil
}

// said is something said about a pull request, in the words of the forge.
type said struct {
	By     string `json:"by"`
	What   string `json:"what"`
	Commit string `json:"commit,omitempty"`
	Text   string `json:"text,omitempty"`
	Gone   bool   `json:"gone,omitempty"` // taken back, or of a head that is no longer
}

func printPulls(env Env, all []app.Reviewed, output string) error {
	if output == "json" {
		list := make([]map[string]any, 0, len(all))
		for _, p := range all {
			list = append(list, map[string]any{
				"number": p.Number, "url": p.URL, "title": p.Title, "state": p.State, "author": p.Author.Login,
				"head": p.Head.Branch, "commit": p.Head.Commit, "base": p.Base.Branch, "reviews": reviewsOf(p), "statuses": statusesOf(p),
			})
		}
		return printJSON(env.Out, map[string]any{"pullRequests": list})
	}
	out := plain{env.Out}
	if len(all) == 0 {
		fmt.Fprintln(out, "no pull request is open")
	}
	for _, p := range all {
		fmt.Fprintf(out, "#%d %s (%s, %s)\n    %s at %.10s into %s\n", p.Number, p.Title, p.Author.Login, p.State, p.Head.Branch, p.Head.Commit, p.Base.Branch)
		for _, s := range statusesOf(p) {
			fmt.Fprintf(out, "    %-18s %s (%s)\n", s.What, s.Text, s.By)
		}
		for _, r := range reviewsOf(p) {
			fmt.Fprintf(out, "    %-18s %s%s\n", r.What, r.By, map[bool]string{true: " (of " + r.Commit[:min(10, len(r.Commit))] + ", which is no longer)"}[r.Gone])
		}
	}
	return nil
}

func reviewsOf(p app.Reviewed) []said {
	out := make([]said, 0, len(p.Reviews))
	for _, r := range p.Reviews {
		out = append(out, said{By: r.Reviewer.Login, What: string(r.Verdict), Commit: r.Commit, Gone: r.Dismissed || r.Commit != p.Head.Commit})
	}
	return out
}

func statusesOf(p app.Reviewed) []said {
	out := make([]said, 0, len(p.Statuses))
	for _, s := range p.Statuses {
		out = append(out, said{By: s.Creator.Login, What: s.Context + " " + string(s.State), Text: s.Description})
	}
	return out
}
