package charts

import (
	"context"
	"slices"
	"strings"
	"time"
)

// call is one download, running or done. What it brings is for everyone who
// asked, so it runs in a context of its own, which ends with the last who waits.
type call struct {
	id      string
	began   time.Time
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	answer  answer // once done
	err     error
}

// id tells downloads apart: those of another credential are others.
func (d download) id() string {
	return strings.Join([]string{d.repo.id, d.address, d.want, d.etag, d.modified}, "\x00")
}

// ask downloads, or joins those who do, or takes an answer that began at or
// after since.
func (p *Pool) ask(ctx context.Context, d download, since time.Time) (answer, error) {
	c := p.join(d, since)
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		p.leave(c)
		return answer{}, classify(ctx.Err(), d.address)
	}
}

// join returns the call that will do, and starts one when there is none.
func (p *Pool) join(d download, since time.Time) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := d.id()
	if c := p.calls[id]; c != nil && c.serves(since) {
		c.waiting++
		return c
	}
	ctx, cancel := context.WithTimeout(p.ctx, maxDownload)
	c := &call{id: id, began: p.o.Now(), waiting: 1, cancel: cancel, done: make(chan struct{})}
	p.calls[id] = c
	p.work.Go(func() {
		defer cancel()
		c.answer, c.err = d.run(ctx)
		close(c.done)
		p.keep(c, d.keep)
	})
	return c
}

// serves tells whether a call answers someone who asks now.
func (c *call) serves(since time.Time) bool {
	select {
	case <-c.done:
		return c.err == nil && !since.IsZero() && !c.began.Before(since)
	default:
		return c.waiting > 0 && !c.began.Before(since)
	}
}

func (p *Pool) leave(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		c.cancel()
	}
}

// keep holds an answer for others for a while, and drops the oldest when there
// is too much.
func (p *Pool) keep(c *call, how time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.err != nil || int64(len(c.answer.data)) > maxKept {
		p.drop(c)
		return
	}
	p.kept = append(p.kept, c)
	for p.keptBytes() > maxKept {
		p.drop(p.kept[0])
	}
	time.AfterFunc(how, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(c)
	})
}

func (p *Pool) keptBytes() (sum int64) {
	for _, c := range p.kept {
		sum += int64(len(c.answer.data))
	}
	return sum
}

func (p *Pool) drop(c *call) {
	if p.calls[c.id] == c {
		delete(p.calls, c.id)
	}
	if i := slices.Index(p.kept, c); i >= 0 {
		p.kept = slices.Delete(p.kept, i, i+1)
	}
}
