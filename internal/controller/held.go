package controller

import "sync"

// held are the subjects that runs have read which have not ended yet: their units do
// not wait on them yet, but will. The zero value is empty.
type held struct {
	mu sync.Mutex
	by map[string]int
}

// hold holds subjects until release is called.
func (h *held) hold(subjects []string) (release func()) {
	h.count(subjects, 1)
	return func() { h.count(subjects, -1) }
}

func (h *held) count(subjects []string, by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[string]int{}
	}
	for _, subject := range subjects {
		if h.by[subject] += by; h.by[subject] == 0 {
			delete(h.by, subject)
		}
	}
}

func (h *held) has(subject string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.by[subject] > 0
}
