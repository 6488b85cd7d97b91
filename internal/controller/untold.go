package controller

import (
	"slices"
	"sync"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

// untold are events of runs whose status could not be written. The next run
// finds again how things stand, but not what the one before changed.
type untold struct {
	mu     sync.Mutex
	events map[object.Key][]report.Event
}

// keep takes the events of a run that is to be run again.
func (u *untold) keep(key object.Key, events []report.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.events == nil {
		u.events = make(map[object.Key][]report.Event)
	}
	u.events[key] = events
}

// take returns the events of a unit's newest run after those that are untold.
// What both say is said once, and that it is finished only if it still is.
func (u *untold) take(key object.Key, newest []report.Event) []report.Event {
	u.mu.Lock()
	old := u.events[key]
	delete(u.events, key)
	u.mu.Unlock()
	var out []report.Event
	var finished *report.Event
	for _, e := range old {
		if isFinished(e) {
			finished = &e
		} else {
			out = append(out, e)
		}
	}
	for _, e := range newest {
		if isFinished(e) && e.Quiet && finished != nil {
			e = *finished
		}
		if !said(out, e) {
			out = append(out, e)
		}
	}
	return out
}

func isFinished(e report.Event) bool { return e.Metadata["commit_status"] != "" }

func said(events []report.Event, e report.Event) bool {
	return slices.ContainsFunc(events, func(old report.Event) bool {
		return old.Warning == e.Warning && old.Reason == e.Reason && old.Message == e.Message
	})
}
