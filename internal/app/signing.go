package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/plain"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/repo"
)

// ErrNoKey is what Signing.Key answers where a person has no key and named none.
var ErrNoKey = errors.New("there is no SSH key to sign with")

// Signing is how a person signs records of plain Git, where there is no other forge.
type Signing struct {
	// Key finds the person's key, and how to let go of it; nil where there is none.
	Key func() (key ssh.Signer, done func(), err error)
	// Without hears why a branch is pushed and no pull request opened.
	Without func(why string)
}

// SignersFile is where plain Git's signers are listed, where leat.yaml does not say it.
const SignersFile = ".leat/signers"

// signers are those whose word counts in plain Git, and where that is written.
type signers struct {
	list []gate.Signer
	at   string // <file> of <branch>
}

// signers reads the list from the default branch, as the remote has it: a change that
// is proposed cannot add to it.
func (f *FlowRepo) signers(ctx context.Context, now time.Time) (signers, error) {
	if f.Flow.Forge == nil || f.Flow.Forge.Kind != plainGit {
		return signers{}, nil
	}
	file, branch := cmp.Or(f.Flow.Forge.Signers, SignersFile), f.Repo.DefaultBranch()
	if branch == "" {
		return signers{at: file + " of the remote's default branch, which is not known: run git remote set-head origin --auto"}, nil
	}
	out := signers{at: fmt.Sprintf("%s of the branch %s", file, branch)}
	head, err := f.Repo.Branch(branch)
	if err != nil {
		return out, fmt.Errorf("read %s: %w", out.at, err)
	}
	fleet, err := f.at(ctx, head)
	if err != nil {
		return out, fmt.Errorf("read %s: %w", out.at, err)
	}
	text, err := fleet.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err == nil {
		out.list, err = gate.SignersIn(plain.Namespace, text, now)
	}
	if err != nil {
		return out, fmt.Errorf("read %s: %w", out.at, err)
	}
	return out, nil
}

// readForge is the forge of the fleet's own repository, for those who only read: with
// plain Git nobody's key is needed.
func (f *FlowRepo) readForge(ctx context.Context, now time.Time) (forge.Forge, error) {
	if f.Flow.Forge.Kind != plainGit {
		return forgeOf(f.Flow.Forge, "")
	}
	who, err := f.signers(ctx, now)
	if err != nil {
		return nil, err
	}
	return plain.New(plain.Config{Repo: f.Repo, Signers: who.list})
}

// unsignedError says why nobody's word counts in plain Git.
type unsignedError struct{ why string }

func (e *unsignedError) Error() string { return e.why }

// plain is a repository without a forge, in the name of the person whose key it is;
// nil, and why, where that is nobody whose word counts.
func (c *Carrying) plain(of *repo.Repo) (out forge.Forge, why string, err error) {
	out, done, err := c.signers.forge(of, c.cfg.Signing)
	var nobody *unsignedError
	if errors.As(err, &nobody) {
		return nil, nobody.why, nil
	}
	if err != nil {
		return nil, "", err
	}
	c.release = append(c.release, done)
	return out, "", nil
}

// forge opens plain Git for the person whose key it is, an unsignedError where that is
// nobody of the list. The returned function lets go of the key.
func (s signers) forge(of *repo.Repo, signing Signing) (out forge.Forge, done func(), err error) {
	if len(s.list) == 0 {
		return nil, nil, &unsignedError{"no key stands in " + s.at}
	}
	if signing.Key == nil {
		return nil, nil, &unsignedError{ErrNoKey.Error()}
	}
	key, done, err := signing.Key()
	if errors.Is(err, ErrNoKey) {
		return nil, nil, &unsignedError{err.Error()}
	}
	if err != nil {
		return nil, nil, err
	}
	mine := func(s gate.Signer) bool { return bytes.Equal(s.Key.Marshal(), key.PublicKey().Marshal()) }
	if !slices.ContainsFunc(s.list, mine) {
		done()
		return nil, nil, &unsignedError{fmt.Sprintf("your key %s does not stand in %s", ssh.FingerprintSHA256(key.PublicKey()), s.at)}
	}
	if out, err = plain.New(plain.Config{Repo: of, Signers: s.list, Key: key}); err != nil {
		done()
		return nil, nil, err
	}
	return out, done, nil
}
