package controlplane

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// How long each kind of component may take to stop before the next one is stopped.
const (
	clientStop = 3 * time.Second
	apiStop    = 8 * time.Second
	// drain is how long requests that are being served may take at the end.
	drain = 200 * time.Millisecond
)

// part is a component that runs in this process.
type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
}

// launch runs a component. If it ends before it is stopped, c.failed says so.
func (c *cluster) launch(name string, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := run(ctx)
		if ctx.Err() == nil {
			c.failed <- fmt.Errorf("%s ended: %w", name, orUnexpected(err))
		}
	}()
	return p
}

func orUnexpected(err error) error {
	if err == nil {
		return fmt.Errorf("without an error")
	}
	return err
}

// stop ends the component and waits for it, at most for limit, unless another
// one broke: then it may never end.
func (p *part) stop(c *cluster, limit time.Duration) {
	p.cancel()
	if c.broken {
		return
	}
	select {
	case <-p.done:
		c.step("%s stopped", p.name)
	case <-time.After(limit):
		c.step("%s still runs after %s, going on", p.name, limit)
	}
}

// stopAll stops components that do not depend on each other.
func stopAll(c *cluster, parts []*part) {
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() { p.stop(c, clientStop) })
	}
	wg.Wait()
}

func (c *cluster) stopStore(e *etcd) {
	if c.broken {
		return
	}
	e.stop()
	c.step("etcd stopped")
}
