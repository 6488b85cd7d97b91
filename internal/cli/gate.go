package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/keeper"
)

// gateFlags are the flags of `leat gate`.
type gateFlags struct {
	previewFlags
	listen    string
	once      bool
	pulls     []int
	secrets   []string
	kind, url string
	directory string
	every     time.Duration
	workers   int
	memory    int64
	timeout   time.Duration
	output    string
	key       string
}

func newGate(env Env) *cobra.Command {
	f := &gateFlags{}
	cmd := &cobra.Command{
		Use:   "gate [DIRECTORY]",
		Short: "Judge the pull requests of the fleet's repository, as a server beside the forge or once",
		Long: `Judge every open pull request into a branch that environments follow, by the rules that
this branch has (leat.yaml), and say so at the forge: a commit status for each
environment (leat/<environment>), to be required by the branch's protection, and one
comment that is edited in place. It never merges and never pushes.

The checks are those of leat check, for what the branch would be after the merge. What is
asked besides is who approved: designated people (of leat.yaml, or of the forge's teams
that it names), not the author, nor who pushed last, nor a machine; and an approval holds
for what was rendered when it was given, so that it stands while that is the same and
falls when it is not.

With --listen it stays: webhooks (POST /webhook, verified by the secrets of files that
can be replaced at any time) say where to look, and a poll makes up for lost ones. With
--once it judges what is open and ends, for cron and CI.

The token is that of an account of its own, in LEAT_FORGE_TOKEN (or what the forge's own
tools read; docs/forges.md). With forge.kind git there is no server to ask: --once signs
what it says with --key, a key of the repository's signers. What a pull request holds is rendered in a child with
bounds, without the token and, where the system lets us, without a network; one from a
fork gets nothing of --input, --set-input and --fetch.

Exit codes of --once: 0 all could be judged, 1 some could not (also wrong use).`,
		Example: `  leat gate --listen :8080 --webhook-secret /etc/leat/webhook
  leat gate --once
  leat gate --once --pull 12 --kind gitea --url https://git.example.com/team/fleet -o json`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runGate(cmd.Context(), env, f, given) },
	}
	f.register(cmd)
	return cmd
}

func (f *gateFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	f.sources(fs)
	fs.StringVar(&f.listen, "listen", "", "ADDRESS:PORT of /webhook, /healthz and /metrics; stay and judge")
	fs.BoolVar(&f.once, "once", false, "judge what is open, and end")
	fs.IntSliceVar(&f.pulls, "pull", nil, "with --once: only this pull request (repeatable)")
	fs.StringArrayVar(&f.secrets, "webhook-secret", nil, "file with a secret of the webhooks (repeatable, to replace one by the next)")
	fs.StringVar(&f.kind, "kind", "", "what the forge is, as forge.kind of leat.yaml (default: the directory's leat.yaml)")
	fs.StringVar(&f.url, "url", "", "address of the repository at the forge, as forge.url of leat.yaml")
	fs.StringVar(&f.key, "key", "", "with forge.kind git, the SSH key that signs what the gate says: a private key, or the public half of one that an agent holds (default: as ssh has it)")
	fs.StringVar(&f.directory, "fleet-directory", "", "of the fleet in the repository, where leat.yaml stands (default: its root)")
	fs.DurationVar(&f.every, "interval", keeper.DefaultEvery, "how often the forge is asked for pull requests, besides webhooks")
	fs.IntVar(&f.workers, "concurrent", keeper.DefaultWorkers, "pull requests judged at once")
	fs.Int64Var(&f.memory, "render-memory", app.DefaultFactsMemory, "bytes that rendering one environment may take")
	fs.DurationVar(&f.timeout, "render-timeout", app.DefaultFactsTimeout, "how long rendering one environment may take")
	fs.StringVarP(&f.output, "output", "o", "text", "of --once: text or json")
}

func runGate(ctx context.Context, env Env, f *gateFlags, given []string) error {
	if err := f.wrong(); err != nil {
		return &Exit{Code: 1, Err: err}
	}
	declared, err := f.forge(given)
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	if declared.Kind == "git" && !f.once {
		return &Exit{Code: 1, Err: errors.New("--listen: plain Git sends no webhooks, and whose key counts is read once: run leat gate --once, from cron or CI")}
	}
	defer hush()()
	previews, err := f.config()
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	log := slog.New(slog.NewTextHandler(env.Err, nil))
	gate, err := app.NewGate(ctx, app.GateConfig{
		Facts: app.FactsConfig{Previews: previews, Memory: f.memory, Timeout: f.timeout},
		Forge: declared, Dir: f.directory, CacheDir: previews.CacheDir, Secrets: f.secrets,
		Serve: keeper.Options{Every: f.every, Workers: f.workers}, Log: log, Tool: "leat " + Version,
		Signing: signing(f.key, env.Err),
	})
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	if f.once {
		err = f.judge(ctx, env, gate)
	} else {
		err = serveGate(ctx, log, gate, f.listen)
	}
	if err = errors.Join(err, gate.Close()); err != nil {
		return &Exit{Code: 1, Err: err}
	}
	return nil
}

// wrong says what of the flags does not go together.
func (f *gateFlags) wrong() error {
	switch {
	case f.once == (f.listen != ""):
		return errors.New("say how long: --listen ADDRESS:PORT stays, --once judges what is open and ends")
	case len(f.pulls) > 0 && !f.once:
		return errors.New("--pull goes with --once")
	case (f.kind == "") != (f.url == ""):
		return errors.New("--kind and --url go together")
	case f.every <= 0 || f.workers <= 0:
		return errors.New("--interval and --concurrent must be more than nothing")
	}
	return oneOf(f.output, "text", "json")
}

// forge is that of the flags, or of the directory's leat.yaml: that names the place and
// guards nothing.
func (f *gateFlags) forge(given []string) (flow.Forge, error) {
	if f.url != "" {
		return flow.Forge{Kind: f.kind, URL: f.url}, nil
	}
	dir, err := fleetDir(given)
	if err != nil {
		return flow.Forge{}, err
	}
	data, err := os.ReadFile(filepath.Join(dir, flow.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return flow.Forge{}, fmt.Errorf("there is no %s in %s that would name the forge: pass --kind and --url", flow.FileName, dir)
	}
	if err != nil {
		return flow.Forge{}, err
	}
	declared, err := flow.Parse(flow.FileName, data)
	if err == nil && declared.Forge == nil {
		err = fmt.Errorf("%s names no forge: add one, or pass --kind and --url", flow.FileName)
	}
	if err != nil {
		return flow.Forge{}, err
	}
	return *declared.Forge, nil
}

// judge judges once, and tells.
func (f *gateFlags) judge(ctx context.Context, env Env, gate *app.Gate) error {
	type one struct {
		Number int           `json:"number"`
		State  string        `json:"state"`
		Error  string        `json:"error,omitempty"`
		Report *check.Report `json:"report,omitempty"`
	}
	all := []one{}
	told := func(t keeper.Told) {
		o := one{Number: t.Number, State: cmp.Or(string(t.State), "not guarded")}
		if t.State != "" {
			o.Report = &t.Report
		}
		if t.Err != nil {
			o.State, o.Error = "failed", t.Err.Error()
		}
		all = append(all, o)
		if f.output == "text" {
			fmt.Fprintf(env.Out, "#%d %s: %s\n", t.Number, o.State, cmp.Or(o.Error, t.Report.Verdict))
		}
	}
	err := gate.Once(ctx, told, f.pulls...)
	if f.output == "json" {
		data, failed := json.MarshalIndent(map[string]any{"apiVersion": "leat.dev/gate/v1", "pullRequests": all}, "", "  ")
		if failed != nil {
			return failed
		}
		fmt.Fprintln(env.Out, string(data))
	}
	return err
}

// Bounds of the server.
const (
	gateReadTimeout = 30 * time.Second
	gateEnd         = 10 * time.Second // for answers under way
	gateHeader      = 64 << 10         // bytes
)

// serveGate serves and judges until ctx ends.
func serveGate(ctx context.Context, log *slog.Logger, gate *app.Gate, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{Handler: gate.Handler(), ReadTimeout: gateReadTimeout, WriteTimeout: gateReadTimeout, MaxHeaderBytes: gateHeader}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		err := server.Serve(l)
		cancel() // without webhooks and health nobody should take it for well
		failed <- err
	}()
	log.Info("the gate stands", "address", l.Addr().String())
	err = gate.Serve(ctx)
	end, done := context.WithTimeout(context.WithoutCancel(ctx), gateEnd)
	defer done()
	err = errors.Join(err, server.Shutdown(end))
	if failure := <-failed; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	return err
}
