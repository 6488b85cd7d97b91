package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	gogit "github.com/go-git/go-git/v5"
	gitconfig "github.com/go-git/go-git/v5/config"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/repo"
)

// CarryConfig says where a change is carried.
type CarryConfig struct {
	Dir      string          // of the fleet
	CacheDir string          // of copies of other repositories
	Mirrors  []mirror.Mirror // of them
	Now      time.Time
	Signing  Signing
}

// Carrying is a fleet's repository, fetched, and the other repositories of its
// organisation as they are needed.
type Carrying struct {
	*FlowRepo
	Fleet carry.Onto

	cfg     CarryConfig
	signers signers
	release []func() // lets go of keys
	mu      sync.Mutex
	open    map[string]*repo.Repo
}

// Carry opens the repository of a fleet and brings it up to date.
func Carry(ctx context.Context, cfg CarryConfig) (*Carrying, error) {
	f, err := OpenFlow(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if f.Repo.Shallow() {
		return nil, errors.Join(errShallow, f.Close())
	}
	c := &Carrying{FlowRepo: f, cfg: cfg, open: map[string]*repo.Repo{}}
	if err := f.Repo.Fetch(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	author, err := person(f.Repo.Dir(), cfg.Now)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c.Fleet = carry.Onto{Repo: f.Repo, Dir: f.in(""), Author: author}
	if c.Fleet.Dir == "." {
		c.Fleet.Dir = ""
	}
	if c.signers, err = f.signers(ctx, cfg.Now); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

// errShallow refuses a clone without its history: what was promoted, rolled back and fixed
// stands there, and a verb that does not see it would do it again, or undo it.
var errShallow = errors.New("this clone is shallow, and history says what was promoted, rolled back and fixed: run git fetch --unshallow (in CI: fetch the whole history)")

// Repository implements carry.Repositories: a copy that is kept from one time to the
// next, fetched once.
func (c *Carrying) Repository(ctx context.Context, url string) (*repo.Repo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.open[url]; r != nil {
		return r, nil
	}
	if mirror.Same(url, c.Repo.URL()) {
		return c.Repo, nil
	}
	at := url
	if m, rest, found := mirror.Find(c.cfg.Mirrors, url); found {
		at = cloneIn(m.Target, rest)
	}
	r, err := repo.Clone(ctx, at, repo.Options{Dir: filepath.Join(c.cfg.CacheDir, "flow")})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", url, err)
	}
	c.open[url] = r
	return r, nil
}

// cloneIn is a repository in a folder of repositories, or the folder itself.
func cloneIn(target, rest string) string {
	at := filepath.Join(target, filepath.FromSlash(rest))
	for _, name := range []string{at, at + ".git"} {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return at
}

// Close lets go of all repositories.
func (c *Carrying) Close() error {
	errs := []error{c.FlowRepo.Close()}
	for _, r := range c.open {
		errs = append(errs, r.Close())
	}
	for _, done := range c.release {
		done()
	}
	return errors.Join(errs...)
}

// person is who makes commits, as git has it: the environment, the clone's
// configuration, the person's.
func person(dir string, now time.Time) (repo.Person, error) {
	who := repo.Person{Name: os.Getenv("GIT_AUTHOR_NAME"), Email: os.Getenv("GIT_AUTHOR_EMAIL"), When: now}
	if opened, err := gogit.PlainOpen(dir); err == nil {
		if cfg, err := opened.ConfigScoped(gitconfig.GlobalScope); err == nil {
			who.Name, who.Email = cmp.Or(who.Name, cfg.User.Name), cmp.Or(who.Email, cfg.User.Email)
		}
	}
	if who.Name == "" || who.Email == "" {
		return who, errors.New("git does not know who you are: run git config --global user.name and user.email")
	}
	return who, nil
}
