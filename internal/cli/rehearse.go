package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/term"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/present"
)

const rehearseHint = `this build of leat has no Kubernetes in it, so it cannot rehearse.
Get the full one: clone the repository, run make build, and use bin/leat`

// rehearsable says what does not go with a rehearsal.
func (f *planFlags) rehearsable(env Env) error {
	switch {
	case !f.rehearse:
		return nil
	case f.cluster:
		return wrong("--rehearse and --cluster are two bases; choose one")
	case f.watch:
		return wrong("--rehearse takes longer than a save; it does not go with --watch")
	case f.grace < 0:
		return wrong("--grace %s: want a duration that is not negative", f.grace)
	case env.ControlPlane == nil:
		return &Exit{Code: 1, Err: errors.New(rehearseHint)}
	}
	return nil
}

// rehearsed plans with a rehearsal, and says on a terminal how far it is.
func (f *planFlags) rehearsed(ctx context.Context, env Env, cfg app.PlanConfig) (present.Plan, error) {
	line := statusOf(env.Err)
	defer line.clear()
	found, err := app.Rehearse(ctx, app.RehearsalConfig{
		PlanConfig: cfg, Grace: f.grace, Told: line.tell,
		Start: func(ctx context.Context) (app.Sandbox, error) { return sandbox(ctx, env) },
	})
	if err != nil && ctx.Err() != nil {
		return found, errors.New("interrupted; nothing is left behind")
	}
	return found, err
}

// sandbox starts a control plane of which nothing is left at its end.
func sandbox(ctx context.Context, env Env) (app.Sandbox, error) {
	dir, err := os.MkdirTemp("", "leat-sandbox-")
	if err != nil {
		return app.Sandbox{}, fmt.Errorf("keep a cluster: %w", err)
	}
	p := startPlane(ctx, env, ControlPlaneOptions{DataDir: filepath.Join(dir, "cluster"), Nodes: 1, Remove: true})
	stop := func() {
		p.stop()
		_ = os.RemoveAll(dir) // of the system's temporary directory
	}
	cp, err := p.wait(ctx)
	if err != nil {
		stop()
		return app.Sandbox{}, err
	}
	rc, err := clusterConfig(cp.Kubeconfig())
	if err != nil {
		stop()
		return app.Sandbox{}, err
	}
	return app.Sandbox{REST: rc, Ended: cp.Done(), Stop: stop}, nil
}

// status is a line on a terminal that is written over; elsewhere it is not there.
type status struct {
	out io.Writer // nil where there is no terminal

	mu   sync.Mutex
	told bool
}

func statusOf(out io.Writer) *status {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &status{out: file}
	}
	return &status{}
}

func (s *status) tell(p app.Progress) {
	if s.out == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = true
	text := "rehearsal"
	if p.Path != "" {
		text += " of " + p.Path
	}
	text += ": " + p.Doing
	if p.All > 0 {
		text += fmt.Sprintf(", %d of %d ready", p.Ready, p.All)
	}
	fmt.Fprint(s.out, "\r\x1b[K"+text)
}

func (s *status) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
}
