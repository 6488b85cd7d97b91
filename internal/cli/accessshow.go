package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/leat-dev/leat/internal/access"
)

// accessShown is what `leat access show` prints as JSON.
type accessShown struct {
	Request   access.Request    `json:"request"`
	Decisions []access.Decision `json:"decisions"`
	Audit     *access.Audit     `json:"audit,omitempty"`
}

func newAccessShow(env Env) *cobra.Command {
	f := &accessFlags{}
	log := ""
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a request: what it would grant, who decided, and what was written",
		Long: `Show what a request would grant or grants, what of the role is left out, who decided,
and, when it is over, what was written meanwhile. Managed fields tell of objects that are
still there and that somebody wrote by hand; the API server's audit log tells exactly what
the holder did, deletions too.`,
		Example: "  leat access show alice-7f3a21\n  leat access show alice-7f3a21 --audit-log /var/log/kubernetes/audit.log",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			shown, err := f.show(cmd.Context(), env, given[0], log)
			if err != nil {
				return err
			}
			if f.output == "json" {
				return printJSON(env.Out, shown)
			}
			printAccess(plain{env.Out}, shown)
			return nil
		},
	}
	f.printed(cmd.Flags())
	cmd.Flags().StringVar(&log, "audit-log", "", "an audit log of the API server (JSON lines)")
	return cmd
}

func (f *accessFlags) show(ctx context.Context, env Env, name, log string) (accessShown, error) {
	people, err := f.people()
	if err != nil {
		return accessShown{}, err
	}
	r, err := people.Get(ctx, name)
	if err != nil {
		return accessShown{}, err
	}
	tidyKeys(ctx, env.Err, people)
	out := accessShown{Request: r}
	if out.Decisions, err = people.Decisions(ctx, r); err != nil {
		return out, err
	}
	out.Decisions = nonNil(out.Decisions)
	if log != "" {
		out.Audit, err = auditOf(r, log)
	}
	return out, err
}

func auditOf(r access.Request, log string) (*access.Audit, error) {
	if r.Status.Grant == nil {
		return nil, fmt.Errorf("%s was never granted, so that an audit log tells nothing of it", r.Name)
	}
	file, err := os.Open(log)
	if err != nil {
		return nil, fmt.Errorf("--audit-log: %w", err)
	}
	defer file.Close()
	w := access.Window{From: r.Status.Grant.From.Time, Until: r.Status.Grant.Until.Time}
	if r.Status.End != nil && r.Status.End.At.Time.Before(w.Until) {
		w.Until = r.Status.End.At.Time
	}
	audit, err := access.ReadAudit(file, r.Status.Grant.User, w)
	if err != nil {
		return nil, err
	}
	audit.Writes = nonNil(audit.Writes)
	return &audit, nil
}

func printAccess(out io.Writer, s accessShown) {
	r := s.Request
	fmt.Fprintf(out, "%s\n%s, since %s\n%s\n", r.Spec, phaseOf(r), r.CreationTimestamp.UTC().Format(time.RFC3339), r.Why())
	if r.Status.Snapshot != nil {
		printSnapshot(out, *r.Status.Snapshot)
	}
	var said []string
	for _, d := range s.Decisions {
		line := fmt.Sprintf("%s %s by %s", d.CreationTimestamp.UTC().Format(time.RFC3339), d.Spec.Verdict, access.Quote(d.Spec.By.Username))
		if d.Spec.Reason != "" {
			line += ": " + access.Quote(d.Spec.Reason)
		}
		said = append(said, line)
	}
	section(out, "decisions:", said)
	if r.Status.Grant != nil {
		fmt.Fprintf(out, "\nthe holder is %s, from %s until %s\n", r.Status.Grant.User,
			r.Status.Grant.From.UTC().Format(time.RFC3339), r.Status.Grant.Until.UTC().Format(time.RFC3339))
	}
	if r.Status.End != nil {
		printAccessEnd(out, r.Status.End)
	}
	if r.ToPropose() {
		fmt.Fprintf(out, "\nproposed: %s\n", access.Quote(cmp.Or(r.Annotations[access.Proposed], "not yet; leat access propose does it")))
	}
	if s.Audit != nil {
		printAudit(out, s.Audit)
	}
}

func printSnapshot(out io.Writer, s access.Snapshot) {
	where := ""
	held := func(rules []rbacv1.PolicyRule, left []string) {
		var lines []string
		for _, rule := range rules {
			lines = append(lines, access.RuleText(rule))
		}
		section(out, fmt.Sprintf("it holds%s (%s):", where, s.Digest[:min(len(s.Digest), 19)]), lines)
		section(out, "of the role"+where+" it does not hold:", left)
	}
	if len(s.Namespaces) == 0 {
		held(s.Rules, s.Left)
	}
	for _, in := range s.Namespaces {
		where = " in " + in.Namespace
		held(in.Rules, in.Left)
	}
}

func phaseOf(r access.Request) string {
	if r.Status.Phase == "" {
		return "not looked at yet"
	}
	return string(r.Status.Phase)
}

// section prints lines, each as one, whatever stands in it: names are those that people
// gave to objects, and asked for.
func section(out io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(line, "\n", " "))
	}
}

func printAccessEnd(out io.Writer, end *access.End) {
	var lines []string
	for _, w := range end.Writes {
		what := "wrote"
		switch {
		case w.Created:
			what = "created"
		case w.Suspended:
			what = "suspended"
		}
		name := strings.Trim(strings.Join([]string{w.Kind, w.Namespace, w.Name}, "/"), "/")
		line := fmt.Sprintf("%s %s %s %s", w.At.UTC().Format(time.RFC3339), access.Quote(w.Manager), what, strings.ReplaceAll(name, "//", "/"))
		if w.Unit != "" {
			line += ", which " + w.Unit + " applies"
		}
		if n := len(w.Fields) + w.MoreFields; n > 0 {
			line += fmt.Sprintf(" (fields: %d; -o json has them)", n)
		}
		lines = append(lines, line)
	}
	if end.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", end.More))
	}
	section(out, "written by hand meanwhile, by the holder or others (managed fields):", lines)
	section(out, "asked to put it back:", end.Reverted)
	section(out, "not looked through:", end.Unread)
}

func printAudit(out io.Writer, audit *access.Audit) {
	var lines []string
	for _, w := range audit.Writes {
		where := strings.TrimPrefix(strings.Join([]string{w.Namespace, w.Name}, "/"), "/")
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %d", w.At.UTC().Format(time.RFC3339), w.Verb, w.Resource, where, w.Code))
	}
	if len(lines) == 0 {
		lines = []string{"nothing"}
	}
	section(out, "written by the holder (audit log):", lines)
	if audit.Gap != "" {
		fmt.Fprintf(out, "\nnot the whole of it: %s\n", audit.Gap)
	}
}
