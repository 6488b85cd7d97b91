// Package git brings commits of remote Git repositories as trees.
//
//	pool, err := git.NewPool(dir, git.Options{})
//	remote, err := pool.Remote("https://example.com/fleet", cred)
//	commit, err := remote.Resolve(ctx, git.Ref{Branch: "main"}, time.Time{})
//	checkout, err := remote.Tree(ctx, commit, git.TreeOptions{})
//
// One Remote per address and credential keeps the objects that it has seen: a
// fetch brings only what is new, one listing of refs answers everyone who asks,
// and contents are read when they are needed. It must never show a credential
// in an error, send one to another host, or write a file that a repository names.
package git

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// Hash is the SHA-1 name of a commit or another object of Git.
type Hash = wire.Hash

// AdvertisedRef is a ref of the remote; Peeled is set for annotated tags.
type AdvertisedRef = wire.Ref

// Ref is what spec.ref of a GitRepository says. The first of Commit, Name,
// SemVer, Tag and Branch that is set counts, as Flux documents; Branch counts
// beside Commit. An empty Ref means the branch master.
type Ref struct {
	Branch string
	Tag    string
	SemVer string // range of tags
	Name   string // full name, such as refs/pull/7/head
	Commit string // 40 hexadecimal digits
}

// DefaultBranch is what an empty Ref means.
const DefaultBranch = "master"

// String returns what an error calls the ref.
func (r Ref) String() string {
	switch {
	case r.Commit != "":
		return fmt.Sprintf("commit %q", r.Commit)
	case r.Name != "":
		return fmt.Sprintf("ref %q", r.Name)
	case r.SemVer != "":
		return fmt.Sprintf("semver %q", r.SemVer)
	case r.Tag != "":
		return fmt.Sprintf("tag %q", r.Tag)
	default:
		return fmt.Sprintf("branch %q", cmp.Or(r.Branch, DefaultBranch))
	}
}

// Target is what a Ref means among the refs of a remote.
type Target struct {
	Ref    string // full name of the ref, "" for a commit without a branch
	Hash   Hash   // the commit
	Object Hash   // what the ref names itself: the tag object of an annotated tag
	Label  string // what stands before the @ of the revision

	// Ties are all tags of the version that a SemVer chose, when they differ
	// only by build metadata: the youngest commit counts.
	Ties []Target
}

// Revision returns <label>@sha1:<commit>, or sha1:<commit> without a label.
func (t Target) Revision() string {
	if t.Label == "" {
		return "sha1:" + t.Hash.String()
	}
	return t.Label + "@sha1:" + t.Hash.String()
}

const (
	heads = "refs/heads/"
	tags  = "refs/tags/"
	peel  = "^{}"
)

// Choose returns what want means among refs. The error is an *fault.Error of the
// class NotFound when it is not there, fault.Invalid when it can never be.
func Choose(refs []AdvertisedRef, want Ref) (Target, error) {
	switch {
	case want.Commit != "":
		return chooseCommit(refs, want)
	case want.Name != "":
		return chooseName(refs, want)
	case want.SemVer != "":
		return chooseSemVer(refs, want)
	case want.Tag != "":
		return find(refs, want, tags+want.Tag, want.Tag)
	default:
		branch := cmp.Or(want.Branch, DefaultBranch)
		return find(refs, want, heads+branch, branch)
	}
}

func chooseCommit(refs []AdvertisedRef, want Ref) (Target, error) {
	h, err := wire.ParseHash(strings.ToLower(want.Commit))
	if err != nil {
		return Target{}, &fault.Error{Class: fault.Invalid, Err: err}
	}
	t := Target{Hash: h, Object: h}
	if want.Branch != "" {
		of, err := find(refs, Ref{Branch: want.Branch}, heads+want.Branch, want.Branch)
		if err != nil {
			return Target{}, err
		}
		t.Ref, t.Label = of.Ref, of.Label
	}
	return t, nil
}

func chooseName(refs []AdvertisedRef, want Ref) (Target, error) {
	name, peeled := strings.CutSuffix(want.Name, peel)
	if !wire.ValidName(name) {
		return Target{}, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("%q is no valid name of a ref", want.Name)}
	}
	t, err := find(refs, want, name, want.Name)
	if err == nil && peeled && !strings.HasPrefix(name, tags) {
		return Target{}, notFound(refs, want)
	}
	return t, err
}

func chooseSemVer(refs []AdvertisedRef, want Ref) (Target, error) {
	in, err := semver.NewConstraint(want.SemVer)
	if err != nil {
		return Target{}, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("semver %q: %w", want.SemVer, err)}
	}
	var best *semver.Version
	var ties []Target
	for _, r := range refs {
		tag, ok := strings.CutPrefix(r.Name, tags)
		if !ok {
			continue
		}
		v, err := parseVersion(tag)
		if err != nil || !in.Check(v) || best != nil && v.LessThan(best) {
			continue
		}
		if best == nil || v.GreaterThan(best) {
			best, ties = v, nil
		}
		ties = append(ties, target(r, tag))
	}
	if best == nil {
		return Target{}, notFound(refs, want)
	}
	slices.SortFunc(ties, func(a, b Target) int { return strings.Compare(a.Label, b.Label) })
	t := ties[len(ties)-1]
	if len(ties) > 1 {
		t.Ties = ties
	}
	return t, nil
}

// parseVersion takes versions of three parts, with or without a v before them.
func parseVersion(tag string) (*semver.Version, error) {
	if strings.Count(tag, ".") < 2 {
		return nil, errors.New("not a version of three parts")
	}
	return semver.NewVersion(tag)
}

func find(refs []AdvertisedRef, want Ref, name, label string) (Target, error) {
	i := slices.IndexFunc(refs, func(r AdvertisedRef) bool { return r.Name == name })
	if i < 0 {
		return Target{}, notFound(refs, want)
	}
	return target(refs[i], label), nil
}

func target(r AdvertisedRef, label string) Target {
	t := Target{Ref: r.Name, Hash: r.Hash, Object: r.Hash, Label: label}
	if !r.Peeled.IsZero() {
		t.Hash = r.Peeled
	}
	return t
}

// shown is how many refs an error names.
const shown = 8

// notFound names the branches or tags that are there.
func notFound(refs []AdvertisedRef, want Ref) error {
	kind, prefix := "branches", heads
	if want.Commit == "" && (want.SemVer != "" || want.Tag != "" || strings.HasPrefix(want.Name, tags)) {
		kind, prefix = "tags", tags
	}
	var there []string
	for _, r := range refs {
		if name, ok := strings.CutPrefix(r.Name, prefix); ok {
			there = append(there, name)
		}
	}
	slices.Sort(there)
	list := "none"
	if n := len(there); n > shown {
		list = fmt.Sprintf("%s and %d more", strings.Join(there[:shown], ", "), n-shown)
	} else if n > 0 {
		list = strings.Join(there, ", ")
	}
	return &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("%s is not there; %s: %s", want, kind, list)}
}
