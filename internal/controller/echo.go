package controller

import (
	"sync"
	"time"
)

// echoAfter is how long an API server may take to act upon what it has announced
// already: it hears of webhooks, policies and rights by watches of its own, and
// compiles policies once a second (k8s.io/apiserver v0.36
// pkg/admission/plugin/policy/generic, policyRefreshInterval).
const echoAfter = 2 * time.Second

// echo tells of changes at once and once more after a while, and of those that
// come in between together with that: so that whoever asks upon the first word
// and is refused as before is told again, and a busy object wakes nobody more
// often than that.
type echo struct {
	after time.Duration
	tell  func(subject, why string)

	mu      sync.Mutex
	waiting map[string]string // by subject: why it is told again
	news    map[string]bool   // subjects that changed while they waited
}

func newEcho(tell func(subject, why string)) *echo {
	return &echo{after: echoAfter, tell: tell, waiting: map[string]string{}, news: map[string]bool{}}
}

// changed tells of a change of a subject.
func (e *echo) changed(subject, why string) {
	e.mu.Lock()
	_, waits := e.waiting[subject]
	e.waiting[subject] = why
	e.news[subject] = waits
	e.mu.Unlock()
	if !waits {
		e.tell(subject, why)
		time.AfterFunc(e.after, func() { e.again(subject) })
	}
}

// again tells what waited; what changed meanwhile is told a second time, too.
func (e *echo) again(subject string) {
	e.mu.Lock()
	why, more := e.waiting[subject], e.news[subject]
	delete(e.news, subject)
	if !more {
		delete(e.waiting, subject)
	}
	e.mu.Unlock()
	e.tell(subject, why)
	if more {
		time.AfterFunc(e.after, func() { e.again(subject) })
	}
}
