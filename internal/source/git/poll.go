package git

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/source/git/wire"
)

// pollTimeout bounds one listing, however patient those are who wait for it.
const pollTimeout = 2 * time.Minute

// poll is one listing of refs, running or done. Its result is for everyone
// who asked, so it runs in a context of its own, which ends with the last who
// waits.
type poll struct {
	began   time.Time
	names   []string // asked for beside branches and tags
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	refs    []AdvertisedRef // once done
	err     error
}

// Refs lists the branches, the tags, HEAD and what else Resolve was asked for
// by name. A listing that began at or after since will do, finished or not; at
// the zero time only one that still runs. All who ask at once share one.
func (r *Remote) Refs(ctx context.Context, since time.Time) ([]AdvertisedRef, error) {
	return r.refs(ctx, since, "")
}

func (r *Remote) refs(ctx context.Context, since time.Time, name string) ([]AdvertisedRef, error) {
	p := r.join(since, name)
	select {
	case <-p.done:
		return p.refs, p.err
	case <-ctx.Done():
		r.leave(p)
		return nil, classify(ctx.Err(), r.shown)
	}
}

// join returns the poll that will do, and starts one when there is none.
func (r *Remote) join(since time.Time, name string) *poll {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name != "" && !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
		r.names = r.names[max(0, len(r.names)-maxNames):]
	}
	if p := r.last; p != nil && p.serves(since, name) {
		p.waiting++
		return p
	}
	ctx, cancel := context.WithTimeout(r.pool.ctx, pollTimeout)
	p := &poll{began: r.pool.o.Now(), names: slices.Clone(r.names), waiting: 1, cancel: cancel, done: make(chan struct{})}
	r.last = p
	r.total.Polls++
	r.pool.polls.Go(func() {
		defer cancel()
		p.refs, p.err = r.client.List(ctx, r.listOptions(p.names))
		p.err = classify(p.err, r.shown)
		close(p.done)
	})
	return p
}

// maxNames bounds the refs beside branches and tags that a listing asks for.
const maxNames = 64

// serves tells whether a poll answers someone who asks now.
func (p *poll) serves(since time.Time, name string) bool {
	if name != "" && !slices.Contains(p.names, name) {
		return false
	}
	select {
	case <-p.done:
		return p.err == nil && !since.IsZero() && !p.began.Before(since)
	default:
		return p.waiting > 0 && !p.began.Before(since)
	}
}

func (r *Remote) leave(p *poll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.cancel()
	}
}

func (r *Remote) listOptions(names []string) wire.ListOptions {
	l := r.pool.o.Limits
	return wire.ListOptions{
		Prefixes: []string{heads, tags},
		Names:    append([]string{"HEAD"}, names...),
		MaxRefs:  l.Refs,
		MaxBytes: l.RefBytes,
	}
}

// askedName is the name that a listing must hold for want, beyond branches and
// tags.
func askedName(want Ref) string {
	name := strings.TrimSuffix(want.Name, peel)
	if want.Commit != "" || strings.HasPrefix(name, heads) || strings.HasPrefix(name, tags) {
		return ""
	}
	return name
}
