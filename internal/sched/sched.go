// Package sched decides when units run. It is pure: a State takes one event
// after another and answers with actions; a thin driver (Loop) turns timers and
// goroutines into events and actions into goroutines.
//
//	s := sched.New(sched.Limits{"apply": 4})
//	acts := s.Step(sched.Wake{Unit: web, Class: "apply", Priority: sched.Revision, Why: "main@sha1:…"}, now)
//	// acts: [Run{web}]
//	acts = s.Step(sched.Finished{Unit: web, Subjects: []string{"object:…"}, Next: now.Add(time.Minute)}, now)
//	acts = s.Step(sched.Moved{Subject: "object:…", Priority: sched.Drift}, now) // runs web again
//
// What it promises, whatever the order of events: one run per unit at a time;
// no lost wake (what moves during a run, or before its reads are known, runs the
// unit again); among units of equal priority the tenants take turns, and no tenant has all
// the places of a class; who waits longest in its class runs after at most maxPassed
// others, however urgent they are.
package sched

import (
	"maps"
	"slices"
	"time"

	"github.com/leat-dev/leat/internal/object"
)

// Priority orders what waits to run.
type Priority int

// The priorities, most urgent last, so that the larger number wins.
const (
	Interval Priority = iota // time passed
	Follow                   // a revision that does not touch the unit
	Drift                    // something it manages was changed by others
	Released                 // something it waited for came
	Revision                 // its content changed
	Request                  // a person asked, or changed its spec
	Conclude                 // what goes on beside runs has ended: it is to be told, even while the state drains
)

// String names the priority as logs do.
func (p Priority) String() string {
	names := [...]string{"interval", "follow", "drift", "released", "revision", "request", "conclude"}
	if p < 0 || int(p) >= len(names) {
		return "unknown"
	}
	return names[p]
}

// Limits says how many units of a class may run at once. A class without an
// entry is unlimited.
type Limits map[string]int

// Event is one of Wake, Moved, Finished, Removed, Tick.
type Event interface{ event() }

// Wake asks for a run of a unit.
type Wake struct {
	Unit     object.Key
	Class    string // of Limits; the last one given counts
	Priority Priority
	Why      string
}

// Moved says that something changed which units may have read.
type Moved struct {
	Subject  string
	Priority Priority
	Why      string
}

// Finished ends a run. Subjects are what the unit read and waits on from now
// on; Next is when it wants to run by time alone (zero: never).
type Finished struct {
	Unit     object.Key
	Subjects []string
	Next     time.Time
	// Taken is called by a Loop when the unit waits on the subjects; it may be nil.
	Taken func()
}

// Removed forgets a unit. A run under way goes on; its end is ignored.
type Removed struct{ Unit object.Key }

// Tick lets time pass.
type Tick struct{}

// Drain ends everything but the runs under way: from then on only wakes of
// priority Conclude start runs.
type Drain struct{}

func (Wake) event()     {}
func (Moved) event()    {}
func (Finished) event() {}
func (Removed) event()  {}
func (Tick) event()     {}
func (Drain) event()    {}

// Run is the action of starting a unit's run.
type Run struct {
	Unit     object.Key
	Priority Priority
	Why      []string // the distinct reasons, in the order they came
	Waited   time.Duration
}

// maxWhy bounds the reasons kept for one run.
const maxWhy = 8

// State is what the scheduler knows. Use New; it is not safe for concurrent use.
type State struct {
	limits Limits
	units  map[object.Key]*entry
	subs   map[string]map[object.Key]struct{}
	moved  map[string]moves // by subject, while runs are under way
	queue  queue
	due    dueHeap
	runs   map[string]int // by class
	held   map[share]int  // of them
	passed map[string]int // by class: how often one that waited longer was passed
	inRun  int
	seq    uint64
	drains bool
	damps  bool // fights over drift; see calm.go
}

// moves are the numbers of the last events that moved a subject: whatever they were, and
// those that were more than drift.
type moves struct{ any, more uint64 }

type entry struct {
	key      object.Key
	class    string
	subjects []string

	pending  bool
	priority Priority
	why      []string
	since    time.Time
	asked    uint64 // event number at which it began to wait

	running bool
	started uint64 // event number at which the run started
	next    time.Time
	removed bool
	fight   fight
}

// New returns a State without units.
func New(l Limits) *State {
	return &State{
		limits: l,
		units:  make(map[object.Key]*entry),
		subs:   make(map[string]map[object.Key]struct{}),
		moved:  make(map[string]moves),
		runs:   make(map[string]int),
		held:   make(map[share]int),
		passed: make(map[string]int),
		queue:  newQueue(),
	}
}

// Step takes one event and returns the runs to start now.
func (s *State) Step(e Event, now time.Time) []Run {
	s.seq++
	switch e := e.(type) {
	case Wake:
		s.wake(e, now)
	case Moved:
		s.move(e, now)
	case Finished:
		s.finish(e, now)
	case Removed:
		s.remove(e.Unit)
	case Drain:
		s.drain()
	case Tick:
	}
	s.expire(now)
	return s.start(now)
}

// NextDue returns when time alone will make a unit run; false if never.
func (s *State) NextDue() (time.Time, bool) { return s.due.first() }

// Idle tells whether nothing runs and nothing is waiting to run.
func (s *State) Idle() bool { return s.inRun == 0 && s.queue.len() == 0 }

// Running returns how many runs are under way, Queued how many units wait.
func (s *State) Running() int { return s.inRun }

// Queued returns how many units wait for their turn.
func (s *State) Queued() int { return s.queue.len() }

func (s *State) wake(w Wake, now time.Time) {
	u := s.units[w.Unit]
	if u == nil || u.removed {
		fresh := &entry{key: w.Unit}
		if u != nil { // removed during a run and back again: one run at a time still
			fresh.running, fresh.started, fresh.class = u.running, u.started, u.class
		}
		u = fresh
		s.units[w.Unit] = u
	}
	if w.Class != "" && w.Class != u.class && !u.running {
		s.queue.remove(u)
		u.class = w.Class
	}
	s.enqueue(u, w.Priority, w.Why, now)
}

func (s *State) enqueue(u *entry, p Priority, why string, now time.Time) {
	if s.drains && p < Conclude {
		return
	}
	if !u.pending {
		u.pending, u.priority, u.why, u.since, u.asked = true, p, nil, now, s.seq
	}
	if why != "" && len(u.why) < maxWhy && !slices.Contains(u.why, why) {
		u.why = append(u.why, why)
	}
	raised := p > u.priority
	if raised {
		s.queue.remove(u)
		u.priority = p
	}
	if !u.running {
		s.queue.add(u)
	}
}

func (s *State) move(m Moved, now time.Time) {
	if s.inRun > 0 {
		last := s.moved[m.Subject]
		if last.any = s.seq; m.Priority != Drift {
			last.more = s.seq
		}
		s.moved[m.Subject] = last
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.subs[m.Subject]), object.Compare) {
		if u := s.units[key]; m.Priority == Drift {
			s.drift(u, m.Why, now)
		} else {
			s.enqueue(u, m.Priority, m.Why, now)
		}
	}
}

func (s *State) finish(f Finished, now time.Time) {
	u := s.units[f.Unit]
	if u == nil || !u.running {
		return
	}
	u.running = false
	s.inRun--
	s.runs[u.class]--
	if of := (share{u.class, u.key.Namespace}); s.held[of] > 1 {
		s.held[of]--
	} else {
		delete(s.held, of)
	}
	defer func() {
		if s.inRun == 0 {
			clear(s.moved)
		}
	}()
	if u.removed {
		delete(s.units, f.Unit)
		return
	}
	s.subscribe(u, f.Subjects)
	u.next = due(f.Next, now)
	s.due.set(u)
	for _, subject := range u.subjects {
		switch m := s.moved[subject]; {
		case m.more > u.started:
			s.enqueue(u, Released, "moved during the run", now)
		case m.any > u.started:
			s.drift(u, "moved during the run", now)
		}
	}
	if u.pending {
		s.queue.add(u)
	}
}

// soonest keeps a unit that asks to run at a time that has passed from spinning.
const soonest = 100 * time.Millisecond

// due measures a time from now on, as it counts when the clock of the machine
// jumps: time goes on as before for what waits.
func due(next, now time.Time) time.Time {
	if next.IsZero() {
		return next
	}
	return now.Add(max(next.Sub(now), soonest))
}

// drain forgets whatever waits to run.
func (s *State) drain() {
	s.drains = true
	for _, u := range s.units {
		if u.pending && u.priority < Conclude {
			s.queue.remove(u)
			u.pending = false
		}
	}
}

func (s *State) subscribe(u *entry, subjects []string) {
	s.unsubscribe(u)
	u.subjects = slices.Clone(subjects)
	for _, subject := range subjects {
		set := s.subs[subject]
		if set == nil {
			set = make(map[object.Key]struct{})
			s.subs[subject] = set
		}
		set[u.key] = struct{}{}
	}
}

func (s *State) unsubscribe(u *entry) {
	for _, subject := range u.subjects {
		delete(s.subs[subject], u.key)
		if len(s.subs[subject]) == 0 {
			delete(s.subs, subject)
		}
	}
	u.subjects = nil
}

func (s *State) remove(key object.Key) {
	u := s.units[key]
	if u == nil {
		return
	}
	s.queue.remove(u)
	s.unsubscribe(u)
	u.next, u.pending, u.removed = time.Time{}, false, true
	s.due.set(u)
	if !u.running {
		delete(s.units, key)
	}
}

func (s *State) expire(now time.Time) {
	for {
		u, ok := s.due.pop(now)
		if !ok {
			return
		}
		u.next = time.Time{}
		if u.fight.waits {
			s.enqueue(u, Drift, "what it manages is written by others again and again", now)
			continue
		}
		s.enqueue(u, Interval, "interval", now)
	}
}

// share is what a tenant has of the runs of a class.
type share struct{ class, tenant string }

// spared is which part of a class one tenant alone cannot take: runs may be slow, and
// those of others must not wait for all of a tenant's to end.
const spared = 8

// free tells whether one more unit of a tenant may run.
func (s *State) free(class, tenant string) bool {
	limit, limited := s.limits[class]
	return !limited || s.runs[class] < limit && s.held[share{class, tenant}] < limit-limit/spared
}

// maxPassed is how many runs of a class may begin one after the other before units that
// have waited longer, for something less urgent.
const maxPassed = 8

// turn returns the unit that is to run next: the most urgent one, but now and then the
// one that has waited longest, so that nobody who is always urgent keeps others waiting
// for ever.
func (s *State) turn() *entry {
	u := s.queue.next(s.free)
	if s.queue.len() == 0 {
		clear(s.passed)
	}
	if u == nil || u.priority == Conclude {
		return u
	}
	late := s.queue.passed(u, s.free)
	switch {
	case late == nil:
		return u
	case s.passed[u.class] < maxPassed:
		s.passed[u.class]++
		return u
	}
	s.passed[u.class] = 0
	return late
}

func (s *State) start(now time.Time) []Run {
	var out []Run
	for {
		u := s.turn()
		if u == nil {
			return out
		}
		s.queue.take(u)
		u.pending, u.running, u.started = false, true, s.seq
		u.next = time.Time{}
		s.due.set(u)
		u.fight.round(u.priority, now)
		s.inRun++
		s.runs[u.class]++
		s.held[share{u.class, u.key.Namespace}]++
		out = append(out, Run{u.key, u.priority, u.why, now.Sub(u.since)})
	}
}

// Subscribed tells whether a unit waits on the subject.
func (s *State) Subscribed(subject string) bool { return len(s.subs[subject]) > 0 }
