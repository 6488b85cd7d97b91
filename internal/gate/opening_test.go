package gate

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func TestOpening(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	week := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday}
	day := Window{Days: week, From: 9 * time.Hour, To: 16 * time.Hour, Zone: oslo}
	night := Window{Days: []time.Weekday{time.Friday}, From: 22 * time.Hour, To: 4 * time.Hour, Zone: oslo}
	early := Window{From: 2*time.Hour + 30*time.Minute, To: 5 * time.Hour, Zone: oslo} // 02:30 does not exist on 28 March 2027
	freeze := Freeze{From: when(t, "2026-12-21T00:00:00+01:00"), To: when(t, "2027-01-04T00:00:00+01:00"), Reason: "end of year"}
	for name, c := range map[string]struct {
		windows []Window
		freezes []Freeze
		now     string
		open    bool
		why     string
		next    string
	}{
		"nothing is said":                   {now: "2026-11-21T12:00:00Z", open: true},
		"in a window":                       {windows: []Window{day}, now: "2026-11-19T08:30:00Z", open: true, next: "2026-11-19T15:00:00Z"},
		"its first moment":                  {windows: []Window{day}, now: "2026-11-19T08:00:00Z", open: true, next: "2026-11-19T15:00:00Z"},
		"its end is outside":                {windows: []Window{day}, now: "2026-11-19T15:00:00Z", why: "outside of its windows", next: "2026-11-23T08:00:00Z"},
		"the weekend":                       {windows: []Window{day}, now: "2026-11-21T12:00:00Z", why: "outside of its windows", next: "2026-11-23T08:00:00Z"},
		"the same hour in summer":           {windows: []Window{day}, now: "2026-07-02T07:30:00Z", open: true, next: "2026-07-02T14:00:00Z"},
		"over midnight, before":             {windows: []Window{night}, now: "2026-11-20T21:30:00Z", open: true, next: "2026-11-21T03:00:00Z"},
		"over midnight, after":              {windows: []Window{night}, now: "2026-11-21T02:59:00Z", open: true, next: "2026-11-21T03:00:00Z"},
		"over midnight, the day after":      {windows: []Window{night}, now: "2026-11-21T21:30:00Z", why: "outside of its windows", next: "2026-11-27T21:00:00Z"},
		"the night the clocks go forward":   {windows: []Window{early}, now: "2027-03-28T01:45:00Z", open: true, next: "2027-03-28T03:00:00Z"},
		"the night the clocks go back":      {windows: []Window{early}, now: "2026-10-25T03:59:00Z", open: true, next: "2026-10-25T04:00:00Z"},
		"a freeze to come":                  {freezes: []Freeze{freeze}, now: "2026-12-20T12:00:00Z", open: true, next: "2026-12-20T23:00:00Z"},
		"frozen":                            {freezes: []Freeze{freeze}, now: "2026-12-24T12:00:00Z", why: "frozen until 2027-01-04 00:00 +0100 (end of year)", next: "2027-01-03T23:00:00Z"},
		"frozen, in a window":               {windows: []Window{day}, freezes: []Freeze{freeze}, now: "2026-12-22T10:00:00Z", why: "frozen until 2027-01-04 00:00 +0100 (end of year)", next: "2027-01-04T08:00:00Z"},
		"a freeze cuts the window":          {windows: []Window{day}, freezes: []Freeze{{From: when(t, "2026-11-19T12:00:00Z"), To: when(t, "2026-11-19T13:00:00Z")}}, now: "2026-11-19T09:00:00Z", open: true, next: "2026-11-19T12:00:00Z"},
		"a freeze without end for a person": {freezes: []Freeze{{From: when(t, "2026-01-01T00:00:00Z"), To: when(t, "2200-01-01T00:00:00Z")}}, now: "2026-11-19T09:00:00Z", why: "frozen until 2200-01-01 00:00 UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Opening(c.windows, c.freezes, when(t, c.now))
			next := ""
			if !got.Next.IsZero() {
				next = got.Next.UTC().Format(time.RFC3339)
			}
			if got.Open != c.open || got.Why != c.why || next != c.next {
				t.Errorf("open %t, %q, next %s; want %t, %q, %s", got.Open, got.Why, next, c.open, c.why, c.next)
			}
		})
	}
}

// In Santiago clocks go from Saturday 23:59 to Sunday 01:00: a window is still of its day.
func TestOpeningWithoutMidnight(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	for day, c := range map[time.Weekday]struct{ from, to string }{
		time.Saturday: {"2026-09-05T04:00:00Z", "2026-09-05T10:00:00Z"}, time.Sunday: {"2026-09-06T04:00:00Z", "2026-09-06T09:00:00Z"},
	} {
		w := Window{Days: []time.Weekday{day}, To: 6 * time.Hour, Zone: santiago}
		from, to := when(t, c.from), when(t, c.to)
		for at := when(t, "2026-09-04T12:00:00Z"); at.Before(when(t, "2026-09-08T00:00:00Z")); at = at.Add(30 * time.Minute) {
			got := Opening([]Window{w}, nil, at)
			if want := !at.Before(from) && at.Before(to); got.Open != want || at.Before(from) && !got.Next.Equal(from) {
				t.Errorf("%s at %s: open is %t, until %s", day, at, got.Open, got.Next)
			}
		}
	}
}

// Where an environment is said to open, it is open, and not a minute before.
func TestOpeningTellsTheTruth(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	windows := []Window{{Days: []time.Weekday{time.Sunday, time.Tuesday}, From: 90 * time.Minute, To: 4 * time.Hour, Zone: oslo}, {From: 23 * time.Hour, To: time.Hour}}
	freezes := []Freeze{{From: when(t, "2026-10-24T12:00:00Z"), To: when(t, "2026-10-25T01:10:00Z")}}
	for at := when(t, "2026-10-20T00:00:00Z"); at.Before(when(t, "2026-11-03T00:00:00Z")); at = at.Add(7 * time.Minute) {
		o := Opening(windows, freezes, at)
		if o.Next.IsZero() || !o.Next.After(at) {
			t.Fatalf("%s: next is %s", at, o.Next)
		}
		if before, then := Opening(windows, freezes, o.Next.Add(-time.Minute)), Opening(windows, freezes, o.Next); !o.Open && (before.Open || !then.Open) {
			t.Fatalf("%s: closed until %s; a minute before open is %t, then %t", at, o.Next, before.Open, then.Open)
		}
	}
}

func when(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	if _, offset := at.Zone(); offset != 0 {
		return at.In(time.FixedZone("", offset))
	}
	return at.UTC()
}
