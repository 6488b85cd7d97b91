package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/preview"
)

// RehearsalConfig says what to rehearse, and where.
type RehearsalConfig struct {
	PlanConfig
	// Start starts a Kubernetes that is there for one rehearsal.
	Start func(context.Context) (Sandbox, error)
	// Grace is how long a unit may wait for health after its last change.
	Grace time.Duration
	// Told hears how far a rehearsal is; it may be nil.
	Told func(Progress)
}

// Sandbox is a Kubernetes that nobody else uses.
type Sandbox struct {
	REST  *rest.Config
	Ended <-chan struct{} // closed when it ended, by itself or by Stop
	Stop  func()          // waits for its end
}

// Progress is how far a rehearsal is.
type Progress struct {
	Path  string // of the cluster's entry
	Doing string // such as «bringing up main@1234»
	// Ready and All count units, once there are any.
	Ready, All int
}

// rehearsalLimit bounds the wait for one side to come to rest: longer than any
// fleet takes, so that one that never does ends with an error.
const rehearsalLimit = 30 * time.Minute

// Rehearse plans, and then does what it planned: it brings base up on an API server,
// delivers head to it, and tells what came of that in the place of what was thought
// to come. Clusters are rehearsed one after the other.
func Rehearse(ctx context.Context, cfg RehearsalConfig) (present.Plan, error) {
	if cfg.Told == nil {
		cfg.Told = func(Progress) {}
	}
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return present.Plan{}, err
	}
	defer previews.Close()
	base, head, err := cfg.Revisions.Read(ctx, previews.pool)
	if err != nil {
		return present.Plan{}, err
	}
	entries := cfg.Entries
	if cfg.All {
		entries = clusters(base, head, cfg.Entries)
	}
	var out present.Plan
	for _, o := range entries {
		found, err := previews.rehearse(ctx, cfg, o, [2]Revision{base, head})
		if err != nil {
			return present.Plan{}, err
		}
		out.Entries = append(out.Entries, found)
	}
	return out, nil
}

// rehearse drafts both sides in memory while the API server starts, and rehearses
// what was drafted. What a draft alone knows (where things were written, what was
// made up, what schemas say) stays.
func (p *Previews) rehearse(ctx context.Context, cfg RehearsalConfig, o entry.Options, sides [2]Revision) (present.Entry, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cfg.Told(Progress{Path: o.Path, Doing: "starting Kubernetes"})
	start := begin(ctx, cfg.Start)
	defer start.stop()
	drafts := p.drafts(ctx, o, sides)
	entries, err := entriesOf(sides, o)
	if err != nil || drafts[1].err != nil { // nothing to deliver: a plan says why, or what goes
		found, err := p.compared(ctx, [2]rendering{drafts[0].rendering, drafts[1].rendering})
		found.Notes = append(found.Notes, "not rehearsed: head does not have this cluster")
		return found, err
	}
	sandbox, err := start.wait(ctx)
	if err != nil {
		return present.Entry{}, err
	}
	go func() {
		select {
		case <-sandbox.Ended:
			cancel(errors.New("the control plane ended during the rehearsal"))
		case <-ctx.Done():
		}
	}()
	r, err := p.rehearsal(cfg, entries, sandbox)
	if err != nil {
		return present.Entry{}, err
	}
	defer r.close()
	seen, err := r.play(ctx, sides, drafts)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return present.Entry{}, fmt.Errorf("rehearse %s: %w", entries[1].From, err)
	}
	return p.compared(ctx, played(drafts, seen))
}

// entriesOf finds where the fleet begins at both sides: where base does not have the
// cluster, it is as at head.
func entriesOf(sides [2]Revision, o entry.Options) (out [2]entry.Entry, err error) {
	if out[1], err = entry.Find(sides[1].Tree, o); err != nil {
		return out, err
	}
	if out[0], err = entry.Find(sides[0].Tree, o); err != nil {
		out[0] = out[1]
	}
	return out, nil
}

// begun is a sandbox that starts while other things are done.
type begun struct {
	done    chan struct{}
	sandbox Sandbox
	err     error
	cancel  context.CancelFunc
}

func begin(ctx context.Context, start func(context.Context) (Sandbox, error)) *begun {
	ctx, cancel := context.WithCancel(ctx)
	b := &begun{done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(b.done)
		b.sandbox, b.err = start(ctx)
	}()
	return b
}

func (b *begun) wait(ctx context.Context) (Sandbox, error) {
	select {
	case <-b.done:
		return b.sandbox, b.err
	case <-ctx.Done():
		return Sandbox{}, context.Cause(ctx)
	}
}

// stop ends it, also in the middle of its start.
func (b *begun) stop() {
	b.cancel()
	<-b.done
	if b.sandbox.Stop != nil {
		b.sandbox.Stop()
	}
}

// draft is one side, rendered in memory, and what was made up for it.
type draft struct {
	rendering
	made []*unstructured.Unstructured
}

// drafts renders both sides apart from each other.
func (p *Previews) drafts(ctx context.Context, o entry.Options, sides [2]Revision) (out [2]draft) {
	var before *fleet.Rendered
	for i, r := range sides {
		if i == 1 && r.Tree.Hash() == sides[0].Tree.Hash() {
			out[1] = out[0] // both render the same
			return out
		}
		out[i] = p.draft(ctx, o, r, before)
		before = &out[i].fleet
	}
	return out
}

func (p *Previews) draft(ctx context.Context, o entry.Options, r Revision, before *fleet.Rendered) (out draft) {
	began := time.Now()
	v, err := p.open(ctx, r.Snapshot, o, before)
	if err != nil {
		return draft{rendering: unrendered(r, err)}
	}
	defer v.Close()
	out.rendering = v.rendering(ctx, began)
	for _, made := range out.fleet.Placeholders {
		if made.Object.Cluster != "" {
			continue // no other cluster is rehearsed
		}
		obj, err := v.World.Get(ctx, made.Object)
		if err != nil {
			return draft{rendering: unrendered(r, err)}
		}
		out.made = append(out.made, bareOf(obj))
	}
	return out
}

// bareOf is an object as it can be applied elsewhere.
func bareOf(obj *unstructured.Unstructured) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{}}
	for _, field := range []string{"apiVersion", "kind", "type", "data", "spec"} {
		if v, has := obj.Object[field]; has {
			out.Object[field] = v
		}
	}
	out.SetNamespace(obj.GetNamespace())
	out.SetName(obj.GetName())
	return out
}

// notRehearsed says which units could not be rehearsed.
func notRehearsed(kept []object.Key) []string {
	if len(kept) == 0 {
		return nil
	}
	const most = 5
	text := "not rehearsed, because what they need is out of reach: "
	for i, key := range kept {
		if i == most {
			return []string{fmt.Sprintf("%s and %d more", text, len(kept)-most)}
		}
		if i > 0 {
			text += ", "
		}
		text += key.String()
	}
	return []string{text}
}

// played puts what was seen into the drafts.
func played(drafts [2]draft, seen [2]rendering) [2]rendering {
	merged, kept := preview.Rehearsed(preview.Sides{drafts[0].fleet, drafts[1].fleet}, preview.Sides{seen[0].fleet, seen[1].fleet})
	out := [2]rendering{drafts[0].rendering, drafts[1].rendering}
	for i := range out {
		out[i].fleet, out[i].took = merged[i], seen[i].took
		out[i].notes = slices.Concat(out[i].notes, notRehearsed(kept))
	}
	return out
}
