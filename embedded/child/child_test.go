package child_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/child"
)

// The test binary is its own child; the environment says what it plays.
const role = "LEAT_CHILD_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "child":
		play(os.Args[1:])
	case "parent":
		beParent(os.Args[1])
	default:
		os.Exit(m.Run())
	}
}

// play is a control plane that does as its --controllers flag says. It holds a
// lock on <data-dir>/alive while it lives.
func play(args []string) {
	o, err := child.Parse(args, os.Stderr)
	if err != nil {
		os.Exit(2)
	}
	hold(filepath.Join(o.DataDir, "alive"), syscall.LOCK_EX)
	err = child.Serve(o, func(ctx context.Context, o child.Options, log io.Writer, ready func(child.Message)) error {
		fmt.Fprintln(log, "a line of the log")
		switch o.Controllers {
		case "error":
			return errors.New("the disk is full")
		case "crash":
			fmt.Fprintln(os.Stderr, "panic: something broke")
			os.Exit(7)
		case "never":
			<-ctx.Done()
			return nil
		}
		ready(child.Message{Server: "https://127.0.0.1:1", Kubeconfig: "/k", Version: "v1", PID: os.Getpid(), Startup: 1.5})
		if o.Controllers == "crash-later" {
			fmt.Fprintln(os.Stderr, "panic: something broke")
			os.Exit(7)
		}
		<-ctx.Done()
		return nil
	})
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// beParent starts a child, says so, and waits to be killed.
func beParent(dir string) {
	os.Setenv(role, "child")
	if _, err := child.Start(context.Background(), os.Args[0], nil, child.Options{DataDir: dir}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

// hold takes a lock and keeps it until the process ends.
func hold(path string, how int) *os.File {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), how)
	}
	if err != nil {
		panic(err)
	}
	held = append(held, f)
	return f
}

var held []*os.File

func start(t *testing.T, plays string) (*child.Process, child.Options, error) {
	t.Helper()
	o := child.Options{DataDir: t.TempDir(), Controllers: plays, Env: []string{role + "=child"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := child.Start(ctx, os.Args[0], nil, o)
	return p, o, err
}

func TestStartAndStop(t *testing.T) {
	p, _, err := start(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if p.Server() != "https://127.0.0.1:1" || p.Kubeconfig() != "/k" || p.Startup() != 1500*time.Millisecond {
		t.Errorf("got %s %s %s", p.Server(), p.Kubeconfig(), p.Startup())
	}
	if pgid, err := syscall.Getpgid(p.PID()); err != nil || pgid != p.PID() {
		t.Errorf("process group: got %d, %v, want its own", pgid, err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("while it runs: got %v", err)
	}
	for range 2 {
		if err := p.Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	<-p.Done()
}

func TestErrorOfTheControlPlaneIsTheErrorOfStart(t *testing.T) {
	_, _, err := start(t, "error")
	if err == nil || err.Error() != "control plane: the disk is full" {
		t.Errorf("got %v", err)
	}
}

func TestCrashShowsTheEndOfTheLog(t *testing.T) {
	_, o, err := start(t, "crash")
	for _, want := range []string{"exit status 7", o.LogPath(), "a line of the log", "panic: something broke"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestCrashAfterStartClosesDone(t *testing.T) {
	p, _, err := start(t, "crash-later")
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "panic: something broke") {
		t.Errorf("got %v, want the panic", err)
	}
}

func TestCancelledStartLeavesNoProcess(t *testing.T) {
	o := child.Options{DataDir: t.TempDir(), Controllers: "never", Env: []string{role + "=child"}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := child.Start(ctx, os.Args[0], nil, o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	hold(filepath.Join(o.DataDir, "alive"), syscall.LOCK_EX|syscall.LOCK_NB)
}

func TestStopKillsWhatDoesNotStop(t *testing.T) {
	p, _, err := start(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("got %v, want that it was killed", err)
	}
}

func TestChildEndsWhenItsParentIsKilled(t *testing.T) {
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], dir)
	parent.Env = append(os.Environ(), role+"=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "started\n" {
		t.Fatalf("parent: got %q", line)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	hold(filepath.Join(dir, "alive"), syscall.LOCK_EX) // waits until the child is gone
}

func TestRemoveDeletesTheDataDirectory(t *testing.T) {
	o := child.Options{DataDir: filepath.Join(t.TempDir(), "data"), Remove: true, Env: []string{role + "=child"}}
	if err := os.Mkdir(o.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(t.Context(), os.Args[0], nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data directory: got %v, want that it is gone", err)
	}
}

func TestArgsAreParsedBack(t *testing.T) {
	for _, want := range []child.Options{
		{DataDir: "/d"},
		{DataDir: "/d", Port: 1, Nodes: 2, Controllers: "a,-b", EngineLog: "/e.log", NoScheduler: true, Fsync: true, Verbosity: 3, Remove: true, ExitWithStdin: true},
	} {
		got, err := child.Parse(want.Args(), io.Discard)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	var out bytes.Buffer
	if _, err := child.Parse([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-data-dir") {
		t.Errorf("help: got %v %s", err, out.String())
	}
	for want, args := range map[string][]string{"--data-dir": {}, `["extra"]`: {"--data-dir=/d", "extra"}} {
		if _, err := child.Parse(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
}
