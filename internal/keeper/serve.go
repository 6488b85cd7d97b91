package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Options of Serve; zero fields have defaults.
type Options struct {
	Every   time.Duration // how often the forge is asked for pull requests, besides webhooks
	Workers int           // how many pull requests are judged at once
	// Told is called after each, and may be nil.
	Told func(Told)
	// Looked is called when the open pull requests were listed, with what went wrong, and
	// may be nil.
	Looked func(error)
}

// The defaults of Options.
const (
	DefaultEvery   = time.Minute
	DefaultWorkers = 2
	// allEvery is after how many polls every pull request is judged again, whether it
	// changed or not: some forges do not say that a review came.
	allEvery = 10
)

// Told is how judging a pull request ended.
type Told struct {
	Number int
	State  check.State  // empty where it was not judged
	Report check.Report // of one that was
	Took   time.Duration
	Err    error
}

// rounds is a server at work.
type rounds struct {
	*Keeper
	o Options

	mu    sync.Mutex
	q     *queue
	seen  map[int]mark
	polls int
	bell  chan struct{}
}

// scope says which of the open pull requests are judged again.
type scope bool

const (
	changes    scope = false // those that changed since they were last listed
	everything scope = true
)

// mark is what a poll saw of a pull request.
type mark struct {
	head, base, into string
	updated          time.Time
}

func (k *Keeper) rounds(o Options) *rounds {
	if o.Every == 0 {
		o.Every = DefaultEvery
	}
	if o.Workers == 0 {
		o.Workers = DefaultWorkers
	}
	if o.Told == nil {
		o.Told = func(Told) {}
	}
	if o.Looked == nil {
		o.Looked = func(error) {}
	}
	return &rounds{Keeper: k, o: o, q: newQueue(), seen: map[int]mark{}, bell: make(chan struct{}, 1)}
}

// Serve judges pull requests until ctx ends: those that webhooks tell of, those that a
// poll sees changed, and those whose hour has come. What is being judged at the end is
// given up: nothing is half said, and the next start judges it again.
func (k *Keeper) Serve(ctx context.Context, heard <-chan forge.Event, o Options) error {
	r := k.rounds(o)
	var workers sync.WaitGroup
	for range r.o.Workers {
		workers.Go(func() { r.work(ctx) })
	}
	defer workers.Wait()
	poll := time.NewTicker(r.o.Every)
	defer poll.Stop()
	r.sweep(ctx, changes)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-heard:
			if r.hearAll(e, heard) {
				r.sweep(ctx, changes)
			}
		case <-poll.C:
			r.polls++
			r.sweep(ctx, scope(r.polls%allEvery == 0))
		}
	}
}

// Once judges every open pull request, and returns what went wrong with some.
func (k *Keeper) Once(ctx context.Context, told func(Told)) error {
	r := k.rounds(Options{Told: told})
	if err := r.look(ctx, everything); err != nil {
		return err
	}
	var errs []error
	for {
		number, ok, _ := r.q.next(k.Now())
		if !ok {
			return errors.Join(errs...)
		}
		errs = append(errs, r.tries(ctx, number))
		r.q.forget(number)
	}
}

// One judges one pull request.
func (k *Keeper) One(ctx context.Context, number int, told func(Told)) error {
	return k.rounds(Options{Told: told}).tries(ctx, number)
}

// tries judges again what moves meanwhile.
func (r *rounds) tries(ctx context.Context, number int) (err error) {
	for range onceTries {
		if err = r.one(ctx, number).Err; !errors.Is(err, ErrMoved) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("pull request %d: %w", number, err)
	}
	return nil
}

// onceTries is how often one that moves is judged in a run that ends.
const onceTries = 3

// hearAll hears what waits to be heard as well, so that many webhooks are one look.
func (r *rounds) hearAll(e forge.Event, heard <-chan forge.Event) (everywhere bool) {
	everywhere = r.hear(e)
	for {
		select {
		case e := <-heard:
			everywhere = r.hear(e) || everywhere
		default:
			return everywhere
		}
	}
}

// hear takes a webhook for a hint where to look, and tells whether that is everywhere.
func (r *rounds) hear(e forge.Event) (everywhere bool) {
	if e.Kind == forge.Ignored {
		return false
	}
	if e.Kind == forge.Pushed || e.Number == 0 {
		return true
	}
	r.mu.Lock()
	r.q.add(e.Number, r.Now())
	r.mu.Unlock()
	r.ring()
	return false
}

// sweep looks for pull requests that changed. That the forge does not answer is told,
// and the next poll looks again.
func (r *rounds) sweep(ctx context.Context, which scope) {
	r.mu.Lock()
	held := r.Now().Before(r.q.hold)
	r.mu.Unlock()
	if held {
		return
	}
	err := r.look(ctx, which)
	r.o.Looked(err)
	if err != nil && ctx.Err() == nil {
		r.rest(err)
		r.Log.Error("list the open pull requests", "error", err)
	}
	r.ring()
}

// look lists what is open, asks for what changed since it was last listed, or for all
// (also where a team that has a say is another), and forgets what is closed.
func (r *rounds) look(ctx context.Context, which scope) error {
	open, err := r.Forge.List(ctx, forge.Query{State: forge.Open})
	if err != nil {
		return err
	}
	if err := r.Repo.Fetch(ctx); err != nil {
		return err
	}
	moved, err := r.teamsMoved(ctx, which)
	if err != nil {
		return err
	}
	which = which || scope(moved)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := map[int]mark{}
	slices.SortFunc(open, func(a, b forge.PullRequest) int { return a.Number - b.Number })
	for _, pr := range open {
		m := mark{head: pr.Head.Commit, into: pr.Base.Branch, updated: pr.Updated}
		if h, err := r.Repo.Branch(pr.Base.Branch); err == nil {
			m.base = h.String()
		}
		if was, known := r.seen[pr.Number]; which == everything || !known || was != m {
			r.q.add(pr.Number, r.Now())
		}
		now[pr.Number] = m
	}
	for number := range r.seen {
		if _, still := now[number]; !still {
			r.q.forget(number)
		}
	}
	r.seen = now
	return nil
}

// work judges what is due, one after the other, until ctx ends.
func (r *rounds) work(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		number, ok, at := r.q.next(r.Now())
		r.mu.Unlock()
		if ok {
			r.ring() // there may be more for others
			r.one(ctx, number)
			continue
		}
		if !r.idle(ctx, at) {
			return
		}
	}
}

// idle waits for a moment, or the bell; false is the end.
func (r *rounds) idle(ctx context.Context, at time.Time) bool {
	var alarm <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(max(0, at.Sub(r.Now())))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-alarm:
	case <-r.bell:
	}
	return true
}

func (r *rounds) ring() {
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// one judges a pull request and notes when it is to be judged again.
func (r *rounds) one(ctx context.Context, number int) Told {
	began := r.Now()
	bounded, cancel := context.WithTimeout(ctx, maxJudge)
	defer cancel()
	out, err := r.Judge(bounded, number)
	told := Told{Number: number, State: out.Report.State, Report: out.Report, Took: r.Now().Sub(began), Err: err}
	log := r.Log.With("pull", number, "took", told.Took.Round(time.Millisecond))
	switch {
	case ctx.Err() != nil:
		log.Info("given up: the gate ends")
	case errors.Is(err, ErrMoved):
		log.Info("it moved while it was judged")
	case err != nil:
		log.Error("judge", "error", err)
	case out.Judged:
		log.Info("judged", "state", out.Report.State, "head", out.Report.Head, "base", out.Report.Base, "verdict", out.Report.Verdict)
	default:
		log.Debug("closed, or nothing guards its base")
	}
	r.rest(err)
	r.mu.Lock()
	if err != nil { // one that moved too: the forge may name a commit that its copy does not have yet
		r.q.failed(number, r.Now())
	} else {
		r.q.done(number, r.Now(), out.Again)
	}
	r.mu.Unlock()
	r.ring()
	r.o.Told(told)
	return told
}

// rest lets the forge rest for as long as it asks to.
func (r *rounds) rest(err error) {
	if fault.ClassOf(err) != fault.Busy {
		return
	}
	pause := max(fault.After(err), firstWait)
	r.mu.Lock()
	r.q.rest(r.Now().Add(min(pause, maxPause)))
	r.mu.Unlock()
	r.Log.Warn("the forge asks for patience", slog.Duration("pause", pause))
}

// maxJudge bounds how long one pull request may take.
const maxJudge = 15 * time.Minute

// maxPause bounds how long the forge's word for a pause is taken.
const maxPause = time.Hour
