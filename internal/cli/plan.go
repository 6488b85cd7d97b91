package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/collect"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/secret"
)

// planFlags are the flags of `leat plan`.
type planFlags struct {
	previewFlags
	meant      allowFlags
	base, head string
	output     string
	failOn     string
	findings   string
	watch      bool
	keeping    keeping
	cluster    bool
	live       target
	reach      func() (*rest.Config, error) // the cluster; nil: by live
	rehearse   bool
	grace      time.Duration
}

// previewFlags are those of all verbs that render fleets without a cluster.
type previewFlags struct {
	paths     []string
	all       bool
	entry     entry.Options
	inputs    []string
	setInputs []string
	mirrors   []string
	fetch     bool
	cacheDir  string
	engine    engineFlags
}

// How the garbage of a plan is collected: it makes much, and keeps most of it.
const (
	planGrowth = 300       // percent
	planFrugal = 416 << 20 // bytes
)

// The exit codes of a plan beyond those of every verb.
const (
	exitChanges  = 2
	exitFindings = 3
)

func newPlan(env Env) *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use:   "plan [DIRECTORY]",
		Short: "Say what a change will do, before it merges",
		Long: `Render the whole fleet before and after a change, with the engine that delivers it,
and say what the change does: which units it touches, what is created, changed field
by field, pruned or replaced, what would never become ready, and what is dangerous.
No cluster is needed, and no network is used unless --fetch says so.

The head is the directory as it is, committed or not, or a commit (--head). The base
is where it left the branch that it will be merged into, or what --base names: a
branch, a tag, a commit, or a directory. What lives outside Git and is not given with
--input is made up, counted and shown.

With --cluster the base is a cluster as it stands, and the head is laid over a copy of
it: its API server is asked for dry runs, its inventories say what is pruned, its
ConfigMaps and Secrets are read. Nothing is written to it.

With --rehearse the base is brought up on a Kubernetes API server inside this program,
as leat up does, and the head is delivered to it: admission, schemas with their rules,
quotas and policies speak, pods are simulated, and health is real. It takes seconds to
minutes instead of less than one, and leaves nothing behind.

Exit codes: 0 nothing changes, 1 it did not work (also wrong use), 2 something changes,
3 findings that --fail-on names.`,
		Example: `  leat plan examples/platform --path clusters/prod
  leat plan --base main --head my-branch --all
  leat plan --base ../before ../after -o markdown
  leat plan --input secrets.yaml --set-input domain=example.org
  leat plan --cluster --context prod --path clusters/prod
  leat plan --rehearse --path clusters/prod`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runPlan(cmd.Context(), env, f, given) },
	}
	f.previewFlags.register(cmd.Flags())
	cmd.Flags().StringVar(&f.base, "base", "", "what to compare with: a branch, tag, commit or directory (default: where the head left the branch it goes to)")
	cmd.Flags().StringVar(&f.head, "head", "", "what to plan: a branch, tag, commit or directory (default: the directory as it is)")
	f.registerShown(cmd.Flags())
	f.keeping.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.watch, "watch", false, "plan again whenever a file is saved, until interrupted")
	cmd.Flags().BoolVar(&f.rehearse, "rehearse", false, "bring the base up on an embedded Kubernetes and deliver the head to it, with real admission and health")
	cmd.Flags().DurationVar(&f.grace, "grace", 10*time.Second, "with --rehearse: how long a unit may wait for health after its last change")
	cmd.Flags().BoolVar(&f.cluster, "cluster", false, "compare with a live cluster, by dry runs of its API server; nothing is written to it")
	cmd.Flags().StringVar(&f.live.kubeconfig, "kubeconfig", "", "with --cluster: its kubeconfig (default: $KUBECONFIG, else that of kubectl)")
	cmd.Flags().StringVar(&f.live.context, "context", "", "with --cluster: context of the kubeconfig (default: its current one)")
	return cmd
}

// registerShown adds the flags of what is shown, and of what that is worth.
func (f *planFlags) registerShown(fs *pflag.FlagSet) {
	fs.StringVar(&f.failOn, "fail-on", "none", "findings that make it exit with 3: a severity (info, warning, danger) and all above, names of rules, or both, with commas")
	fs.StringVar(&f.findings, "findings", "new", "those that text lists: new ones, or all: also those that stood before or are allowed")
	f.meant.register(fs)
	fs.StringVarP(&f.output, "output", "o", "text", "text, markdown, html, json or sarif")
}

func (f *previewFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.paths, "path", nil, "directory of a cluster's entry in the fleet (repeatable)")
	fs.BoolVar(&f.all, "all", false, "every cluster of the fleet")
	fs.StringVar(&f.entry.Name, "name", "", "name of the entry's objects where the fleet has no gotk-sync.yaml (default flux-system)")
	fs.StringVarP(&f.entry.Namespace, "namespace", "n", "", "their namespace (default flux-system)")
	fs.StringArrayVar(&f.inputs, "input", nil, "file of objects that live outside Git (repeatable)")
	fs.StringArrayVar(&f.setInputs, "set-input", nil, "KEY=VALUE: a key of what would be made up (repeatable)")
	f.registerSources(fs)
}

// registerSources adds the flags of where content comes from, and of the engine.
func (f *previewFlags) registerSources(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.mirrors, "mirror", nil, "PREFIX=TARGET: read addresses that begin so from this machine (repeatable)")
	fs.BoolVar(&f.fetch, "fetch", false, "allow the network for what no mirror has")
	fs.StringVar(&f.cacheDir, "cache-dir", "", "where fetched content is kept (default: a directory of the user's cache)")
	f.engine.register(fs)
}

func runPlan(ctx context.Context, env Env, f *planFlags, given []string) error {
	if !slices.Contains([]string{"text", "markdown", "html", "json", "sarif"}, f.output) {
		return wrong("--output %q: want text, markdown, html, json or sarif", f.output)
	}
	if f.findings != "new" && f.findings != "all" {
		return wrong("--findings %q: want new or all", f.findings)
	}
	failOn, err := finding.ParseFailOn(f.failOn)
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	dir, err := fleetDir(given)
	if err != nil {
		return err
	}
	defer hush()()
	collect.Late(planGrowth, planFrugal)
	previews, err := f.config()
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	cfg := app.PlanConfig{
		Previews: previews, Revisions: app.Revisions{Dir: dir, Base: f.base, Head: f.head}, Entries: f.entries(), All: f.all,
	}
	if !f.cluster && f.live != (target{}) {
		return wrong("--kubeconfig and --context name a live cluster: they go with --cluster")
	}
	if err := f.rehearsable(env); err != nil {
		return err
	}
	if _, err := f.meant.read(dir); err != nil {
		return &Exit{Code: 1, Err: err}
	}
	if f.watch && !f.cluster {
		return f.replan(ctx, env, cfg)
	}
	f.keeping.into(&cfg.Previews)
	plan, err := f.make(ctx, env, cfg)
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	if err := f.meant.permit(dir, plan); err != nil {
		return &Exit{Code: 1, Err: err}
	}
	plan.Tool = "leat " + Version
	doc := present.Make(plan)
	if err := f.write(env.Out, doc); err != nil {
		return err
	}
	for _, e := range plan.Entries {
		if len(failOn.Of(e.Findings)) > 0 {
			return &Exit{Code: exitFindings}
		}
	}
	if doc.Changes {
		return &Exit{Code: exitChanges}
	}
	return nil
}

// make plans: for a live cluster, or with a rehearsal, where that is asked for.
func (f *planFlags) make(ctx context.Context, env Env, cfg app.PlanConfig) (present.Plan, error) {
	switch {
	case f.rehearse:
		return f.rehearsed(ctx, env, cfg)
	case !f.cluster:
		return app.Plan(ctx, cfg)
	}
	if f.base != "" || f.all || f.watch || len(f.paths) > 1 || len(f.inputs)+len(f.setInputs) > 0 {
		return present.Plan{}, errors.New("with --cluster the cluster is the base and has the inputs: --base, --all, --watch, --input, --set-input and a second --path do not go with it")
	}
	if f.reach == nil {
		f.reach = f.live.config
	}
	rc, err := f.reach()
	if err != nil {
		return present.Plan{}, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	cfg.Previews.Options.Mask = plan.NewMask(secret.NewKey()) // tells that secrets differ, and nothing of them
	return app.PlanCluster(ctx, app.ClusterPlanConfig{Previews: cfg.Previews, Revisions: cfg.Revisions, REST: rc, Entry: cfg.Entries[0]})
}

// replan shows a plan after the other. A revision that cannot be planned is said on
// stderr, and the next save tries again.
func (f *planFlags) replan(ctx context.Context, env Env, cfg app.PlanConfig) error {
	if f.output != "text" {
		return wrong("--watch shows text; it does not go with --output %s", f.output)
	}
	style := styleOf(env.Out)
	err := app.Replan(ctx, cfg, func(plan present.Plan, err error) {
		if style.Colour {
			_, _ = io.WriteString(env.Out, "\x1b[2J\x1b[H") // a fresh screen; what cannot be written is lost either way
		}
		if err != nil {
			fmt.Fprintln(plain{env.Err}, "leat: "+err.Error())
			return
		}
		if err := f.meant.permit(cfg.Revisions.Dir, plan); err != nil {
			fmt.Fprintln(plain{env.Err}, "leat: "+err.Error())
		}
		plan.Tool = "leat " + Version
		_ = f.write(env.Out, present.Make(plan))
	})
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	return nil
}

// hush keeps what kustomize writes to the process's stderr out of the way, its
// warnings: they stand in the units' reports too. It returns how to end that.
func hush() func() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	stderr := os.Stderr
	os.Stderr = null
	return func() {
		os.Stderr = stderr
		_ = null.Close()
	}
}

// wrong is an error of wrong use where 2 means something else.
func wrong(format string, args ...any) error { return &Exit{Code: 1, Err: fmt.Errorf(format, args...)} }

// fleetDir is the directory that a verb is about.
func fleetDir(given []string) (string, error) {
	dir := "."
	if len(given) > 0 {
		dir = given[0]
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return "", wrong("%s is not a directory", abs)
	}
	return abs, nil
}

// entries are the clusters that were asked for.
func (f *previewFlags) entries() []entry.Options {
	if len(f.paths) == 0 {
		return []entry.Options{f.entry}
	}
	var out []entry.Options
	for _, path := range f.paths {
		o := f.entry
		o.Path = path
		out = append(out, o)
	}
	return out
}

func (f *previewFlags) config() (app.PreviewConfig, error) {
	mirrors, err := parseMirrors(f.mirrors)
	if err != nil {
		return app.PreviewConfig{}, err
	}
	values := map[string]string{}
	for _, text := range f.setInputs {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return app.PreviewConfig{}, fmt.Errorf("--set-input %q: want KEY=VALUE", text)
		}
		values[key] = value
	}
	log := slog.New(slog.DiscardHandler)
	klog.SetSlogLogger(log) // client-go must not write between the lines
	options, err := f.engine.options(log)
	if err != nil {
		return app.PreviewConfig{}, err
	}
	cache := f.cacheDir
	if cache == "" {
		if cache, err = os.UserCacheDir(); err != nil {
			cache = os.TempDir()
		}
		cache = filepath.Join(cache, "leat")
	}
	return app.PreviewConfig{
		Inputs: f.inputs, Values: values, Mirrors: mirrors, Fetch: f.fetch, CacheDir: cache, Options: options, Log: log,
		Isolate: isolation(log, 0),
	}, nil
}

func parseMirrors(texts []string) ([]mirror.Mirror, error) {
	var out []mirror.Mirror
	for _, text := range texts {
		m, err := mirror.Parse(text)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// write prints a plan in the format that was asked for.
func (f *planFlags) write(out io.Writer, doc present.Document) error {
	var text string
	switch f.output {
	case "markdown":
		text = doc.Markdown(present.Comment{})
	case "html":
		return doc.HTML(out)
	case "json":
		data, err := doc.JSON()
		if err != nil {
			return err
		}
		text = string(data)
	case "sarif":
		data, err := doc.SARIF(finding.Rules)
		if err != nil {
			return err
		}
		text = string(data)
	default:
		style := styleOf(out)
		style.Every = f.findings == "all"
		text = doc.Text(style)
	}
	_, err := io.WriteString(out, strings.TrimRight(text, "\n")+"\n")
	return err
}

// styleOf says how text looks where it goes.
func styleOf(out io.Writer) present.Style {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return present.Style{}
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		width = 100
	}
	return present.Style{Width: width, Colour: colours()}
}

// colours tells whether a terminal gets colours (no-color.org).
func colours() bool { return os.Getenv("NO_COLOR") == "" }
