package keeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// serving is a gate at work.
type serving struct {
	*stage
	heard chan forge.Event
	told  chan Told
	stop  func()
}

func (s *stage) serves() *serving {
	ctx, cancel := context.WithCancel(context.Background())
	out := &serving{stage: s, heard: make(chan forge.Event, 16), told: make(chan Told, 4096)}
	var done sync.WaitGroup
	done.Go(func() {
		s.must(s.gate.Serve(ctx, out.heard, Options{Every: time.Hour, Workers: 3, Told: func(t Told) { out.told <- t }}))
	})
	out.stop = func() { cancel(); done.Wait() }
	s.Cleanup(out.stop)
	return out
}

// next is what the gate says of a pull request, once it stands as wanted.
func (s *serving) next(number int, want check.State) {
	s.Helper()
	for patience := time.After(time.Minute); ; {
		select {
		case t := <-s.told:
			if t.Number == number && t.State == want {
				return
			}
		case <-patience:
			s.Fatalf("pull request %d does not become %s", number, want)
		}
	}
}

// A webhook says where to look, a push has all looked at whose base or head moved, and
// the end leaves nothing behind.
func TestServe(t *testing.T) {
	s := newStage(t)
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	s.push("ann", "other-change", map[string]string{"staging/a": "2\n"})
	n, m := s.opens("ann", "change"), s.opens("ann", "other-change")
	g := s.serves()
	g.next(n, check.Pending) // found by looking, with no webhook
	s.reviews("alice", n, forge.Approved)
	s.reviews("bob", n, forge.Approved)
	g.heard <- forge.Event{Kind: forge.Reviewed, Number: n}
	g.next(n, check.Success)
	s.push("dave", "main", map[string]string{"production/b": "1\n", "staging/a": "9\n"})
	g.heard <- forge.Event{Kind: forge.Pushed, Branch: "main"}
	g.next(m, check.Failure)                                                    // it conflicts now
	g.heard <- forge.Event{Kind: forge.PullChanged, Number: 99}                 // somebody else's number
	g.heard <- forge.Event{Kind: forge.PullChanged, Repo: "x/fleet", Number: n} // of another repository: it only says where to look
	g.next(n, check.Pending)
	g.stop()
}

// impatient is a forge that asks for patience until it is let go.
type impatient struct {
	forge.Forge
	mu   sync.Mutex
	busy int
	asks int
}

func (f *impatient) Pull(ctx context.Context, n int) (forge.PullRequest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks++
	if f.busy > 0 {
		f.busy--
		return forge.PullRequest{}, &fault.Error{Class: fault.Busy, After: time.Minute, Err: errors.New("429")}
	}
	return f.Forge.Pull(ctx, n)
}

// ahead is a forge that names a commit of a branch which its repository does not show yet.
type ahead struct{ forge.Forge }

func (f ahead) Branch(ctx context.Context, name string) (forge.Branch, error) {
	b, err := f.Forge.Branch(ctx, name)
	b.Commit = strings.Repeat("0", len(b.Commit))
	return b, err
}

// What moves again and again is judged again later each time, so that a forge whose parts
// do not agree is not asked without end.
func TestWhatMovesWaits(t *testing.T) {
	s := newStage(t)
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	s.gate.Forge = ahead{s.gate.Forge}
	r := s.gate.rounds(Options{})
	for _, least := range []time.Duration{firstWait, 2 * firstWait} {
		before := s.tick()
		if got := r.one(context.Background(), n); !errors.Is(got.Err, ErrMoved) {
			t.Fatalf("got %v", got.Err)
		}
		if _, ok, at := r.q.next(s.now); ok || at.Sub(before) < least {
			t.Errorf("it is judged again at %s, %s after", at, at.Sub(before))
		}
		r.q.next(before.Add(lastWait)) // it is taken
	}
}

// A forge that limits rates is left alone for as long as it says, by all.
func TestForgeAsksForPatience(t *testing.T) {
	s := newStage(t)
	for i := range 3 {
		branch := fmt.Sprint("change-", i)
		s.push("ann", branch, map[string]string{"production/a": branch + "\n"})
		s.opens("ann", branch)
	}
	f := &impatient{Forge: s.gate.Forge, busy: 1}
	s.gate.Forge = f
	r, ctx := s.gate.rounds(Options{}), context.Background()
	s.must(r.look(ctx, changes))
	number, ok, _ := r.q.next(s.now)
	if !ok || number != 1 {
		t.Fatalf("got %d", number)
	}
	if got := r.one(ctx, number); fault.ClassOf(got.Err) != fault.Busy {
		t.Fatalf("got %v", got.Err)
	}
	if n, ok, at := r.q.next(s.now); ok || at.Sub(s.now) < 55*time.Second {
		t.Errorf("%d is judged though the forge asked to wait until %s", n, at)
	}
	asked := f.asks
	r.sweep(ctx, everything)
	if f.asks != asked {
		t.Error("the forge was asked meanwhile")
	}
	s.now = s.now.Add(2 * time.Minute)
	var got []int
	for {
		n, ok, _ := r.q.next(s.now)
		if !ok {
			break
		}
		if told := r.one(ctx, n); told.Err != nil || told.State != check.Pending {
			t.Errorf("%d: %s, %v", n, told.State, told.Err)
		}
		got = append(got, n)
	}
	if len(got) != 3 {
		t.Errorf("judged %v", got)
	}
}

// crowd is a forge with a thousand pull requests of one branch.
type crowd struct{ forge.Forge }

func (c crowd) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	all, err := c.Forge.List(ctx, q)
	for i := len(all); i > 0 && i < 1000; i++ {
		pr := all[0]
		pr.Number = i + 1
		all = append(all, pr)
	}
	return all, err
}

func (c crowd) Pull(ctx context.Context, n int) (forge.PullRequest, error) {
	pr, err := c.Forge.Pull(ctx, 1)
	pr.Number = n
	return pr, err
}

func (c crowd) Reviews(ctx context.Context, _ int) ([]forge.Review, error) {
	return c.Forge.Reviews(ctx, 1)
}

func (c crowd) Comments(ctx context.Context, _ int) ([]forge.Comment, error) {
	return c.Forge.Comments(ctx, 1)
}

// Case 47: a thousand pull requests at once wait in one queue, each once, and what is
// equal is rendered once.
func TestCrowd(t *testing.T) {
	s := newStage(t)
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	s.opens("ann", "change")
	s.gate.Forge = crowd{s.gate.Forge}
	r, ctx := s.gate.rounds(Options{}), context.Background()
	for range 3 {
		s.must(r.look(ctx, everything))
	}
	if len(r.q.order) != 1000 {
		t.Fatalf("%d wait", len(r.q.order))
	}
	for range 20 {
		n, ok, _ := r.q.next(s.tick())
		if !ok {
			t.Fatal("nobody is next")
		}
		c, err := s.gate.gather(ctx, forge.PullRequest{Number: n, Head: must(r.Forge.Pull(ctx, n)).Head, Base: forge.Side{Branch: "main"}})
		if err != nil || len(c.facts) != 2 {
			t.Fatalf("got %v", err)
		}
		r.q.done(n, s.tick(), time.Time{})
	}
	if s.renders != 2 {
		t.Errorf("%d renderings of two environments", s.renders)
	}
}

func must(pr forge.PullRequest, err error) forge.PullRequest {
	if err != nil {
		panic(err)
	}
	return pr
}

// Once judges all that is open, and says what went wrong with some.
func TestOnce(t *testing.T) {
	s := newStage(t)
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	s.push("ann", "next", map[string]string{"staging/a": "2\n"})
	n, m := s.opens("ann", "change"), s.opens("ann", "next")
	got := map[int]check.State{}
	s.must(s.gate.Once(context.Background(), func(t Told) { got[t.Number] = t.State }))
	if got[n] != check.Pending || got[m] != check.Success {
		t.Errorf("got %v", got)
	}
	broken := errors.New("no room")
	s.gate = New(s.gate.Config)
	s.gate.Render = func(context.Context, Rendering) (check.Facts, error) { return check.Facts{}, broken }
	if err := s.gate.Once(context.Background(), nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
