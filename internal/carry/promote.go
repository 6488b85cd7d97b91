package carry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/promote"
	"github.com/leat-dev/leat/internal/repo"
)

// PromoteBranch is what the branch of a promotion begins with.
const PromoteBranch = "promote/"

// The trailers by which the next promotion knows what the last one brought, and where:
// environments of one branch share a history. One of parts says nothing about the rest.
//
//	Promoted-From: development@3f2a91c… to playground
const (
	promotedWhole = "Promoted-From: "
	promotedPart  = "Promoted-Part-Of: "
)

// maxHistory bounds how far back the last promotion is looked for.
const maxHistory = 2000

// Promoting is a promotion from one environment to another.
type Promoting struct {
	Flow  flow.Flow
	Fleet Onto
	From  flow.Environment
	To    flow.Environment
	// Of is the branch, tag or commit that is promoted; empty is the branch of From.
	Of string
	// Seen is the commit of From's branch that somebody looked at: what came after it is
	// not promoted, though a push in between makes Promote think again. Zero is whatever
	// the branch holds.
	Seen repo.Hash
	// Only, Take and Keep are as in promote.Move.
	Only, Take, Keep []string
	// Again brings what was rolled back in the target too.
	Again  bool
	DryRun bool
	// Body says what the pull request says; it gets the commit of the promotion, which
	// is not pushed yet.
	Body func(context.Context, Promotion) (string, error)
}

// Promotion is what a promotion does.
type Promotion struct {
	Source, Target repo.Hash // heads
	Last           repo.Hash // the source when it was promoted last; zero where nobody knows
	Commit         repo.Hash // on the new branch
	Files          promote.Plan
	Brings         []repo.Commit // of the source since then, the newest first
	Rollbacks      []RolledBack  // of the target that are in force; what they took back stays out
	Nothing        bool          // the target has everything already
	Proposed
}

// Promote works out what the target becomes, commits it onto the target's branch under
// a name of its own, and proposes it. Run again it updates what it proposed.
func Promote(ctx context.Context, in Promoting, f forge.Forge) (out Promotion, err error) {
	err = again(ctx, in.Fleet.Repo, func() error { // somebody else promotes, or has merged what was proposed
		out, err = promoteOnce(ctx, in, f)
		return err
	})
	return out, err
}

func promoteOnce(ctx context.Context, in Promoting, f forge.Forge) (Promotion, error) {
	out, err := in.read(ctx)
	if err != nil {
		return out, err
	}
	if in.move() == flow.Merge {
		err = in.merge(ctx, &out)
	} else {
		err = in.files(ctx, &out)
	}
	if err != nil || out.Nothing {
		return out, err
	}
	body := ""
	if in.Body != nil {
		if body, err = in.Body(ctx, out); err != nil {
			return out, err
		}
	}
	out.Proposed = Proposed{Head: in.branch(), Base: in.To.Branch, Commits: out.Brings}
	if in.DryRun {
		return out, nil
	}
	if err := in.Fleet.push(ctx, out.Head, out.Commit, out.Target); err != nil {
		return out, err
	}
	proposed, err := propose(ctx, in.Fleet.Repo, f, request{out.Head, out.Base, in.title(), body})
	if err == nil {
		out.Proposed = proposed
	}
	return out, err
}

// branch is where the promotion is proposed. What is named has a branch of its own, so
// that two people who promote different things do not take each other's place.
func (in Promoting) branch() string {
	if len(in.Only) == 0 {
		return PromoteBranch + in.To.Name
	}
	return branchOf(PromoteBranch, in.To, slices.Sorted(slices.Values(in.Only)))
}

func (in Promoting) title() string {
	if len(in.Only) > 0 {
		return fmt.Sprintf("Promote %s from %s to %s", strings.Join(in.Only, ", "), in.From.Name, in.To.Name)
	}
	return fmt.Sprintf("Promote %s to %s", in.From.Name, in.To.Name)
}

// move is how changes come into the target: as declared, else by what the environments
// are.
func (in Promoting) move() flow.Move {
	switch {
	case in.To.Move != "":
		return in.To.Move
	case in.To.Directory == "":
		return flow.Merge
	}
	return flow.Copy
}

// read finds both heads, and what was promoted last.
func (in Promoting) read(ctx context.Context) (out Promotion, err error) {
	r := in.Fleet.Repo
	if out.Source, err = in.source(); err != nil {
		return out, err
	}
	if out.Target, err = r.Branch(in.To.Branch); err != nil {
		return out, fmt.Errorf("environment %s: %w", in.To.Name, err)
	}
	if out.Last, err = in.last(ctx, out); err != nil {
		return out, err
	}
	if out.Rollbacks, err = in.Fleet.rollbacks(ctx, in.Flow, in.To, out.Target); err != nil {
		return out, err
	}
	since := repo.Range{From: out.Source, Paths: paths(in.Fleet.directory(in.From))}
	if (out.Last != repo.Hash{}) {
		since.Not = []repo.Hash{out.Last}
	} else {
		since.Limit = shownBrings
	}
	out.Brings, err = r.Log(ctx, since)
	return out, err
}

// shownBrings is how many commits are told where nobody knows which are new.
const shownBrings = 10

func (in Promoting) source() (repo.Hash, error) {
	if (in.Seen != repo.Hash{}) {
		return in.Seen, nil
	}
	if in.Of != "" {
		id, err := in.Fleet.Repo.Resolve(in.Of)
		if err != nil {
			return id, fmt.Errorf("--of: %w", err)
		}
		return id, nil
	}
	id, err := in.Fleet.Repo.Branch(in.From.Branch)
	if err != nil {
		return id, fmt.Errorf("environment %s: %w", in.From.Name, err)
	}
	return id, nil
}

// last is the source as it was when it was promoted last: what the newest promotion in
// the target's history says, else where both branches parted.
func (in Promoting) last(ctx context.Context, p Promotion) (repo.Hash, error) {
	log, err := in.Fleet.Repo.Log(ctx, repo.Range{From: p.Target, Limit: maxHistory})
	if err != nil {
		return repo.Hash{}, err
	}
	for _, c := range log {
		if id, found := in.trailer(c.Message); found {
			if at, err := in.Fleet.Repo.Resolve(id); err == nil {
				return at, nil
			}
		}
	}
	if in.move() != flow.Merge { // where branches parted the target may have differed already
		return repo.Hash{}, nil
	}
	base, err := in.Fleet.Repo.MergeBase(ctx, p.Source, p.Target)
	if err != nil {
		return repo.Hash{}, nil //nolint:nilerr // branches without a common history have none
	}
	return base, nil
}

// trailer reads which commit of the source a promotion of all brought.
func (in Promoting) trailer(message string) (commit string, found bool) {
	for line := range strings.Lines(message) {
		rest, is := strings.CutPrefix(strings.TrimSpace(line), promotedWhole)
		env, rest, cut := strings.Cut(rest, "@")
		id, to, _ := strings.Cut(rest, " to ")
		if is && cut && env == in.From.Name && (to == in.To.Name || to == "") {
			return id, true
		}
	}
	return "", false
}

// files promotes by directory or by pins.
func (in Promoting) files(ctx context.Context, out *Promotion) error {
	move := promote.Move{Flow: in.Flow, From: in.From, To: in.To, Only: in.Only, Take: in.Take, Keep: in.Keep}
	move.To.Move, move.Again = in.move(), in.Again
	for _, b := range out.Rollbacks {
		move.Rollbacks = append(move.Rollbacks, b.Rollback)
	}
	var err error
	if move.Source, err = in.Fleet.Repo.Tree(ctx, out.Source, in.Fleet.Dir); err != nil {
		return err
	}
	if move.Target, err = in.Fleet.Repo.Tree(ctx, out.Target, in.Fleet.Dir); err != nil {
		return err
	}
	if (out.Last != repo.Hash{}) {
		last, err := in.Fleet.Repo.Tree(ctx, out.Last, in.Fleet.Dir)
		if err != nil {
			return err
		}
		move.Last = &last
	}
	if out.Files, err = promote.Make(move); err != nil {
		return err
	}
	if len(out.Files.Refusals) > 0 {
		return &RefusedError{out.Files.Refusals}
	}
	after, err := out.Files.Tree(move.Target)
	if err != nil {
		return err
	}
	return in.commit(ctx, out, repo.Draft{Files: &after, Dir: in.Fleet.Dir})
}

// commit makes the commit of a promotion.
func (in Promoting) commit(ctx context.Context, out *Promotion, d repo.Draft) error {
	d.Parents, d.Author, d.Message = []repo.Hash{out.Target}, in.Fleet.Author, in.message(*out)
	id, err := in.Fleet.Repo.Commit(ctx, d)
	if errors.Is(err, repo.ErrNoChange) {
		out.Nothing = true
		return nil
	}
	if err == nil {
		out.Commit, err = in.Fleet.made(in.branch(), id)
	}
	return err
}

func (in Promoting) message(p Promotion) string {
	var b strings.Builder
	b.WriteString(in.title() + "\n\n")
	for _, c := range p.Brings {
		fmt.Fprintf(&b, "%s %s\n", c.ID.String()[:10], c.Subject())
	}
	trailer := promotedWhole
	if len(in.Only) > 0 {
		trailer = promotedPart
	}
	fmt.Fprintf(&b, "\n%s%s@%s to %s\n", trailer, in.From.Name, p.Source, in.To.Name)
	return b.String()
}

// RefusedError is what a person has to decide before a promotion.
type RefusedError struct{ Refusals []promote.Refusal }

// Error implements error.
func (e *RefusedError) Error() string {
	if len(e.Refusals) == 1 {
		return "a decision is needed; --take or --keep it by its name:" + places(e.Refusals)
	}
	return fmt.Sprintf("%d decisions are needed; --take or --keep each by its name:%s", len(e.Refusals), places(e.Refusals))
}

// push puts a commit on a branch of ours, which may hold an older one of the kind, or
// what is in base by now; what a person has committed there stays.
func (o Onto) push(ctx context.Context, name string, id, base repo.Hash) error {
	was, err := o.Repo.Branch(name)
	if err != nil {
		was = repo.Hash{}
	}
	if was == id {
		return nil
	}
	if err := o.replaceable(name, was, base); err != nil {
		return err
	}
	if err := o.Repo.Push(ctx, repo.Update{Branch: name, Old: was, New: id, Force: true}); err != nil {
		return fmt.Errorf("push %s: %w", name, err)
	}
	return nil
}

// made is the commit that an earlier run made of the same, or else this one: it stays,
// and with it what people said of it.
func (o Onto) made(name string, id repo.Hash) (repo.Hash, error) {
	at, err := o.Repo.Branch(name)
	if err != nil {
		return id, nil //nolint:nilerr // there was no earlier run
	}
	was, err := o.Repo.Look(at)
	if err != nil {
		return id, err
	}
	is, err := o.Repo.Look(id)
	if err != nil || !slices.Equal(was.Parents, is.Parents) {
		return id, err
	}
	if differ, err := o.Repo.Changed(at, id); err != nil || len(differ) > 0 {
		return id, err
	}
	return at, nil
}

// replaceable refuses to replace what a person has committed to a branch of ours.
func (o Onto) replaceable(name string, was, base repo.Hash) error {
	if (was == repo.Hash{}) {
		return nil
	}
	if merged, err := o.Repo.Contains(base, was); err != nil || merged {
		return err
	}
	c, err := o.Repo.Look(was)
	if err != nil {
		return err
	}
	if carried(c.Message) || writesBack(c.Message) {
		return nil
	}
	return fmt.Errorf("%s holds %s «%s» of %s, which would be lost: merge it, or delete the branch, and run this again", name, was.String()[:10], c.Subject(), c.Author.Name)
}
