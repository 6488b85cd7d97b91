package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"
)

// plane is a control plane that starts while other things are done.
type plane struct {
	began  time.Time
	cp     ControlPlane
	err    error
	done   chan struct{}
	cancel context.CancelFunc
}

func startPlane(ctx context.Context, env Env, o ControlPlaneOptions) *plane {
	ctx, cancel := context.WithCancel(ctx)
	p := &plane{began: time.Now(), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(p.done)
		p.cp, p.err = env.ControlPlane(ctx, o)
	}()
	return p
}

func (p *plane) wait(ctx context.Context) (ControlPlane, error) {
	select {
	case <-p.done:
		return p.cp, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stopTimeout bounds the wait for the control plane's end; then it is killed.
const stopTimeout = 15 * time.Second

func (p *plane) stop() {
	p.cancel()
	<-p.done
	if p.cp == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = p.cp.Stop(ctx) // it is killed when it does not stop by itself
}

// stateDir is where the cluster of a fleet is kept: below the user's state
// directory, by the fleet's path.
func stateDir(fleet string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(fleet))
	return filepath.Join(base, "leat", filepath.Base(fleet)+"-"+hex.EncodeToString(sum[:4])), nil
}
