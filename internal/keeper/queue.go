package keeper

import "time"

// queue says which pull request is judged next. Each is in it once, however often it is
// asked for, so that only its newest state is judged; none is judged twice at the same
// time. It decides by values and waits for nothing; it is not for concurrent use.
type queue struct {
	due   map[int]time.Time // when each may be judged
	order []int             // those that wait, the first asked for first
	busy  map[int]bool      // being judged; true: asked for again meanwhile
	tries map[int]int       // how often each failed in a row
	// hold is when the forge may be asked again.
	hold time.Time
}

// maxWaiting bounds how many pull requests wait; the poll finds the others again.
const maxWaiting = 10_000

func newQueue() *queue {
	return &queue{due: map[int]time.Time{}, busy: map[int]bool{}, tries: map[int]int{}}
}

// add asks for a pull request, not before a moment. The earlier of two moments counts.
func (q *queue) add(number int, at time.Time) {
	if _, judged := q.busy[number]; judged {
		q.busy[number] = true
		return
	}
	was, waits := q.due[number]
	switch {
	case waits && !at.Before(was):
	case waits:
		q.due[number] = at
	case len(q.order) < maxWaiting:
		q.due[number] = at
		q.order = append(q.order, number)
	}
}

// next takes a pull request that is due; where none is, it says when one will be: zero
// is not before something is added.
func (q *queue) next(now time.Time) (number int, ok bool, at time.Time) {
	if now.Before(q.hold) {
		return 0, false, q.hold
	}
	for i, n := range q.order {
		due := q.due[n]
		if !due.After(now) {
			q.order = append(q.order[:i:i], q.order[i+1:]...)
			delete(q.due, n)
			q.busy[n] = false
			return n, true, time.Time{}
		}
		if at.IsZero() || due.Before(at) {
			at = due
		}
	}
	return 0, false, at
}

// The waits after what went wrong.
const (
	firstWait = 5 * time.Second
	lastWait  = 10 * time.Minute
)

// done gives a pull request back. One that a moment changes comes then; zero is none.
func (q *queue) done(number int, now, again time.Time) {
	delete(q.tries, number)
	q.back(number, now, again)
}

// failed gives one back that did not work: it comes again, later each time.
func (q *queue) failed(number int, now time.Time) {
	q.tries[number]++
	q.back(number, now, now.Add(wait(q.tries[number])))
}

func (q *queue) back(number int, now, again time.Time) {
	asked := q.busy[number]
	delete(q.busy, number)
	if !again.IsZero() {
		q.add(number, again)
	}
	if asked {
		q.add(number, now)
	}
}

// wait doubles with every failure.
func wait(tries int) time.Duration {
	out := firstWait
	for range min(tries-1, 10) {
		out *= 2
	}
	return min(out, lastWait)
}

// forget drops what waits of a pull request.
func (q *queue) forget(number int) {
	delete(q.due, number)
	delete(q.tries, number)
	for i, n := range q.order {
		if n == number {
			q.order = append(q.order[:i:i], q.order[i+1:]...)
			return
		}
	}
}

// rest keeps everybody from the forge until a moment.
func (q *queue) rest(until time.Time) {
	if until.After(q.hold) {
		q.hold = until
	}
}
