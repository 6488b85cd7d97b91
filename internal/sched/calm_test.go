package sched

import (
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/object"
)

// Whoever writes again what was put right is corrected ever more rarely; nothing is
// lost, nothing else waits, and when it was calm for long, drift is corrected at once
// again.
func TestFightsOverDriftCalmDown(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	web := object.Key{Kind: "Kustomization", Name: "web"}
	s := New(Limits{})
	s.damps = true
	finished := Finished{Unit: web, Subjects: []string{"what it manages", "its source"}}
	now, runs := began, []time.Duration(nil)
	step := func(e Event) (started bool) {
		if started = len(s.Step(e, now)) > 0; started {
			runs = append(runs, now.Sub(began))
			now = now.Add(5 * time.Millisecond)
			if len(s.Step(Moved{Subject: "what it manages", Priority: Drift}, now)) > 0 { // during the run, already
				t.Fatal("a unit runs twice")
			}
			now = now.Add(5 * time.Millisecond)
			if len(s.Step(finished, now)) > 0 {
				runs = append(runs, now.Sub(began))
				s.Step(finished, now)
			}
		}
		return started
	}
	s.Step(Wake{Unit: web}, now)
	s.Step(finished, now)
	fight := func(lasts time.Duration) (n int) {
		runs = nil
		for end := now.Add(lasts); now.Before(end); now = now.Add(20 * time.Millisecond) {
			step(Moved{Subject: "what it manages", Priority: Drift})
			step(Tick{})
		}
		return len(runs)
	}
	if n := fight(100 * time.Millisecond); n < 4 {
		t.Errorf("%d corrections in a tenth of a second, want all at once", n)
	}
	if n := fight(time.Minute); n < freely/2 || n > 3*freely {
		t.Errorf("%d corrections in a minute: %v", n, runs)
	}
	if n := fight(10 * time.Minute); n < 8 || n > 25 {
		t.Errorf("%d corrections in ten minutes: %v", n, runs)
	}
	if !step(Moved{Subject: "its source", Priority: Released}) {
		t.Error("what else moves waits for the end of the pause")
	}
	step(Moved{Subject: "what it manages", Priority: Drift})
	at, known := s.NextDue()
	if !known || at.Sub(now) > maxCalm {
		t.Fatalf("the last drift is corrected at %s, %t; want within %s", at, known, maxCalm)
	}
	now = at
	if len(s.Step(Tick{}, now)) != 1 {
		t.Fatal("the last drift is lost")
	}
	s.Step(finished, now)
	if _, known := s.NextDue(); known {
		t.Error("it runs again though all is calm")
	}
	now = now.Add(over + time.Second)
	if n := fight(100 * time.Millisecond); n < 4 {
		t.Errorf("%d corrections in a tenth of a second after it was calm, want all at once", n)
	}
}
