package controller

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

// softDelay is how long a status that is on the way to another one may wait to
// be written. Most units are ready before, and then it never is.
const softDelay = 3 * time.Second

// soft holds statuses that are written only if no later run replaces them.
type soft struct {
	after time.Duration
	late  func(*unstructured.Unstructured, report.Report)

	mu      sync.Mutex
	waiting map[object.Key]*time.Timer
	writing sync.WaitGroup
	stopped bool
}

func (s *soft) later(key object.Key, obj *unstructured.Unstructured, rep report.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if s.waiting == nil {
		s.waiting = make(map[object.Key]*time.Timer)
	}
	var t *time.Timer
	t = time.AfterFunc(s.after, func() {
		s.mu.Lock()
		mine := s.waiting[key] == t && !s.stopped
		if mine {
			delete(s.waiting, key)
			s.writing.Add(1)
		}
		s.mu.Unlock()
		if mine {
			defer s.writing.Done()
			s.late(obj, rep)
		}
	})
	s.waiting[key] = t
}

// drop forgets a waiting status, because a newer one is there.
func (s *soft) drop(key object.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.waiting[key]; t != nil {
		t.Stop()
		delete(s.waiting, key)
	}
}

func (s *soft) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

func (s *soft) stop() {
	s.mu.Lock()
	s.stopped = true
	for _, t := range s.waiting {
		t.Stop()
	}
	s.mu.Unlock()
	s.writing.Wait()
}
