package flow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/leat-dev/leat/internal/gate"
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

// window is the window as package gate opens it. What cannot be read, which Parse
// refuses, opens never.
func (w Window) window() (gate.Window, error) {
	zone, err1 := time.LoadLocation(w.Zone)
	from, err2 := time.Parse(clockForm, w.From)
	to, err3 := time.Parse(clockForm, w.To)
	days, err4 := weekdays(w.Days)
	return gate.Window{Days: days, From: sinceMidnight(from), To: sinceMidnight(to), Zone: zone}, errors.Join(err1, err2, err3, err4)
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
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

// weekdays reads «Mon-Thu,Sat»; none means every day.
func weekdays(text string) ([]time.Weekday, error) {
	if text == "" {
		return nil, nil
	}
	var out []time.Weekday
	for _, part := range strings.Split(text, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			last = first
		}
		a, b := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if a < 0 || b < 0 {
			return nil, fmt.Errorf("%q: want days as Mon-Thu or Sat,Sun", text)
		}
		for d := a; ; d = (d + 1) % 7 {
			out = append(out, time.Weekday(d))
			if d == b {
				break
			}
		}
	}
	return out, nil
}

// Opening tells whether an environment takes changes at a time: no freeze of its
// gates holds, and each of them that has windows has one open.
func (f Flow) Opening(environment string, now time.Time) gate.Opened {
	out := gate.Opened{Open: true}
	for _, g := range f.Gates {
		if !slices.Contains(g.Environments, environment) {
			continue
		}
		windows, freezes, err := g.times()
		if err != nil {
			return gate.Opened{Why: err.Error()}
		}
		if o := gate.Opening(windows, freezes, now); !o.Open {
			return o
		} else if out.Next.IsZero() || !o.Next.IsZero() && o.Next.Before(out.Next) {
			out.Next = o.Next
		}
	}
	return out
}

// times are the windows and freezes of a gate.
func (g Gate) times() (windows []gate.Window, freezes []gate.Freeze, err error) {
	for _, w := range g.Windows {
		one, err := w.window()
		if err != nil {
			return nil, nil, err
		}
		windows = append(windows, one)
	}
	for _, z := range g.Freeze {
		from, to, err := z.span()
		if err != nil {
			return nil, nil, err
		}
		freezes = append(freezes, gate.Freeze{From: from, To: to, Reason: z.Reason})
	}
	return windows, freezes, nil
}
