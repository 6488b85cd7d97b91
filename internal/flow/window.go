package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine
)

// Window is a time in each week.
type Window struct {
	// Mon-Thu, Sat, or several with commas; every day where nothing is said.
	Days string `json:"days" want:"days"`
	// When it opens, 09:00.
	From string `json:"from" want:"required,clock"`
	// When it closes, 16:00; not after From means on the next day.
	To string `json:"to" want:"required,clock"`
	// The time zone by its name: Europe/Oslo, UTC.
	Zone string `json:"zone" want:"required,zone"`
}

// Freeze is a time in which nothing moves.
type Freeze struct {
	// The first day, 2026-12-20, or a time, 2026-12-20T12:00.
	From string `json:"from" want:"required,date"`
	// The last day, which belongs to it, or a time.
	To string `json:"to" want:"required,date"`
	// The time zone by its name.
	Zone string `json:"zone" want:"required,zone"`
	// For whoever has to wait.
	Reason string `json:"reason"`
}

const (
	clockForm = "15:04"
	dayForm   = "2006-01-02"
	timeForm  = "2006-01-02T15:04"
)

// Open tells whether a time is in the window. On the day on which clocks change, an
// hour that is missing or doubled is taken by what the clock on the wall shows.
func (w Window) Open(now time.Time) bool {
	zone, err1 := time.LoadLocation(w.Zone)
	from, err2 := time.Parse(clockForm, w.From)
	to, err3 := time.Parse(clockForm, w.To)
	days, err4 := weekdays(w.Days)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return false // Parse refuses it; what cannot be read lets nothing through
	}
	now = now.In(zone)
	at, begin, end := minute(now), minute(from), minute(to)
	yesterday := (now.Weekday() + 6) % 7
	if begin < end {
		return days[now.Weekday()] && at >= begin && at < end
	}
	return days[now.Weekday()] && at >= begin || days[yesterday] && at < end
}

func minute(t time.Time) int { return t.Hour()*60 + t.Minute() }

// String is the window for people.
func (w Window) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s-%s %s", w.Days, w.From, w.To, w.Zone))
}

// Holds tells whether a time lies in the freeze.
func (z Freeze) Holds(now time.Time) bool {
	from, to, err := z.span()
	return err != nil || !now.Before(from) && now.Before(to)
}

// span is the first moment of a freeze, and the first after it.
func (z Freeze) span() (from, to time.Time, err error) {
	zone, err := time.LoadLocation(z.Zone)
	if err != nil {
		return from, to, err
	}
	if from, _, err = moment(z.From, zone); err != nil {
		return from, to, err
	}
	to, whole, err := moment(z.To, zone)
	if whole {
		to = to.AddDate(0, 0, 1)
	}
	return from, to, err
}

// moment reads a day, or a time of a day.
func moment(text string, zone *time.Location) (t time.Time, whole bool, err error) {
	if t, err = time.ParseInLocation(dayForm, text, zone); err == nil {
		return t, true, nil
	}
	t, err = time.ParseInLocation(timeForm, text, zone)
	return t, false, err
}

var dayNames = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// weekdays reads «Mon-Thu,Sat».
func weekdays(text string) (out [7]bool, err error) {
	if text == "" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for _, part := range strings.Split(text, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			last = first
		}
		a, b := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if a < 0 || b < 0 {
			return out, fmt.Errorf("%q: want days as Mon-Thu or Sat,Sun", text)
		}
		for d := a; ; d = (d + 1) % 7 {
			out[d] = true
			if d == b {
				break
			}
		}
	}
	return out, nil
}

// Hold is why changes may not reach an environment now.
type Hold struct {
	Gate   Gate
	Freeze *Freeze // nil where it is that no window is open
}

// String says it.
func (h Hold) String() string {
	if z := h.Freeze; z != nil {
		text := fmt.Sprintf("frozen from %s to %s (%s)", z.From, z.To, z.Zone)
		if z.Reason != "" {
			text += ": " + z.Reason
		}
		return text
	}
	var open []string
	for _, w := range h.Gate.Windows {
		open = append(open, w.String())
	}
	return "outside its windows: " + strings.Join(open, "; ")
}

// Held tells what keeps changes from an environment at a time: a freeze, or that no
// window is open. nil means nothing does. Of several the first of the file counts.
func (f Flow) Held(environment string, now time.Time) *Hold {
	for _, g := range f.Gates {
		if !slices.Contains(g.Environments, environment) {
			continue
		}
		for i := range g.Freeze {
			if g.Freeze[i].Holds(now) {
				return &Hold{g, &g.Freeze[i]}
			}
		}
		if len(g.Windows) > 0 && !slices.ContainsFunc(g.Windows, func(w Window) bool { return w.Open(now) }) {
			return &Hold{Gate: g}
		}
	}
	return nil
}
