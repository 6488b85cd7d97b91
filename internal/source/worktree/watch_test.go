package worktree

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func watch(t *testing.T, w work) *Watcher {
	t.Helper()
	got, err := Watch(context.Background(), w.reader(), WatchOptions{Quiet: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.Close)
	return got
}

func (w *Watcher) expect(t *testing.T, what string) {
	t.Helper()
	select {
	case <-w.Changed():
	case <-time.After(patience):
		t.Fatalf("%s: no change was seen", what)
	}
}

func TestWatchSees(t *testing.T) {
	w := repository(t)
	w.write("a/b.yaml", "1")
	w.write(".gitignore", "ignored/\n")
	w.write("ignored/x", "1")
	got := watch(t, w)
	if got.Note() != "" {
		t.Skip(got.Note())
	}
	w.write("a/b.yaml", "2")
	got.expect(t, "a save")
	// As editors save: a new file takes the place of the old one.
	w.write("a/.b.yaml.swp", "3")
	if err := os.Rename(filepath.Join(w.dir, "a/.b.yaml.swp"), filepath.Join(w.dir, "a/b.yaml")); err != nil {
		t.Fatal(err)
	}
	got.expect(t, "a rename")
	w.write("new/deep/dir/f", "1")
	got.expect(t, "new directories")
	// The directories may have been made before they were watched; from the
	// event on they are.
	w.write("new/deep/dir/f", "2")
	got.expect(t, "a save in a new directory")
	w.git("add", "-A")
	got.expect(t, "git add")
	w.git("commit", "-qm", "x")
	w.git("checkout", "-q", "-b", "other")
	got.expect(t, "a new branch")
	w.write(".gitignore", "")
	got.expect(t, "no more ignored")
	w.write("ignored/x", "2")
	got.expect(t, "a save where nothing is ignored any more")
	if err := os.RemoveAll(filepath.Join(w.dir, "new")); err != nil {
		t.Fatal(err)
	}
	got.expect(t, "a removal")
}

func TestWatchEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	got, err := Watch(ctx, plain(t).reader(), WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	got.Close()
	if _, open := <-got.Changed(); open {
		t.Error("a change after the end")
	}
}

// Where nothing can be watched, changes are seen by looking.
func TestPollSees(t *testing.T) {
	w := plain(t)
	w.write("a", "1")
	tick := make(chan time.Time)
	o := WatchOptions{After: func(time.Duration) <-chan time.Time { return tick }}
	got := &Watcher{r: w.reader(), o: o.withDefaults()}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := make(chan struct{}, 1)
	go got.poll(ctx, events)
	tick <- time.Time{} // the first look has been taken before this is received
	tick <- time.Time{}
	select {
	case <-events:
		t.Fatal("a change without a change")
	default:
	}
	w.write("a", "2")
	tick <- time.Time{}
	select {
	case <-events:
	case <-time.After(patience):
		t.Fatal("no change was seen")
	}
}

// fakeTime hands out timers that fire when the test says so.
type fakeTime struct{ asked chan timer }

type timer struct {
	d  time.Duration
	in chan time.Time
}

func (f fakeTime) after(d time.Duration) <-chan time.Time {
	in := make(chan time.Time, 1)
	f.asked <- timer{d, in}
	return in
}

func TestDebounce(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := fakeTime{make(chan timer)}
	in, out := make(chan struct{}), make(chan struct{}, 1)
	o := WatchOptions{After: f.after}.withDefaults()
	go debounce(ctx, in, out, o)
	next := func(want time.Duration) timer {
		t.Helper()
		got := <-f.asked
		if got.d != want {
			t.Fatalf("a timer of %s, want %s", got.d, want)
		}
		return got
	}
	none := func() {
		t.Helper()
		select {
		case <-out:
			t.Fatal("a save counted too early")
		default:
		}
	}
	in <- struct{}{}
	first := next(o.Quiet)
	most := next(o.Most)
	in <- struct{}{} // before the quiet is over: it begins anew
	second := next(o.Quiet)
	first.in <- time.Time{}
	none()
	second.in <- time.Time{}
	<-out
	most.in <- time.Time{} // belongs to what has been told
	in <- struct{}{}
	next(o.Quiet)
	most = next(o.Most)
	for range 3 {
		in <- struct{}{}
		next(o.Quiet)
	}
	none()
	most.in <- time.Time{} // changes that never cease
	<-out
}

func BenchmarkRead(b *testing.B) {
	w := repository(b)
	for i := range 5000 {
		w.write(fmt.Sprintf("apps/app-%d/f%d.yaml", i/10, i%10), strings.Repeat(fmt.Sprintf("kind: X%d\n", i), 150))
	}
	w.write(".gitignore", "*.log\n/out/\n")
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			read(b, w.reader())
		}
	})
	for _, name := range []string{"untracked", "tracked"} {
		if name == "tracked" {
			w.git("add", "-A")
		}
		b.Run("after one save/"+name, func(b *testing.B) {
			r := w.reader()
			r.fresh = 0 // as if the files were older
			read(b, r)
			i := 0
			for b.Loop() {
				i++
				w.write("apps/app-77/f3.yaml", fmt.Sprint(i))
				opened := r.opened
				read(b, r)
				if r.opened != opened+1 {
					b.Fatalf("opened %d files", r.opened-opened)
				}
			}
		})
	}
}
