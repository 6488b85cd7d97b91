package isolate

import "context"

// share is what jobs of one name have of a pool.
type share struct {
	slots chan struct{}
	users int // that have a slot or wait for one
}

// enter waits until one more job of a name may have a child.
func (p *Pool) enter(ctx context.Context, name string) (leave func(), err error) {
	s := p.share(name)
	select {
	case s.slots <- struct{}{}:
		return func() {
			<-s.slots
			p.unshare(name)
		}, nil
	case <-ctx.Done():
		p.unshare(name)
		return nil, ctx.Err()
	}
}

func (p *Pool) share(name string) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[name]
	if s == nil {
		s = &share{slots: make(chan struct{}, max(1, p.cfg.Children-1))}
		p.shares[name] = s
	}
	s.users++
	return s
}

// unshare forgets a name that nobody uses any more.
func (p *Pool) unshare(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[name]
	if s.users--; s.users == 0 {
		delete(p.shares, name)
	}
}
