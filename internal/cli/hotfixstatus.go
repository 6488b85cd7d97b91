package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/carry"
	flowshow "github.com/leat-dev/leat/internal/flow/show"
)

// statusFlags are those of `leat hotfix status`.
type statusFlags struct {
	carryFlags
	failAfter time.Duration
}

func newHotfixStatus(env Env) *cobra.Command {
	f := &statusFlags{}
	cmd := &cobra.Command{
		Use: "status", Short: "Fixes that run somewhere and that main lacks",
		Long: `List the branches that environments run and that have commits which main lacks: the next
release would lose them. A fix that was picked by hand counts by its lines. What waits
longest stands first, with who made it and since when it runs.

It exits with 3 where a fix has been in its branch for longer than --fail-after, for a
schedule or a pipeline to raise the alarm; with 1 where there is any other; with 0 where
main has them all.`,
		Example: `  leat hotfix status
  leat hotfix status --fail-after 48h
  leat hotfix status -o json`, Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env) },
	}
	f.register(cmd.Flags())
	cmd.Flags().DurationVar(&f.failAfter, "fail-after", 0, "how long main may lack a fix that runs (default: mainWithin of leat.yaml, else 24h)")
	return cmd
}

func (f *statusFlags) run(ctx context.Context, env Env) error {
	if f.failAfter < 0 {
		return usage("--fail-after %s: want a length of time, such as 24h", f.failAfter)
	}
	cfg, err := f.config()
	if err != nil {
		return err
	}
	c, in, err := app.Hotfix(ctx, app.HotfixConfig{CarryConfig: cfg})
	if err != nil {
		return err
	}
	found, err := in.Status(ctx)
	s := unmergedStatus{found: found, now: cfg.Now, after: cmp.Or(f.failAfter, time.Duration(c.Flow.MainWithin))}
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	if f.output == "json" {
		err = printJSON(env.Out, s.json())
	} else {
		_, err = fmt.Fprint(plain{env.Out}, s.text())
	}
	return cmp.Or(err, s.exit())
}

// unmergedStatus is what runs and what main lacks of it.
type unmergedStatus struct {
	found []carry.Unmerged
	now   time.Time
	after time.Duration
}

// exit codes of status.
const (
	exitUnmerged = 1
	exitOverdue  = 3
)

func (s unmergedStatus) exit() error {
	code := 0
	for _, u := range s.found {
		switch {
		case len(u.Overdue(s.now, s.after)) > 0:
			code = exitOverdue
		case len(u.Commits) > 0:
			code = max(code, exitUnmerged)
		}
	}
	if code == 0 {
		return nil
	}
	return &Exit{Code: code}
}

func (s unmergedStatus) text() string {
	if len(s.found) == 0 {
		return "Everything that runs is in main.\n"
	}
	var b strings.Builder
	b.WriteString(s.alert())
	for _, u := range s.found {
		fmt.Fprintf(&b, "%s %s, in %s: ", cmp.Or(u.Component, "the fleet"), u.Branch, strings.Join(u.Environments, ", "))
		if u.Why != "" {
			fmt.Fprintf(&b, "%s\n", u.Why)
			continue
		}
		fmt.Fprintf(&b, "%s lacks %s, the oldest for %s\n", u.Main, commitsOf(len(u.Commits)), flowshow.Age(s.now.Sub(u.Oldest())))
		for i, c := range u.Commits {
			if i == shownCommits {
				fmt.Fprintf(&b, "    and %d more\n", len(u.Commits)-i)
				break
			}
			fmt.Fprintf(&b, "    %s %s (%s, %s ago)\n", c.ID.String()[:10], c.Subject(), c.Author.Name, flowshow.Age(s.now.Sub(c.Since)))
		}
	}
	return b.String()
}

// alert says first what main has lacked for too long; empty where nothing is.
func (s unmergedStatus) alert() string {
	var b strings.Builder
	for _, u := range s.found {
		late := u.Overdue(s.now, s.after)
		if len(late) == 0 {
			continue
		}
		oldest := late[0]
		var who []string
		for _, c := range late {
			if c.Since.Before(oldest.Since) {
				oldest = c
			}
			if !slices.Contains(who, c.Author.Name) {
				who = append(who, c.Author.Name)
			}
		}
		fmt.Fprintf(&b, "ALERT: %s has run %s of %s for %s, and main lacks it (%s); %s\n", strings.Join(u.Environments, ", "),
			commitsOf(len(late)), cmp.Or(u.Component, "the fleet"), flowshow.Age(s.now.Sub(oldest.Since)), strings.Join(who, ", "), next(u))
	}
	return b.String()
}

// next is the command that carries the fixes to main.
func next(u carry.Unmerged) string {
	return strings.Join(strings.Fields(fmt.Sprintf("leat hotfix finish %s --env %s", u.Component, u.Environments[0])), " ")
}

func commitsOf(n int) string {
	if n == 1 {
		return "1 commit"
	}
	return fmt.Sprintf("%d commits", n)
}

// statusJSON is a branch for machines.
type statusJSON struct {
	carry.Unmerged
	Commits []fixJSON `json:"commits"`
	// Overdue tells that one of them has been there for too long.
	Overdue bool `json:"overdue"`
}

type fixJSON struct {
	commitJSON
	Since   time.Time `json:"since"`
	Overdue bool      `json:"overdue"`
}

func (s unmergedStatus) json() map[string]any {
	all := []statusJSON{}
	for _, u := range s.found {
		one := statusJSON{Unmerged: u, Commits: []fixJSON{}, Overdue: len(u.Overdue(s.now, s.after)) > 0}
		for _, c := range u.Commits {
			one.Commits = append(one.Commits, fixJSON{commitJSONOf(c.Commit), c.Since, s.now.Sub(c.Since) > s.after})
		}
		all = append(all, one)
	}
	return map[string]any{"branches": all, "failAfter": s.after.String()}
}
