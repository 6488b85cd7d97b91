package keeper

import (
	"math/rand/v2"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// Each waits once, in the order in which they were asked for first; a hold keeps all.
func TestQueue(t *testing.T) {
	q := newQueue()
	q.add(7, noon)
	q.add(3, noon.Add(time.Minute))
	q.add(7, noon)
	q.add(5, noon)
	take := func(now time.Time, want int) {
		t.Helper()
		if got, ok, _ := q.next(now); ok != (want != 0) || got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	take(noon, 7)
	take(noon, 5)
	take(noon, 0)
	if _, _, at := q.next(noon); at != noon.Add(time.Minute) {
		t.Errorf("the next is due at %s", at)
	}
	q.add(7, noon) // while it is judged
	take(noon, 0)
	q.done(7, noon, time.Time{})
	take(noon, 7)
	q.done(7, noon, noon.Add(time.Hour)) // its window opens
	take(noon.Add(time.Minute), 3)
	take(noon.Add(time.Minute), 0)
	q.rest(noon.Add(2 * time.Hour))
	take(noon.Add(time.Hour), 0)
	take(noon.Add(2*time.Hour), 7)
	q.failed(5, noon)
	q.forget(5)
	if len(q.order)+len(q.tries) != 0 {
		t.Errorf("%v is left", q)
	}
}

func TestWait(t *testing.T) {
	for tries, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 8: 10 * time.Minute, 1000: 10 * time.Minute} {
		if got := wait(tries); got != want {
			t.Errorf("after %d: %s, want %s", tries, got, want)
		}
	}
}

// Whatever order events come in: none is judged twice at once, none that was asked for
// is lost, and a thousand at once are bounded by their number.
func TestQueueLosesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	q, wants, judging := newQueue(), map[int]bool{}, map[int]bool{}
	now := noon
	for range 20_000 {
		now = now.Add(time.Second)
		switch n := random.IntN(1000); random.IntN(3) {
		case 0:
			q.add(n, now)
			wants[n] = true
		case 1:
			if got, ok, _ := q.next(now); ok {
				if judging[got] {
					t.Fatalf("%d is judged twice at once", got)
				}
				judging[got] = true
				delete(wants, got)
			}
		default:
			for got := range judging {
				delete(judging, got)
				if random.IntN(5) > 0 {
					q.done(got, now, time.Time{})
				} else {
					q.failed(got, now)
					wants[got] = true
				}
				break
			}
		}
		if len(q.order) > 1000 || len(q.order) != len(q.due) {
			t.Fatalf("%d wait, %d are due", len(q.order), len(q.due))
		}
	}
	for got := range judging {
		q.done(got, now, time.Time{})
	}
	for now = now.Add(time.Hour); ; {
		got, ok, _ := q.next(now)
		if !ok {
			break
		}
		delete(wants, got)
		q.done(got, now, time.Time{})
	}
	if len(wants) > 0 {
		t.Errorf("%d were asked for and never judged", len(wants))
	}
}
