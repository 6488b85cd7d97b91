package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/object"
)

// Wait is a wait for health.
type Wait struct {
	Since   time.Time     // when it began
	Now     time.Time     // what time it is
	Timeout time.Duration // how long it may take
	// FailFast ends the wait at the first object that has failed; without it
	// the wait ends when every object is either Current or Failed.
	FailFast bool
	// Vanishing are Jobs that disappear once they are done.
	Vanishing map[object.Key]bool
}

// State says how a wait stands.
type State string

// The states of a wait.
const (
	Waiting  State = "waiting"
	Passed   State = "passed"
	Unwell   State = "failed"
	TimedOut State = "timed out"
)

// Verdict is what a wait has come to.
type Verdict struct {
	State State
	// Message is what the Healthy condition says; empty while waiting.
	Message string
	// Pending are the objects that are not Current, sorted.
	Pending []object.Key
	// Again is when to look again though no object moved: at the timeout, or
	// earlier. Zero when the wait is over.
	Again time.Time
	// Simulated tells that a Current result rests on simulated pods.
	Simulated bool
}

// Fold folds the health of objects into a verdict. The messages are those of
// Flux (fluxcd/pkg/ssa v0.76 manager_wait.go), with the objects in a fixed
// order.
func Fold(results map[object.Key]Result, w Wait) Verdict {
	var v Verdict
	failed, open := 0, 0
	for _, key := range slices.SortedFunc(maps.Keys(results), object.Compare) {
		result := results[key]
		v.Simulated = v.Simulated || result.Simulated
		switch {
		case w.isCurrent(key, result):
			continue
		case result.Status == Failed:
			failed++
		default:
			open++
		}
		v.Pending = append(v.Pending, key)
		if result.Until.After(w.Now) { // one that has passed is the watch's to tell; looking at once would spin
			v.Again = earlier(v.Again, result.Until)
		}
	}
	deadline := w.Since.Add(w.Timeout)
	switch {
	case failed+open == 0:
		v.State, v.Message = Passed, passed(w.Now.Sub(w.Since), v.Simulated)
	case failed > 0 && (w.FailFast || open == 0):
		v.State = Unwell
		v.Message = list("failed early due to stalled resources", results, w.only(v.Pending, results, Failed))
	case !w.Now.Before(deadline):
		v.State = TimedOut
		v.Message = list("timeout waiting for", results, v.Pending)
	default:
		v.State = Waiting
		v.Again = earlier(v.Again, deadline)
		return v
	}
	v.Again = time.Time{}
	return v
}

func (w Wait) isCurrent(key object.Key, r Result) bool {
	return r.Status == Current || r.Status == NotFound && w.Vanishing[key]
}

func (w Wait) only(keys []object.Key, results map[object.Key]Result, status Status) []object.Key {
	var matching []object.Key
	for _, key := range keys {
		if results[key].Status == status {
			matching = append(matching, key)
		}
	}
	return matching
}

func passed(took time.Duration, simulated bool) string {
	message := fmt.Sprintf("Health check passed in %s", took)
	if simulated {
		message += " (on simulated pods)"
	}
	return message
}

// Bounds of what objects say in a message: of how many, and how much of each, in
// characters.
const (
	mostSaid = 8
	maxSaid  = 200
)

// Said tells how an object stands: its status in the words of Flux, then what the
// object itself says of it, in a line.
//
//	Job/apps/migrate status: 'Failed': Job has failed: 1 of 1 failed
func (r Result) Said(name string) string {
	text := fmt.Sprintf("%s status: '%s'", name, r.Status)
	says := r.Message
	if r.Err != nil {
		says = r.Err.Error()
	}
	if r.Status == NotFound || r.Status == Current || says == "" {
		return text
	}
	line := []rune(strings.Join(strings.Fields(says), " "))
	if len(line) > maxSaid {
		line = append(line[:maxSaid-1], '…')
	}
	return text + ": " + string(line)
}

func list(what string, results map[object.Key]Result, keys []object.Key) string {
	items := make([]string, len(keys))
	for i, key := range keys {
		if items[i] = fmt.Sprintf("%s status: '%s'", key, results[key].Status); i < mostSaid {
			items[i] = results[key].Said(key.String())
		}
	}
	return fmt.Sprintf("%s: [%s]", what, strings.Join(items, ", "))
}

// earlier returns the earlier of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
