package sched

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func key(s string) object.Key {
	ns, name, ok := strings.Cut(s, "/")
	if !ok {
		ns, name = "t", s
	}
	return object.Key{Kind: "U", Namespace: ns, Name: name}
}

// script plays a little language, one event a line:
//
//	wake a [priority]      move s [priority]      done a [reads s,t] [next 5s]
//	remove a               at 10s                  drain
//	> a b   (the runs it must have started)
func script(t *testing.T, limits Limits, text string) {
	t.Helper()
	s := New(limits)
	now := epoch
	var got []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		f := strings.Fields(lines.Text())
		if len(f) == 0 {
			continue
		}
		if f[0] == ">" {
			if want := strings.Join(f[1:], " "); strings.Join(got, " ") != want {
				t.Fatalf("line %d: started %q, want %q", n, strings.Join(got, " "), want)
			}
			got = nil
			continue
		}
		e, at := parse(t, f, now)
		now = at
		for _, r := range s.Step(e, now) {
			got = append(got, r.Unit.Name)
		}
	}
	if len(got) > 0 {
		t.Fatalf("at the end: started %q, want nothing more", got)
	}
}

func parse(t *testing.T, f []string, now time.Time) (Event, time.Time) {
	t.Helper()
	priority := func() Priority {
		for p := Interval; p <= Conclude; p++ {
			if len(f) > 2 && f[2] == p.String() {
				return p
			}
		}
		return Revision
	}
	switch f[0] {
	case "wake":
		return Wake{Unit: key(f[1]), Class: "c", Priority: priority()}, now
	case "move":
		return Moved{Subject: f[1], Priority: priority()}, now
	case "drain":
		return Drain{}, now
	case "remove":
		return Removed{Unit: key(f[1])}, now
	case "at":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			t.Fatal(err)
		}
		return Tick{}, epoch.Add(d)
	case "done":
		e := Finished{Unit: key(f[1])}
		for i := 2; i+1 < len(f); i += 2 {
			if f[i] == "reads" {
				e.Subjects = strings.Split(f[i+1], ",")
			} else if d, err := time.ParseDuration(f[i+1]); err == nil {
				e.Next = now.Add(d)
			}
		}
		return e, now
	}
	t.Fatalf("unknown event %q", f)
	return nil, now
}

func TestScripts(t *testing.T) {
	for name, text := range map[string]string{
		"a wake runs once": `
			wake a
			> a
			done a`,
		"a change during the run runs again": `
			wake a
			> a
			wake a
			wake a
			>
			done a
			> a
			done a`,
		"what moves before its reads are known is not lost": `
			wake a
			> a
			move s
			>
			done a reads s
			> a
			done a reads s`,
		"what moved before the run started is old news": `
			wake b
			> b
			move s
			wake a
			> a
			done a reads s
			>
			done b`,
		"reads wake, and only those of the last run": `
			wake a
			done a reads s,t
			move s
			> a a
			done a reads t
			move s
			>
			move t
			> a`,
		"time wakes": `
			wake a
			done a next 10s
			at 9s
			> a
			at 10s
			> a
			done a`,
		"a wake replaces the due time": `
			wake a
			done a next 10s
			at 5s
			wake a
			done a
			at 20s
			> a a`,
		"removed units neither run nor wake": `
			wake a
			done a reads s next 5s
			remove a
			move s
			at 10s
			> a`,
		"removed during the run and back": `
			wake a
			> a
			remove a
			wake a
			>
			done a reads s
			> a
			done a`,
		"lost watch: everything is woken twice and runs once": `
			wake a
			wake b
			wake a
			wake b
			> a b
			done a
			done b
			> a b`,
		"an end that nobody started is ignored": `
			done a reads s
			move s
			>`,
	} {
		t.Run(name, func(t *testing.T) { script(t, nil, text) })
	}
}

func TestPriorityAndTurns(t *testing.T) {
	script(t, Limits{"c": 1}, `
		wake x/a follow
		> a
		wake x/b interval
		wake x/c drift
		wake x/d revision
		wake x/e request
		wake x/b released
		done x/a
		> e
		done x/e
		> d
		done x/d
		> b
		done x/b
		> c
		done x/c`)
	script(t, Limits{"c": 1}, `
		wake x/a
		> a
		wake x/b
		wake x/c
		wake x/d
		wake y/p
		wake z/q
		done x/a
		done x/b
		done y/p
		done z/q
		done x/c
		done x/d
		> b p q c d`)
}

// A unit that goes and comes back during its run gives back the place that the run took.
func TestRemovedDuringTheRunGivesItsPlaceBack(t *testing.T) {
	script(t, Limits{"c": 1}, `
		wake a
		> a
		remove a
		wake a
		wake b
		done a
		> b
		done b
		> a
		wake b
		>
		done a
		> b`)
}

// model checks the promises of the package against random scripts.
func TestNeverLosesAWakeAndNeverRunsTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Limits{"c": rapid.IntRange(1, 3).Draw(t, "limit")})
		names := []string{"x/a", "x/b", "y/c", "z/d"}
		subjects := []string{"s", "t"}
		running := map[object.Key]bool{}
		owed := map[object.Key]bool{}               // woken and not started since
		reads := map[object.Key][]string{}          // of the last run
		movedIn := map[object.Key]map[string]bool{} // during the present run
		now := epoch
		step := func(e Event) {
			for _, r := range s.Step(e, now) {
				if running[r.Unit] {
					t.Fatalf("%v runs twice at once", r.Unit)
				}
				running[r.Unit], owed[r.Unit] = true, false
				movedIn[r.Unit] = map[string]bool{}
			}
		}
		finish := func(k object.Key) {
			set := rapid.SliceOfDistinct(rapid.SampledFrom(subjects), func(s string) string { return s }).Draw(t, "reads")
			running[k], reads[k] = false, set
			for _, subject := range set {
				if movedIn[k][subject] {
					owed[k] = true
				}
			}
			step(Finished{Unit: k, Subjects: set})
		}
		n := rapid.IntRange(1, 60).Draw(t, "events")
		for range n {
			now = now.Add(time.Second)
			k := key(rapid.SampledFrom(names).Draw(t, "unit"))
			switch rapid.SampledFrom([]string{"wake", "move", "done"}).Draw(t, "event") {
			case "wake":
				owed[k] = true
				step(Wake{Unit: k, Class: "c", Priority: Priority(rapid.IntRange(0, int(Conclude)).Draw(t, "p"))})
			case "move":
				subject := rapid.SampledFrom(subjects).Draw(t, "subject")
				for other, set := range reads {
					for _, r := range set {
						if r == subject {
							owed[other] = true
						}
					}
				}
				for other := range running {
					if running[other] {
						movedIn[other][subject] = true
					}
				}
				step(Moved{Subject: subject, Priority: Drift})
			case "done":
				if running[k] {
					finish(k)
				}
			}
		}
		for range 100 { // let it come to rest
			for k, on := range running {
				if on {
					running[k], reads[k] = false, nil
					step(Finished{Unit: k})
				}
			}
		}
		for k, due := range owed {
			if due {
				t.Fatalf("%v was woken and never ran", k)
			}
		}
		if !s.Idle() {
			t.Fatal("not idle with nothing to do")
		}
	})
}

// A tenant with one unit runs within as many starts as there are tenants,
// however much the others ask for.
func TestNoTenantStarves(t *testing.T) {
	s := New(Limits{"c": 1})
	wake := func(k object.Key) []Run { return s.Step(Wake{Unit: k, Class: "c", Priority: Revision}, epoch) }
	cur := wake(key("greedy/0"))
	for i := 1; i < 1000; i++ {
		wake(key(fmt.Sprintf("greedy/%d", i)))
	}
	wake(key("modest/1"))
	for range 2 {
		cur = s.Step(Finished{Unit: cur[0].Unit}, epoch)
		if cur[0].Unit.Namespace == "modest" {
			return
		}
	}
	t.Fatal("modest/1 waited for more than its turn")
}

// A tenant whose runs do not end leaves places to others.
// Who asks for runs in a loop, for units of several namespaces, does not keep others
// waiting: each of those runs in its turn, and what is urgent still goes first.
func TestTheUrgentDoNotStarveOthers(t *testing.T) {
	for _, priority := range []Priority{Drift, Revision, Request} {
		s, now := New(Limits{"c": 2}), epoch
		asked := func(unit string) Wake {
			return Wake{Unit: key(unit), Class: "c", Priority: priority}
		}
		greedy := []string{"one/a", "one/b", "two/a", "two/b", "three/a", "three/b"}
		var running []Run
		for _, unit := range greedy {
			running = append(running, s.Step(asked(unit), now)...)
		}
		waiting := map[object.Key]int{}
		for i := range 5 {
			now = now.Add(time.Second)
			unit := key(fmt.Sprintf("modest/%d", i))
			waiting[unit] = 0
			running = append(running, s.Step(Wake{Unit: unit, Class: "c", Priority: Interval}, now)...)
		}
		urgent, started := 0, 0
		for ; len(waiting) > 0 && started < 1000; started++ {
			now = now.Add(time.Second)
			r := running[0]
			running = append(running[1:], s.Step(Finished{Unit: r.Unit}, now)...)
			if _, modest := waiting[r.Unit]; modest {
				delete(waiting, r.Unit)
				continue
			}
			urgent++
			running = append(running, s.Step(Wake{Unit: r.Unit, Class: "c", Priority: priority}, now)...)
		}
		if limit := 5*(maxPassed+1) + 2*len(greedy); len(waiting) > 0 || started > limit {
			t.Errorf("%s: after %d runs, of which %d urgent, %d units still wait; want none after %d", priority, started, urgent, len(waiting), limit)
		}
		if urgent < 5*maxPassed/2 {
			t.Errorf("%s: only %d runs were urgent, before 5 others", priority, urgent)
		}
	}
}

func TestNoTenantHasAllPlaces(t *testing.T) {
	const limit = 20
	s := New(Limits{"c": limit})
	wake := func(k object.Key) []Run { return s.Step(Wake{Unit: k, Class: "c", Priority: Request}, epoch) }
	var greedy []Run
	for i := range 2 * limit {
		greedy = append(greedy, wake(key(fmt.Sprintf("greedy/%d", i)))...)
	}
	if len(greedy) != limit-limit/spared {
		t.Errorf("%d runs of one tenant, want %d of %d", len(greedy), limit-limit/spared, limit)
	}
	if runs := s.Step(Wake{Unit: key("modest/1"), Class: "c", Priority: Interval}, epoch); len(runs) != 1 {
		t.Fatalf("modest/1 waits for the runs of another tenant")
	}
	if runs := s.Step(Finished{Unit: greedy[0].Unit}, epoch); len(runs) != 1 || runs[0].Unit.Namespace != "greedy" {
		t.Errorf("got %v, want the next of the first tenant", runs)
	}
}

// The clock of the machine may jump while units wait: each is due after the time
// it asked for all the same, and one that asks for the past does not spin.
func TestTheClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Now() // with what goes on when the clock is set
	for name, jump := range map[string]time.Duration{"back": -day, "not": 0, "ahead": day} {
		t.Run(name, func(t *testing.T) {
			wall := func(d time.Duration) time.Time { return begin.Round(0).Add(jump + d) } // of a server, or after the jump
			s := New(nil)
			s.Step(Wake{Unit: key("a"), Class: "c"}, begin)
			s.Step(Finished{Unit: key("a"), Next: begin.Add(10 * time.Second)}, begin)
			if runs := s.Step(Tick{}, begin.Add(9*time.Second)); len(runs) > 0 {
				t.Error("ran before it was due")
			}
			if runs := s.Step(Tick{}, begin.Add(10*time.Second)); len(runs) != 1 {
				t.Error("did not run when it was due")
			}
			s.Step(Finished{Unit: key("a"), Next: wall(0)}, begin)
			at, _ := s.NextDue()
			if at.Sub(begin) < soonest {
				t.Errorf("due %s from now, want at least %s", at.Sub(begin), soonest)
			}
			if strings.Contains(at.String(), "m=") != strings.Contains(begin.String(), "m=") {
				t.Errorf("due at %s, which moves when the clock is set", at)
			}
		})
	}
}

// A state that drains ends its runs, and tells what goes on beside them.
func TestDrain(t *testing.T) {
	script(t, Limits{"c": 2}, `
		wake a
		wake b
		wake c
		> a b
		wake a
		drain
		done a reads s next 5s
		move s
		wake d
		at 60s
		>
		wake b conclude
		done b
		> b
		wake e conclude
		> e
		done b
		done e`)
}
