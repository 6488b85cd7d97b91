// Package plain is the forge port where there is no forge: nothing but a Git
// repository that people push to. Pull requests, comments and statuses are signed
// records in refs/notes/leat-flow, reviews signed notes of the commit that was
// looked at in refs/notes/leat-approvals (git notes --ref leat-approvals show).
//
//	f, err := plain.New(plain.Config{Repo: r, Signers: signers, Key: key})
//	err = f.Review(ctx, 7, forge.Approved)
//
// Who somebody is says the key: signers are read from the base branch (the format
// of ssh-keygen's ALLOWED SIGNERS, gate.Signers). A record that none of them signed
// does not exist here. What Git cannot tell: who pushed, and whether somebody who
// may push took records away; a server that protects refs/notes/leat-* does. Nor
// does it protect branches, so merging is for people and for the engine's own
// approvals to guard.
package plain

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

// The refs that hold the records.
const (
	flowRef      = "refs/notes/leat-flow"
	approvalsRef = "refs/notes/leat-approvals"
)

// Config says which repository is meant, and who acts.
type Config struct {
	Repo    *repo.Repo
	Signers []gate.Signer    // whose signatures count
	Key     ssh.Signer       // of who acts; nil reads only
	Now     func() time.Time // nil for the clock
}

// Forge is a repository without a forge.
type Forge struct{ c Config }

// New returns the forge of a repository.
func New(c Config) (*Forge, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Forge{c}, nil
}

func user(name string) forge.User { return forge.User{ID: name, Login: name} }

// Me implements forge.Forge: whose key it is.
func (f *Forge) Me(context.Context) (forge.User, error) {
	if f.c.Key != nil {
		for _, s := range f.c.Signers {
			if bytes.Equal(s.Key.Marshal(), f.c.Key.PublicKey().Marshal()) {
				return user(s.Person), nil
			}
		}
	}
	return forge.User{}, &fault.Error{Class: fault.Auth, Err: errors.New("the key is none of the signers'; have it added to their list on the base branch")}
}

// Repository implements forge.Forge.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	if err := f.c.Repo.Fetch(ctx); err != nil {
		return forge.Repository{}, err
	}
	url := f.address()
	return forge.Repository{Name: url, DefaultBranch: f.c.Repo.DefaultBranch(), URL: url, CloneURL: url, Private: true}, nil
}

func (f *Forge) address() string { return cmp.Or(f.c.Repo.URL(), f.c.Repo.Dir()) }

// Branch implements forge.Forge; nothing is protected.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	if err := f.c.Repo.Fetch(ctx); err != nil {
		return forge.Branch{}, err
	}
	h, err := f.c.Repo.Branch(name)
	return forge.Branch{Name: name, Commit: h.String()}, err
}

// Members implements forge.Forge: Git has no groups.
func (f *Forge) Members(_ context.Context, team string) ([]forge.User, error) {
	return nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("there is no group %q in plain Git; name its people in leat.yaml, under groups", team)}
}

// state is what the records say.
type state struct {
	flow, approvals tree.Tree
	tips            map[string]repo.Hash
}

// read fetches and opens the notes.
func (f *Forge) read(ctx context.Context) (state, error) {
	s := state{tips: map[string]repo.Hash{}}
	if err := f.c.Repo.Fetch(ctx); err != nil {
		return s, err
	}
	for ref, into := range map[string]*tree.Tree{flowRef: &s.flow, approvalsRef: &s.approvals} {
		tip, ok := f.c.Repo.At(ref)
		if !ok {
			continue
		}
		var err error
		if *into, err = f.c.Repo.Tree(ctx, tip, ""); err != nil {
			return s, err
		}
		s.tips[ref] = tip
	}
	return s, nil
}

func (s state) of(ref string) tree.Tree {
	if ref == approvalsRef {
		return s.approvals
	}
	return s.flow
}

// records reads one note.
func (f *Forge) records(t tree.Tree, file string) []record {
	b, err := t.ReadFile(file)
	if err != nil {
		return nil // nothing was said
	}
	return unseal(b, f.c.Signers)
}

func pullFile(number int) string { return fmt.Sprintf("pulls/%06d", number) }

// numbers lists the pull requests that there are.
func (s state) numbers() []int {
	list, err := s.flow.ReadDir("pulls")
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range list {
		if n, err := strconv.Atoi(e.Name); err == nil && n > 0 && len(out) < forge.MaxListed {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// writeTries bounds how often somebody else may be faster.
const writeTries = 10

// entry is a record and the note that it goes to.
type entry struct {
	ref, file string
	record    record
	also      []repo.Update // other refs that move with it
}

// write adds the record that make derives from what is there; when somebody else
// writes at the same time, it is derived again.
func (f *Forge) write(ctx context.Context, make func(s state) (entry, error)) (record, error) {
	me, err := f.Me(ctx)
	if err != nil {
		return record{}, err
	}
	for range writeTries {
		var s state
		if s, err = f.read(ctx); err != nil {
			return record{}, err
		}
		e, err2 := make(s)
		if err2 != nil {
			return record{}, err2
		}
		e.record.By, e.record.At = me.ID, f.c.Now().UTC()
		if err = f.push(ctx, s, e); err == nil {
			return e.record, nil
		}
		if fault.ClassOf(err) != fault.Conflict {
			return record{}, err
		}
	}
	return record{}, fmt.Errorf("others write all the time: %w", err)
}

func (f *Forge) push(ctx context.Context, s state, e entry) error {
	line, err := seal(e.record, f.c.Key)
	if err != nil {
		return err
	}
	before, err := s.of(e.ref).ReadFile(e.file)
	if err != nil {
		before = nil
	}
	tip := s.tips[e.ref]
	d := repo.Draft{
		Message: e.record.Kind + " " + e.file, Author: repo.Person{Name: e.record.By, Email: e.record.By, When: e.record.At},
		Changes: map[string]*tree.Blob{e.file: tree.BlobOf(append(slices.Clone(before), line...))},
	}
	if !tip.IsZero() {
		d.Parents = []repo.Hash{tip}
	}
	next, err := f.c.Repo.Commit(ctx, d)
	if err != nil {
		return err
	}
	return f.c.Repo.Push(ctx, append(e.also, repo.Update{Ref: e.ref, Old: tip, New: next})...)
}
