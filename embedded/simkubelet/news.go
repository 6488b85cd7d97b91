package simkubelet

import "sync"

// news tells those who wait for a pod that it changed, or went.
type news struct {
	mu   sync.Mutex
	open map[string]chan struct{} // by namespace/name; only those that somebody waits for
}

func newNews() *news { return &news{open: map[string]chan struct{}{}} }

// of is closed at the next change of a pod.
func (n *news) of(key string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open[key] == nil {
		n.open[key] = make(chan struct{})
	}
	return n.open[key]
}

func (n *news) tell(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.open[key]; c != nil {
		close(c)
		delete(n.open, key)
	}
}
