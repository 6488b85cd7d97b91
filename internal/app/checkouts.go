package app

import (
	"context"
	"strings"
	"sync"

	"github.com/leat-dev/leat/internal/source/git"
)

// checkouts remembers the last commits as trees, because many repositories
// share one remote and one revision. A nil one remembers nothing.
type checkouts struct {
	mu     sync.Mutex
	recent []*checkout // newest last
}

type checkout struct {
	remote *git.Remote
	id     string // commit and directories

	mu   sync.Mutex // held while the first one reads; the others wait for it
	done bool
	out  git.Checkout
}

// maxCheckouts bounds what is remembered: a few remotes, a few revisions.
const maxCheckouts = 16

func (c *checkouts) tree(ctx context.Context, remote *git.Remote, commit git.Commit, o git.TreeOptions) (git.Checkout, error) {
	if c == nil || o.Submodules { // submodules have remotes of their own
		return remote.Tree(ctx, commit, o)
	}
	e := c.entry(remote, commit.Hash.String()+"\x00"+strings.Join(o.Sparse, "\x00"))
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return e.out, nil
	}
	out, err := remote.Tree(ctx, commit, o)
	if err == nil {
		e.out, e.done = out, true
	}
	return out, err
}

func (c *checkouts) entry(remote *git.Remote, id string) *checkout {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.recent {
		if e.remote == remote && e.id == id {
			return e
		}
	}
	if len(c.recent) >= maxCheckouts {
		c.recent = c.recent[1:]
	}
	e := &checkout{remote: remote, id: id}
	c.recent = append(c.recent[:len(c.recent):len(c.recent)], e)
	return e
}
