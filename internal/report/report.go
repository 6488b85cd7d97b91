// Package report folds what a run did into what is told of it: the new status,
// the events, what it waits on and when it wants to run again. It is the only
// place where conditions are made.
//
//	rep := report.Kustomization(k, run, now)
//	rep.Status // whole new status; equal to the old one when nothing changed
//
// It is pure; package commit writes what it says.
package report

import (
	"time"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
)

// Report is the outcome of one run of one unit.
type Report struct {
	Unit object.Key
	// Status is the whole new status as JSON values; nil leaves the old one.
	Status map[string]any
	// Soft status is on the way to another one and need not be written at once.
	Soft bool
	// Finalize removes the finalizer: the unit is gone.
	Finalize bool
	Events   []Event
	// Reads are the questions whose other answer must bring the next run.
	Reads record.Set
	// On names for people what the unit waits on.
	On []string
	// Next is when time alone brings the next run; zero is never.
	Next time.Time
	// Summary is the same told in a line.
	Summary Summary
}

// Summary is what logs and screens show of a run.
type Summary struct {
	Ready    string // True, False, Unknown
	Reason   string
	Message  string
	Revision string
	Class    Class
	Missing  bool   // what the unit waits on does not exist
	Why      string // why something was rebuilt, where it was
	Changed  []string
	Warnings []Warning // as of the last time that each could be looked for
}

// Event is one thing worth telling, on the unit.
type Event struct {
	Warning bool
	// Quiet events are for those who follow revisions from outside; in the
	// cluster's own events they would be noise.
	Quiet    bool
	Reason   string
	Message  string
	Metadata map[string]string // keys without the group prefix
}
