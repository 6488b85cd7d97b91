// Package isolate does work that may take a process down in a child of this very
// program: with a bound on its memory and time, no environment and no files. What
// goes wrong there kills the child and is an error here.
//
//	pool := isolate.NewPool(isolate.Config{Command: []string{exe, "isolated"}})
//	defer pool.Close()
//	out, err := pool.Do(ctx, isolate.Job{Work: "render", Input: in, Timeout: time.Minute})
//
// The child's main calls Serve with what it can do. Children stay for the next job,
// because a start costs more than most jobs (docs/design/0003). A child needs no
// network: what it must know of the outside it asks its parent, through Job.Answer.
//
// It must never put a job's input into arguments, environment, logs or files: the
// input holds secrets and passes through pipes only. What a child prints is not
// repeated.
package isolate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Defaults of Config.
const (
	// DefaultChildren is how many children work at once.
	DefaultChildren = 4
	// DefaultMemory is what one of them may allocate, in bytes.
	DefaultMemory = 512 << 20
	// idleFor is how long a child without work stays.
	idleFor = 30 * time.Second
	// jobsPerChild is how many jobs a child does before another takes its place.
	jobsPerChild = 200
)

// Config is what a Pool is made of.
type Config struct {
	// Command is the program and the arguments that make it call Serve; Memory
	// follows them as one more argument, in bytes. It holds no secrets.
	Command []string
	// Children and Memory bound the processes; zero stands for the defaults.
	Children int
	Memory   int64
	// Files is how many descriptors a child may have, and that it may write files, small
	// ones; zero is what its pipes need. It follows Memory as another argument.
	Files int
	// Alone takes the network from children where the system lets us: on Linux by a
	// namespace of their own. Pool.Alone tells whether it did.
	Alone bool
}

// Job is one piece of work.
type Job struct {
	// Work names what the child is to do; see Serve.
	Work  string
	Input []byte
	// Timeout bounds the work, from when a child takes it; zero is no bound but
	// that of the context.
	Timeout time.Duration
	// Answer answers the child's questions; nil refuses them. Questions bounds how many
	// there may be; zero stands for a default.
	Answer    func(ctx context.Context, question []byte) ([]byte, error)
	Questions int
	// Share names whose job it is: where there are several children, jobs of one name
	// never have all of them. Empty is nobody's.
	Share string
}

// Bound names what ended a child.
type Bound string

// The bounds of a child.
const (
	Memory Bound = "memory"
	Time   Bound = "time"
	Stack  Bound = "stack"
	// Killed is none of ours: somebody else, such as the system when it was out
	// of memory, killed the child.
	Killed Bound = "killed"
)

// Died is the error of a job whose child did not live to answer.
type Died struct {
	Bound Bound
	text  string
}

// Error says which bound was met.
func (d *Died) Error() string { return d.text }

// Refused is the error that the work itself ended with: the child is well.
type Refused struct{ Text string }

// Error returns the work's error as it was worded in the child.
func (r *Refused) Error() string { return r.Text }

// ErrClosed is the error of jobs for a pool that was closed.
var ErrClosed = errors.New("isolated work: the pool was closed")

// Pool runs jobs in children. It may be used by several goroutines at once; jobs
// beyond the number of children wait.
type Pool struct {
	cfg   Config
	slots chan struct{}

	mu     sync.Mutex
	shares map[string]*share
	idle   []*child
	closed bool
	alone  bool
}

// Alone tells whether the last child that was started has no network.
func (p *Pool) Alone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alone
}

// NewPool returns a pool; a child is started when a job needs one.
func NewPool(cfg Config) *Pool {
	if cfg.Children == 0 {
		cfg.Children = DefaultChildren
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	return &Pool{cfg: cfg, slots: make(chan struct{}, cfg.Children), shares: map[string]*share{}}
}

// Do does the job in a child and returns what it answered. The error is the
// context's when that ended, a *Refused when the work failed, a *Died when its
// child did. A child that was killed from outside is replaced once. When Do
// returns, either the child awaits its next job or its process is gone.
func (p *Pool) Do(ctx context.Context, job Job) ([]byte, error) {
	if job.Share != "" {
		leave, err := p.enter(ctx, job.Share)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out, err := p.once(ctx, job)
	var died *Died
	if errors.As(err, &died) && died.Bound == Killed && ctx.Err() == nil {
		out, err = p.once(ctx, job)
	}
	return out, err
}

func (p *Pool) once(ctx context.Context, job Job) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := p.take()
	if err != nil {
		return nil, err
	}
	limited, cancel := withTimeout(ctx, job.Timeout)
	defer cancel()
	stop := context.AfterFunc(limited, c.kill)
	out, err := c.do(limited, job)
	inTime := stop()
	var refused *Refused
	if inTime && (err == nil || errors.As(err, &refused)) {
		p.put(c)
		return out, err
	}
	ended := c.end()
	switch {
	case err == nil:
		return out, nil // it answered just before the end
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, &Died{Time, fmt.Sprintf("it took longer than %s", job.Timeout)}
	case errors.Is(err, errProtocol):
		return nil, err
	}
	return nil, ended
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// take returns an idle child, or a new one.
func (p *Pool) take() (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if c.expiry.Stop() {
			return c, nil
		}
	}
	c, err := start(p.cfg)
	if err == nil {
		p.alone = c.alone
	}
	return c, err
}

// put keeps a child for the next job, unless it has done enough.
func (p *Pool) put(c *child) {
	p.mu.Lock()
	if p.closed || c.spent || c.jobs >= jobsPerChild {
		p.mu.Unlock()
		c.end()
		return
	}
	defer p.mu.Unlock()
	c.expiry = time.AfterFunc(idleFor, func() { p.expire(c) })
	p.idle = append(p.idle, c)
}

// expire ends a child that nobody needed.
func (p *Pool) expire(c *child) {
	p.mu.Lock()
	for i, other := range p.idle {
		if other == c {
			p.idle = append(p.idle[:i:i], p.idle[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	c.end()
}

// Close ends all children, after the jobs under way, and waits for them.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		if c.expiry.Stop() {
			c.end()
		}
	}
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.slots) {
		<-p.slots
	}
}
