package sched

import "time"

// A fight is when somebody puts back what we put right, and would go on for ever as fast
// as both can. Drift is corrected at once for the first times; then the pauses double, so
// that a correction is late by no more than the fight has lasted.

const (
	// freely is how many times drift of one unit brings a run at once.
	freely = 30
	// firstCalm is the first pause, maxCalm the longest; the fight is over when nothing
	// drifted for over.
	firstCalm, maxCalm, over = 200 * time.Millisecond, time.Minute, 2 * time.Minute
)

// fight is what is known of one.
type fight struct {
	rounds int       // runs that drift brought
	last   time.Time // of them
	waits  bool      // the next is put off
}

// round notes the start of a run.
func (f *fight) round(p Priority, now time.Time) {
	if f.waits = false; p != Drift {
		return
	}
	if now.Sub(f.last) > over {
		f.rounds = 0
	}
	f.rounds++
	f.last = now
}

// until returns when the next run for drift may begin.
func (f *fight) until(now time.Time) time.Time {
	if since := now.Sub(f.last); f.rounds < freely || since > over || since < 0 {
		return now
	}
	pause := maxCalm
	if double := f.rounds - freely; double < 10 { // of 200 ms, 2 minutes
		pause = min(maxCalm, firstCalm<<double)
	}
	return f.last.Add(pause)
}

// drift asks for a run because of drift, now or once the pause is over. While the unit
// runs, the end of the run asks again.
func (s *State) drift(u *entry, why string, now time.Time) {
	at := u.fight.until(now)
	if !s.damps || !at.After(now) {
		s.enqueue(u, Drift, why, now)
		return
	}
	if u.running || u.pending {
		return
	}
	if u.fight.waits = true; u.next.IsZero() || at.Before(u.next) {
		u.next = at
		s.due.set(u)
	}
}
