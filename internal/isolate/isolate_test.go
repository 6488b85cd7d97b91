//go:build unix

package isolate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "isolated" {
		fmt.Fprintln(os.Stderr, Serve(os.Args[2:], works, os.Exit))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// works are what the test binary does as a child.
var works = map[string]Work{
	"echo": func(in []byte, _ Ask) ([]byte, error) { return in, nil },
	"pid":  func([]byte, Ask) ([]byte, error) { return []byte(strconv.Itoa(os.Getpid())), nil },
	"asks": func(in []byte, ask Ask) ([]byte, error) {
		n, err := strconv.Atoi(string(in))
		for range n {
			if _, failed := ask(nil); failed != nil {
				return nil, failed
			}
		}
		return nil, err
	},
	"ask":   func(in []byte, ask Ask) ([]byte, error) { return ask(in) },
	"fail":  func(in []byte, _ Ask) ([]byte, error) { return nil, errors.New(string(in)) },
	"panic": func(in []byte, _ Ask) ([]byte, error) { panic(string(in)) },
	"hog":   hog,
	"spin": func(_ []byte, ask Ask) ([]byte, error) {
		if _, err := ask([]byte(strconv.Itoa(os.Getpid()))); err != nil {
			return nil, err
		}
		for n := 0; ; n++ {
			turns = n
		}
	},
	"recurse": func(in []byte, _ Ask) ([]byte, error) { return make([]byte, deeper(len(in))), nil },
	"surroundings": func([]byte, Ask) ([]byte, error) {
		dir, err := os.Getwd()
		return fmt.Appendf(nil, "%v %s %q %v", os.Environ(), dir, os.Args[1:], err), nil
	},
	"write": func(in []byte, _ Ask) ([]byte, error) { return nil, os.WriteFile(string(in), []byte("x"), 0o600) },
	"shout": func([]byte, Ask) ([]byte, error) {
		_, err := os.Stderr.Write(bytes.Repeat([]byte("x"), 1<<20))
		return nil, err
	},
	"exit":  func([]byte, Ask) ([]byte, error) { os.Exit(3); return nil, nil },
	"large": func([]byte, Ask) ([]byte, error) { return make([]byte, maxOutput+1), nil },
	"swell": func([]byte, Ask) ([]byte, error) {
		kept = bytes.Repeat([]byte("x"), 100<<20)
		return []byte(strconv.Itoa(os.Getpid())), nil
	},
}

var (
	kept  []byte
	turns int
)

func hog([]byte, Ask) ([]byte, error) {
	text := "x"
	for {
		text += text
	}
}

func deeper(n int) int {
	if n < 0 {
		return 0
	}
	return deeper(n+1) + 1
}

func pool(t *testing.T, children int) *Pool {
	t.Helper()
	if !Possible {
		t.Skip("children are bounded in memory on Linux only; elsewhere the work is done in this process")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(Config{Command: []string{exe, "isolated"}, Children: children, Memory: 256 << 20})
	t.Cleanup(p.Close)
	return p
}

func do(t *testing.T, p *Pool, work, input string) string {
	t.Helper()
	out, err := p.Do(t.Context(), Job{Work: work, Input: []byte(input)})
	if err != nil {
		t.Fatalf("%s: %v", work, err)
	}
	return string(out)
}

// gone tells whether no process has the id.
func gone(pid string) bool {
	n, _ := strconv.Atoi(pid)
	return errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}

func TestDo(t *testing.T) {
	p := pool(t, 1)
	if got := do(t, p, "echo", "hello"); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
	big := strings.Repeat("0123456789", 1<<20)
	if got := do(t, p, "echo", big); got != big {
		t.Errorf("got %d bytes, want %d", len(got), len(big))
	}
	first := do(t, p, "pid", "")
	if second := do(t, p, "pid", ""); second != first {
		t.Errorf("a second child %s was started after %s", second, first)
	}
	for _, bad := range []string{"fail", "panic", "nothing", "large", "write"} {
		_, err := p.Do(t.Context(), Job{Work: bad, Input: []byte("/tmp/leat-isolate-test")})
		var refused *Refused
		if !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want a Refused", bad, err)
		}
		if bad == "fail" && err.Error() != "/tmp/leat-isolate-test" {
			t.Errorf("got %q", err)
		}
	}
	p.Close()
	if !gone(first) {
		t.Errorf("child %s outlives its pool", first)
	}
	if _, err := p.Do(t.Context(), Job{Work: "echo"}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestSurroundings(t *testing.T) {
	t.Setenv("TOKEN", "secret")
	if got, want := do(t, pool(t, 1), "surroundings", ""), `[] / ["isolated" "268435456"] <nil>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestBounds(t *testing.T) {
	p := pool(t, 2)
	for work, want := range map[string]Bound{"hog": Memory, "recurse": Stack, "exit": Killed} {
		_, err := p.Do(t.Context(), Job{Work: work})
		var died *Died
		if !errors.As(err, &died) || died.Bound != want {
			t.Errorf("%s: got %v, want the bound %q", work, err, want)
		}
	}
	var pid string
	job := Job{Work: "spin", Timeout: 500 * time.Millisecond, Answer: func(_ context.Context, q []byte) ([]byte, error) {
		pid = string(q)
		return nil, nil
	}}
	_, err := p.Do(t.Context(), job)
	var died *Died
	if !errors.As(err, &died) || died.Bound != Time || !gone(pid) {
		t.Errorf("got %v and process %s gone: %v, want the bound time and no process", err, pid, gone(pid))
	}
	do(t, p, "shout", "")
	do(t, p, "echo", "still here")
}

func TestCancelledLeavesNoProcess(t *testing.T) {
	p := pool(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var pid string
	_, err := p.Do(ctx, Job{Work: "spin", Answer: func(_ context.Context, q []byte) ([]byte, error) {
		pid = string(q)
		cancel()
		return nil, nil
	}})
	if !errors.Is(err, context.Canceled) || pid == "" || !gone(pid) {
		t.Errorf("got %v and process %q gone: %v, want no process", err, pid, gone(pid))
	}
	if _, err := p.Do(ctx, Job{Work: "echo"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// A child that somebody else kills is replaced, once.
func TestKilledFromOutside(t *testing.T) {
	p := pool(t, 1)
	pid, _ := strconv.Atoi(do(t, p, "pid", ""))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	do(t, p, "echo", "again")
	var kills int
	_, err := p.Do(t.Context(), Job{Work: "spin", Answer: func(_ context.Context, q []byte) ([]byte, error) {
		kills++
		pid, _ := strconv.Atoi(string(q))
		return nil, syscall.Kill(pid, syscall.SIGKILL)
	}})
	var died *Died
	if !errors.As(err, &died) || died.Bound != Killed || kills != 2 {
		t.Errorf("got %v after %d kills, want that it was killed twice", err, kills)
	}
}

func TestSwollenChildRetires(t *testing.T) {
	p := pool(t, 1)
	if first := do(t, p, "swell", ""); do(t, p, "pid", "") == first {
		t.Error("a child that holds much memory stays")
	}
}

func TestQuestions(t *testing.T) {
	p := pool(t, 1)
	echo := func(_ context.Context, q []byte) ([]byte, error) { return append(q, '!'), nil }
	out, err := p.Do(t.Context(), Job{Work: "ask", Input: []byte("what"), Answer: echo})
	if err != nil || string(out) != "what!" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := p.Do(t.Context(), Job{Work: "ask"}); err == nil {
		t.Error("a question without anybody to answer it got an answer")
	}
}

func TestManyJobsAtOnce(t *testing.T) {
	p := pool(t, 2)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			in := []byte(strconv.Itoa(i))
			out, err := p.Do(t.Context(), Job{Work: "echo", Input: in})
			if err != nil || !bytes.Equal(in, out) {
				t.Errorf("job %d: got %q, %v", i, out, err)
			}
		})
	}
	all.Wait()
	if len(p.idle) > 2 {
		t.Errorf("%d children for 2 at once", len(p.idle))
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("D\x00\x00\x00\x02hi"))
	f.Add([]byte("W\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := receive(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := send(&again, got.kind, got.body); err != nil || !bytes.HasPrefix(text, again.Bytes()) {
			t.Errorf("%q was read as %q %q", text, got.kind, got.body)
		}
	})
}

func BenchmarkDo(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, input := range []int{0, 100 << 10, 1 << 20} {
		b.Run(fmt.Sprint(input), func(b *testing.B) {
			p := NewPool(Config{Command: []string{exe, "isolated"}})
			defer p.Close()
			job := Job{Work: "echo", Input: make([]byte, input)}
			for b.Loop() {
				if _, err := p.Do(b.Context(), job); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Jobs of one name never have all children.
func TestShares(t *testing.T) {
	p := pool(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	spins, ended := make(chan struct{}, 3), make(chan error, 3)
	for range 3 {
		go func() {
			_, err := p.Do(ctx, Job{Work: "spin", Share: "greedy", Answer: func(context.Context, []byte) ([]byte, error) {
				spins <- struct{}{}
				return nil, nil
			}})
			ended <- err
		}()
	}
	<-spins
	for range 3 {
		if _, err := p.Do(t.Context(), Job{Work: "echo", Share: "modest"}); err != nil {
			t.Errorf("another's job: %v", err)
		}
	}
	if n := len(spins); n != 0 {
		t.Errorf("%d more jobs of one name run", n)
	}
	cancel()
	for range 3 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if len(p.shares) != 0 {
		t.Errorf("%d names are remembered", len(p.shares))
	}
}

// A job says how many questions it may ask.
func TestQuestionsAreBounded(t *testing.T) {
	p := pool(t, 1)
	answer := func(context.Context, []byte) ([]byte, error) { return nil, nil }
	if _, err := p.Do(t.Context(), Job{Work: "asks", Input: []byte("3"), Questions: 3, Answer: answer}); err != nil {
		t.Errorf("as many as it may: %v", err)
	}
	if _, err := p.Do(t.Context(), Job{Work: "asks", Input: []byte("4"), Questions: 3, Answer: answer}); err == nil || !strings.Contains(err.Error(), "more than 3 questions") {
		t.Errorf("one more: %v", err)
	}
}
