package gate

import (
	"fmt"
	"slices"
	"time"
)

// Window is a time of day on some days of the week during which an environment
// takes changes. A window whose end is not after its beginning goes over midnight
// and belongs to the day on which it begins.
type Window struct {
	Days     []time.Weekday // empty: every day
	From, To time.Duration  // since midnight, by the clock on the wall
	Zone     *time.Location // nil: UTC
}

// Freeze is a time during which an environment takes no change.
type Freeze struct {
	From, To time.Time // To is excluded
	Reason   string
}

// Override is a person's decision that a change goes in all the same.
type Override struct {
	By, Reason string
	At         time.Time
}

// Opened says whether an environment takes changes.
type Opened struct {
	Open bool   `json:"open"`
	Why  string `json:"why,omitempty"` // it is closed
	// Next is when that changes; zero where nothing says so.
	Next time.Time `json:"next,omitzero"`
}

// ahead bounds how far Opening looks: a window that opens once a week, after a
// freeze, is found.
const ahead = 400 * 24 * time.Hour

// Opening tells whether an environment is open at a moment. Without windows it
// always is, but for freezes, and a freeze is stronger than a window.
func Opening(windows []Window, freezes []Freeze, now time.Time) Opened {
	if f := frozen(freezes, now); f != nil {
		return Opened{Why: f.String(), Next: opens(windows, freezes, now)}
	}
	if len(windows) == 0 {
		return Opened{Open: true, Next: begins(freezes, now)}
	}
	for _, w := range windows {
		if end, in := w.holds(now); in {
			return Opened{Open: true, Next: sooner(end, begins(freezes, now))}
		}
	}
	return Opened{Why: "outside of its windows", Next: opens(windows, freezes, now)}
}

// String says why nothing goes in.
func (f Freeze) String() string {
	why := "frozen until " + f.To.Format("2006-01-02 15:04 MST")
	if f.Reason != "" {
		why += fmt.Sprintf(" (%s)", f.Reason)
	}
	return why
}

func frozen(freezes []Freeze, now time.Time) *Freeze {
	for i, f := range freezes {
		if !now.Before(f.From) && now.Before(f.To) {
			return &freezes[i]
		}
	}
	return nil
}

// opens is the first moment after now at which the environment is open; zero where
// there is none within reach.
func opens(windows []Window, freezes []Freeze, now time.Time) time.Time {
	at, limit := now, now.Add(ahead)
	for at.Before(limit) {
		if f := frozen(freezes, at); f != nil {
			at = f.To
			continue
		}
		if len(windows) == 0 {
			return at
		}
		var next time.Time
		for _, w := range windows {
			if _, in := w.holds(at); in {
				return at
			}
			next = sooner(next, w.next(at))
		}
		if next.IsZero() {
			break
		}
		at = next
	}
	return time.Time{}
}

// begins is when the next freeze begins; zero where none is to come.
func begins(freezes []Freeze, now time.Time) time.Time {
	var next time.Time
	for _, f := range freezes {
		if f.From.After(now) {
			next = sooner(next, f.From)
		}
	}
	return next
}

// holds tells whether a moment lies in the window, and when that ends.
func (w Window) holds(at time.Time) (end time.Time, in bool) {
	for _, back := range []int{0, -1} { // one that began yesterday may go over midnight
		from, to, on := w.on(at, back)
		if on && !at.Before(from) && at.Before(to) {
			return to, true
		}
	}
	return time.Time{}, false
}

// next is when the window next begins after a moment.
func (w Window) next(at time.Time) time.Time {
	for day := range 8 {
		if from, _, on := w.on(at, day); on && from.After(at) {
			return from
		}
	}
	return time.Time{}
}

// on is the window on the day that lies so many days after a moment, by the clock
// of its zone: where clocks change that night, its ends are still what the clock
// shows.
func (w Window) on(at time.Time, days int) (from, to time.Time, is bool) {
	zone := w.Zone
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := at.In(zone).Date()
	day := time.Date(y, m, d+days, 12, 0, 0, 0, zone) // at noon: some zones have no midnight when clocks change
	from, to = clock(day, w.From), clock(day, w.To)
	if !to.After(from) {
		to = clock(day.AddDate(0, 0, 1), w.To)
	}
	return from, to, len(w.Days) == 0 || slices.Contains(w.Days, day.Weekday())
}

// clock is when the clock shows a time on a day; where it leaves that out, so much later.
func clock(day time.Time, since time.Duration) time.Time {
	y, m, d := day.Date()
	minutes := int(since / time.Minute)
	out := time.Date(y, m, d, 0, minutes, 0, 0, day.Location())
	shows := time.Date(out.Year(), out.Month(), out.Day(), out.Hour(), out.Minute(), 0, 0, time.UTC)
	return out.Add(max(0, time.Date(y, m, d, 0, minutes, 0, 0, time.UTC).Sub(shows)))
}

// sooner is the earlier of two moments that are known.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
