package app

import (
	"context"

	"github.com/leat-dev/leat/internal/engine"
)

// router sends a fetch to this machine or to the remotes.
type router struct {
	local   Local // may be nil
	remote  engine.Git
	offline bool
}

// Local implements engine.Git.
func (r router) Local(url string) bool { return r.local != nil && r.local.Local(url) }

// Fetch implements engine.Git.
func (r router) Fetch(ctx context.Context, req engine.GitRequest) (engine.GitResult, error) {
	switch {
	case r.Local(req.URL):
		return r.local.Fetch(ctx, req)
	case r.offline && r.local != nil:
		return engine.GitResult{}, r.local.Offline(req.URL)
	default:
		return r.remote.Fetch(ctx, req)
	}
}
