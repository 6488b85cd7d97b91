package report

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what ends the state that an error describes.
type Class int

// The classes of errors.
const (
	// Retrying: the same run may succeed later; time brings it.
	Retrying Class = iota
	// Waiting: something named must change first; its change brings the run.
	Waiting
	// Stalled: only another spec helps.
	Stalled
	// Progressing: nothing is wrong, it is not finished.
	Progressing
)

// Problem is an error that knows its class, its condition reason, and what it
// waits on. It is made where the knowledge is; conditions, events and the next
// run derive from it here.
type Problem struct {
	Class  Class
	Reason string
	On     []string // what it waits on, for people: "GitRepository/apps/web"
	Err    error
	// Missing says that what it waits on does not exist, not that it is not ready.
	Missing bool
	// After is the shortest wait before the next run, when someone asked for it.
	After time.Duration
}

// Error returns the cause's text.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Retry is a problem that time may solve.
func Retry(reason string, err error) error {
	return &Problem{Class: Retrying, Reason: reason, Err: err}
}

// RetryAfter is a Retry that somebody asked not to make sooner.
func RetryAfter(reason string, err error, after time.Duration) error {
	return &Problem{Class: Retrying, Reason: reason, Err: err, After: after}
}

// RetryOn is a Retry that also names what would end it.
func RetryOn(reason string, err error, on ...string) error {
	return &Problem{Class: Retrying, Reason: reason, On: on, Err: err}
}

// remedy begins what a person can do about a thing that is not on this machine.
const remedy = "--mirror "

// Remedy names, among what a unit waits on, what a person can do about an address
// that is not on this machine.
func Remedy(address string) string { return remedy + address + "=FOLDER" }

// IsRemedy tells whether a thing that a unit waits on is a Remedy.
func IsRemedy(on string) bool { return strings.HasPrefix(on, remedy) }

// Wait is a problem that ends when one of the named things changes.
func Wait(reason string, err error, on ...string) error {
	return &Problem{Class: Waiting, Reason: reason, On: on, Err: err}
}

// Missing is a Wait for a thing that does not exist.
func Missing(reason string, err error, on string) error {
	return &Problem{Class: Waiting, Reason: reason, On: []string{on}, Err: err, Missing: true}
}

// Stall is a problem that only another spec can end.
func Stall(reason string, err error) error { return &Problem{Class: Stalled, Reason: reason, Err: err} }

// Progress is no problem: the unit waits for what it made to become ready.
func Progress(message string, on ...string) error {
	return &Problem{Class: Progressing, Reason: ReasonProgressing, On: on, Err: errors.New(message)}
}

// AsProblem returns err as a problem; an error of unknown class is retried
// under the given reason.
func AsProblem(err error, reason string) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Class: Retrying, Reason: reason, Err: err}
}

// Join makes one error of several, each told on a line of its own.
func Join(what string, errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return fmt.Errorf("%d %s:\n%s", len(errs), what, strings.Join(lines, "\n"))
}
