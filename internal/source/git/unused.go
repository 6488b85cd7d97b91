package git

import (
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A credential that is replaced every hour makes another remote every hour, with a
// store of its own. What nobody asks for any more is dropped from the pool; its files
// go when no tree reads from them.

// UnusedFor is a good choice for Options.Unused: above the intervals of nearly all
// repositories. One with a longer interval is fetched without its history each time.
const UnusedFor = 3 * time.Hour

// sweep forgets the remotes that were not asked for since long; p.mu is held.
func (p *Pool) sweep() {
	now := p.o.Now()
	if p.o.Unused == 0 || now.Sub(p.swept) < p.o.Unused/4 {
		return
	}
	p.swept = now
	for id, last := range p.asked {
		if now.Sub(last) > p.o.Unused {
			p.drop(id)
		}
	}
}

// drop forgets a remote. A repository on this machine keeps its files.
func (p *Pool) drop(id string) {
	r := p.remotes[id]
	delete(p.remotes, id)
	delete(p.asked, id)
	if r == nil {
		return
	}
	_ = r.client.Close() // idle connections
	if st := r.objects(); st.dir != "" {
		p.left[id] = true
		runtime.AddCleanup(st, func(dir string) { os.RemoveAll(dir) }, st.dir)
	}
}

// openStore opens the store of a remote: that which an earlier process left, but a
// new one where this process has forgotten it.
func (p *Pool) openStore(id string) (*store, error) {
	dir := filepath.Join(p.dir, id)
	p.mu.Lock()
	left := p.left[id]
	p.mu.Unlock()
	if !left {
		return openGeneration(dir)
	}
	return openStore(generationDir(dir, nextGeneration(dir)))
}
