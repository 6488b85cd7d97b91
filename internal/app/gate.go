package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/keeper"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/git"
)

// GateConfig says where a gate stands.
type GateConfig struct {
	Facts FactsConfig
	Forge flow.Forge // of the fleet's repository
	// Signing signs what is said where there is no other forge than Git.
	Signing Signing
	Dir     string // of the fleet in the repository; empty for all of it
	// CacheDir holds the kept copy of the repository.
	CacheDir string
	// Secrets are files that each hold one secret of the webhooks; they are read for
	// every webhook, so that one can be replaced at any time. None takes no webhooks.
	Secrets []string
	Serve   keeper.Options
	Log     *slog.Logger
	Tool    string
}

// Gate is a gate beside a forge.
type Gate struct {
	cfg      GateConfig
	keeper   *keeper.Keeper
	repo     *repo.Repo
	done     func() // lets go of the key of plain Git; nil where there is none
	renders  *renderer
	webhook  forge.Webhook
	registry *prometheus.Registry
	counts   gateMetrics
	heard    chan forge.Event
	looked   atomic.Int64 // when all pull requests were last listed, in seconds
}

// maxHeard bounds how many webhooks wait to be heard: those beyond are as good as lost,
// and the next poll finds what they told of.
const maxHeard = 1000

// NewGate opens the forge, and the kept copy of its repository.
func NewGate(ctx context.Context, cfg GateConfig) (*Gate, error) {
	g := &Gate{cfg: cfg, webhook: forgeKinds[cfg.Forge.Kind].webhook, heard: make(chan forge.Event, maxHeard), registry: prometheus.NewRegistry()}
	g.counts = newGateMetrics(g.registry)
	f, err := g.open(ctx)
	if err != nil {
		return nil, errors.Join(err, g.release())
	}
	if g.renders, err = newRenderer(cfg.Facts, g.repo.Dir(), cfg.Dir, cfg.Log); err != nil {
		return nil, errors.Join(err, g.release())
	}
	g.keeper = keeper.New(keeper.Config{
		Forge: f, Repo: g.repo, Dir: cfg.Dir, Render: g.renders.render, Now: time.Now, Log: cfg.Log, Tool: cfg.Tool,
	})
	g.cfg.Serve.Told, g.cfg.Serve.Looked = g.told, g.look
	return g, nil
}

// maxCopy bounds the kept copy in bytes: one that is larger is made anew at the next
// start, without what only closed pull requests had.
const maxCopy = 8 << 30

// open opens the forge, and the kept copy of its repository, which the forge's own
// token reads.
func (g *Gate) open(ctx context.Context) (forge.Forge, error) {
	if g.cfg.Forge.Kind == plainGit {
		return g.openPlain(ctx)
	}
	f, err := forgeOf(&g.cfg.Forge, "")
	if err != nil {
		return nil, err
	}
	of, err := f.Repository(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the forge for its repository: %w", err)
	}
	credential := &git.Credential{Username: cmp.Or(os.Getenv("LEAT_FORGE_USER"), "x-token-auth"), Password: tokenOf(g.cfg.Forge.Kind)}
	return f, g.clone(ctx, of.CloneURL, credential)
}

// openPlain opens plain Git, as whoever runs the gate reads it, in the name of their key.
func (g *Gate) openPlain(ctx context.Context) (out forge.Forge, err error) {
	if err = g.clone(ctx, g.cfg.Forge.URL, nil); err != nil {
		return nil, err
	}
	fleet := &FlowRepo{Flow: flow.Flow{Forge: &g.cfg.Forge}, Repo: g.repo, rest: cmp.Or(g.cfg.Dir, ".")}
	who, err := fleet.signers(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	if out, g.done, err = who.forge(g.repo, g.cfg.Signing); err != nil {
		return nil, fmt.Errorf("what a gate says in plain Git is signed: %w", err)
	}
	return out, nil
}

// clone opens the kept copy.
func (g *Gate) clone(ctx context.Context, url string, credential *git.Credential) (err error) {
	at := filepath.Join(g.cfg.CacheDir, "gate")
	if size(at) > maxCopy {
		g.cfg.Log.Info("the copy of the repository has grown too large, and is made anew", "directory", at)
		if err := os.RemoveAll(at); err != nil {
			return fmt.Errorf("make the copy anew: %w", err)
		}
	}
	g.repo, err = repo.Clone(ctx, url, repo.Options{Dir: at, Credential: credential})
	return err
}

// size is what the files of a directory take, in bytes.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be read takes nothing that we could give back
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// Close ends what goes on.
func (g *Gate) Close() error {
	g.renders.close()
	return g.release()
}

// release lets go of the key and of the kept copy, as far as there are any.
func (g *Gate) release() error {
	if g.done != nil {
		g.done()
	}
	if g.repo == nil {
		return nil
	}
	return g.repo.Close()
}

// Once judges every open pull request, or those that are named.
func (g *Gate) Once(ctx context.Context, told func(keeper.Told), numbers ...int) error {
	if len(numbers) == 0 {
		return g.keeper.Once(ctx, told)
	}
	var errs []error
	for _, number := range numbers {
		errs = append(errs, g.keeper.One(ctx, number, told))
	}
	return errors.Join(errs...)
}

// Serve judges pull requests until ctx ends.
func (g *Gate) Serve(ctx context.Context) error { return g.keeper.Serve(ctx, g.heard, g.cfg.Serve) }

// look notes that the forge answered.
func (g *Gate) look(err error) {
	if err == nil {
		g.looked.Store(time.Now().Unix())
	}
}

// told counts.
func (g *Gate) told(t keeper.Told) {
	state := cmp.Or(string(t.State), "none")
	if t.Err != nil {
		state = "failed"
	}
	g.counts.judged.WithLabelValues(state).Inc()
	g.counts.took.Observe(t.Took.Seconds())
}

// gateMetrics are what a gate counts; docs/metrics.md lists them.
type gateMetrics struct {
	judged   *prometheus.CounterVec
	took     prometheus.Histogram
	webhooks *prometheus.CounterVec
}

func newGateMetrics(r prometheus.Registerer) gateMetrics {
	out := gateMetrics{
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_gate_judged_total", Help: "Pull requests judged, by how they stand: success, pending, failure, error; none where nothing guards them, failed where it did not work.",
		}, []string{"state"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_gate_judge_seconds", Help: "How long judging a pull request took.", Buckets: prometheus.ExponentialBucketsRange(0.1, 900, 10),
		}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_gate_webhooks_total", Help: "Webhooks by what became of them: heard, refused, dropped.",
		}, []string{"result"}),
	}
	r.MustRegister(out.judged, out.took, out.webhooks)
	return out
}

// Metrics is what the gate counts.
func (g *Gate) Metrics() prometheus.Gatherer { return g.registry }

// Handler serves /webhook, /healthz and /metrics.
func (g *Gate) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", g.hook)
	mux.HandleFunc("GET /healthz", g.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{}))
	return mux
}
