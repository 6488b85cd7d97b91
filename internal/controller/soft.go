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
	// queued tells of a unit whose turn has not come. Its status waits on, so that
	// in a crowd nobody writes only that it stands in line.
	queued func(object.Key) bool

	mu      sync.Mutex
	waiting map[object.Key]*pending
	writing sync.WaitGroup
	stopped bool
}

// pending is a report that waits, with the events of it and of those it replaced.
type pending struct {
	timer  *time.Timer
	events []report.Event
}

func (s *soft) later(key object.Key, obj *unstructured.Unstructured, rep report.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if s.waiting == nil {
		s.waiting = make(map[object.Key]*pending)
	}
	p := &pending{events: rep.Events}
	p.timer = time.AfterFunc(s.after, func() {
		s.mu.Lock()
		mine := s.waiting[key] == p && !s.stopped
		if mine && s.queued != nil && s.queued(key) {
			p.timer.Reset(s.after)
			mine = false
		}
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
	s.waiting[key] = p
}

// drop forgets a waiting status, because a newer one is there, and returns its
// events, which are news all the same.
func (s *soft) drop(key object.Key) []report.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.waiting[key]
	if p == nil {
		return nil
	}
	p.timer.Stop()
	delete(s.waiting, key)
	return p.events
}

func (s *soft) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

func (s *soft) stop() {
	s.mu.Lock()
	s.stopped = true
	for _, p := range s.waiting {
		p.timer.Stop()
	}
	s.mu.Unlock()
	s.writing.Wait()
}
