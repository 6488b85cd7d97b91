package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/grant"
)

// accessFlags are those of all verbs below `leat access`.
type accessFlags struct {
	live   target
	output string
}

func (f *accessFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.live.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: $KUBECONFIG, else that of kubectl)")
	fs.StringVar(&f.live.context, "context", "", "context of the kubeconfig (default: its current one)")
}

func (f *accessFlags) printed(fs *pflag.FlagSet) {
	f.register(fs)
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
}

func (f *accessFlags) people() (grant.People, error) {
	if err := oneOf(f.output, "", "text", "json"); err != nil {
		return grant.People{}, err
	}
	w, err := connect(f.live)
	return grant.People{World: w}, err
}

func newAccess(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Ask for temporary rights in a cluster, and decide about those of others",
		Long: `Ask for a role in an environment for some time; somebody else approves; the rights
end by themselves, whether or not anything of Leat runs then. They come as a token of
an account of their own, sealed to you, so that every write bears its name.

The key of a request is kept on this machine (~/.config/leat/access); every verb removes
those whose grant is over.

The cluster must have been prepared with leat install --access, and an AccessPolicy
says who may ask for what and who may approve (docs/access.md).`,
		Example: `  leat access request --env prod --role edit -n shop --for 30m --reason "the shop is down"
  leat access approve alice-7f3a21
  leat access use alice-7f3a21 -- kubectl -n shop rollout restart deploy/web
  leat access end alice-7f3a21
  leat access show alice-7f3a21 --audit-log audit.log
  leat access propose --env prod`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAccessRequest(env), newAccessList(env), newAccessShow(env), newAccessUse(env), newAccessPropose(env))
	for _, v := range accessVerdicts {
		cmd.AddCommand(newAccessVerdict(env, v))
	}
	return cmd
}

// accessRequestFlags are the flags of `leat access request`.
type accessRequestFlags struct {
	accessFlags
	spec access.RequestSpec
	dur  time.Duration
}

func newAccessRequest(env Env) *cobra.Command {
	f := &accessRequestFlags{}
	cmd := &cobra.Command{
		Use:   "request",
		Short: "Ask for a role for some time",
		Example: `  leat access request --env prod --role edit -n shop --for 30m --reason "the shop is down"
  leat access request --env prod --role view --cluster-wide --for 1h --reason "counting nodes" --context prod`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runAccessRequest(cmd.Context(), env, f) },
	}
	fs := cmd.Flags()
	f.printed(fs)
	fs.StringVar(&f.spec.Environment, "env", "", "the environment: the name of an AccessPolicy in the cluster, and of an environment of leat.yaml where its context is to be taken from there")
	fs.StringVar(&f.spec.Role, "role", "", "a role that the policy allows: a ClusterRole, or a Role of the namespaces")
	fs.StringSliceVarP(&f.spec.Namespaces, "namespace", "n", nil, "where (repeatable)")
	fs.BoolVar(&f.spec.ClusterWide, "cluster-wide", false, "in the whole cluster")
	fs.DurationVar(&f.dur, "for", 30*time.Minute, "how long, from the approval on; 10m at least")
	fs.StringVar(&f.spec.Reason, "reason", "", "why, for those who approve and for the record")
	return cmd
}

func runAccessRequest(ctx context.Context, env Env, f *accessRequestFlags) error {
	s := f.spec
	s.For = metav1.Duration{Duration: f.dur}
	switch {
	case s.Environment == "":
		return usage("in which environment? pass --env")
	case s.Role == "":
		return usage("which role? pass --role")
	case s.ClusterWide == (len(s.Namespaces) > 0):
		return usage("where? pass --namespace, or --cluster-wide")
	case f.dur < access.MinFor:
		return usage("--for %s: the API server makes no token for less than %s", f.dur, access.MinFor)
	case strings.TrimSpace(s.Reason) == "":
		return usage("why? pass --reason")
	}
	f.live.toEnvironment(env.Err, ".", s.Environment)
	people, err := f.people()
	if err != nil {
		return err
	}
	keys, err := accessKeys()
	if err != nil {
		return err
	}
	r, err := people.Ask(ctx, s, keys.save)
	if err != nil {
		return err
	}
	tidyKeys(ctx, env.Err, people)
	if f.output == "json" {
		return printJSON(env.Out, r)
	}
	name := r.Name
	if f.live.context != "" { // which other verbs cannot know
		name += " --context " + f.live.context
	}
	fmt.Fprintf(env.Out, "%s: %s\nsomebody of the approvers runs: leat access approve %s\nthen: leat access use %s -- COMMAND\n", r.Name, r.Spec, name, name)
	return nil
}

// toEnvironment takes the context that the fleet in a directory names for an
// environment, where there is one and no cluster was named.
func (t *target) toEnvironment(say io.Writer, dir, name string) {
	if t.context != "" || t.kubeconfig != "" {
		return
	}
	f, err := app.OpenFlow(dir)
	if err != nil { // this is no fleet: the current context is meant
		return
	}
	defer f.Close()
	if e, known := f.Flow.Environment(name); known && e.Context != "" {
		t.context = e.Context
		fmt.Fprintf(say, "in the cluster of context %s, as %s has it\n", e.Context, flow.FileName)
	}
}

// accessVerdict is a verb that says a word about a request.
type accessVerdict struct {
	verb, short, done string
	verdict           access.Verdict
}

var accessVerdicts = []accessVerdict{
	{"approve", "Approve what somebody asks for", "approved", access.Approve},
	{"deny", "Say no to what somebody asks for", "denied", access.Deny},
	{"end", "End a grant before its time, or withdraw a request", "ended", access.Stop},
}

func newAccessVerdict(env Env, v accessVerdict) *cobra.Command {
	f := &accessFlags{}
	reason := ""
	cmd := &cobra.Command{
		Use: v.verb + " NAME", Short: v.short,
		Example: "  leat access " + v.verb + ` alice-7f3a21 --reason "as agreed in the incident channel"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			people, err := f.people()
			if err != nil {
				return err
			}
			r, err := people.Get(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			d, err := people.Decide(cmd.Context(), r, v.verdict, reason)
			tidyKeys(cmd.Context(), env.Err, people)
			if err != nil {
				return err
			}
			if f.output == "json" {
				return printJSON(env.Out, d)
			}
			fmt.Fprintf(env.Out, "%s: %s by %s: %s\n", r.Name, v.done, access.Quote(d.Spec.By.Username), r.Spec)
			return nil
		},
	}
	f.printed(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

func newAccessList(env Env) *cobra.Command {
	f := &accessFlags{}
	all := false
	cmd := &cobra.Command{
		Use: "list", Short: "List requests that wait, and grants that hold",
		Example: "  leat access list\n  leat access list --all -o json",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			people, err := f.people()
			if err != nil {
				return err
			}
			found, err := people.List(cmd.Context())
			if err != nil {
				return err
			}
			tidyKeys(cmd.Context(), env.Err, people)
			if !all {
				found = slices.DeleteFunc(found, func(r access.Request) bool { return r.Status.Phase.Over() })
			}
			if f.output == "json" {
				return printJSON(env.Out, map[string]any{"requests": nonNil(found)})
			}
			return printRequests(plain{env.Out}, found)
		},
	}
	f.printed(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "those that are over, too")
	return cmd
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func printRequests(out io.Writer, found []access.Request) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "nobody asks for access, and nobody has it")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tREQUESTER\tENVIRONMENT\tROLE\tWHERE\tFOR\tPHASE\tUNTIL")
	for _, r := range found {
		until := ""
		if r.Status.Grant != nil {
			until = r.Status.Grant.Until.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, access.Quote(r.Spec.Requester.Username), access.Quote(r.Spec.Environment),
			access.Quote(r.Spec.Role), r.Spec.Where(), r.Spec.For.Duration, r.Status.Phase, until)
	}
	return w.Flush()
}
