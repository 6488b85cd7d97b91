package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	gogit "github.com/go-git/go-git/v5"

	"github.com/leat-dev/leat/internal/source/git"
)

// Clone opens the kept copy of a remote repository, which is empty until the
// first Fetch of all.
func Clone(ctx context.Context, url string, o Options) (*Repo, error) {
	r := &Repo{remote: defaultRemote, kept: true, url: address(url), o: o}
	err := r.house()
	if err != nil {
		return nil, err
	}
	if r.repo, err = openBare(r.dir); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err = r.serveTrees(o); err == nil {
		err = r.Fetch(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

const defaultRemote = "origin"

// house chooses the directory of a copy: the one that is kept, unless somebody else has
// it open, else one of its own. go-git writes refs in place, so that two who share a
// copy would read each other's half.
func (r *Repo) house() error {
	name := git.KeyOf(withoutUser(r.url)) + ".git"
	if r.o.Dir != "" {
		r.dir = filepath.Join(r.o.Dir, name)
		var err error
		if r.lock, err = locked(r.dir + ".lock"); err != nil || r.lock != nil {
			return err
		}
	}
	var err error
	if r.temp, err = os.MkdirTemp("", "leat-repo-"); err != nil {
		return fmt.Errorf("clone: %w", err)
	}
	r.dir = filepath.Join(r.temp, name)
	return nil
}

// locked holds a file until it is closed; nil where somebody else does.
func locked(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, file.Close() // it is in use
	}
	return file, nil
}

func openBare(dir string) (*gogit.Repository, error) {
	repo, err := gogit.PlainOpen(dir)
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return nil, fmt.Errorf("open copy: %w", err)
		}
		repo, err = gogit.PlainInit(dir, true)
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o700)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	return repo, nil
}
