package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/controller"
)

// engineEnv tells the test binary to be an engine that kills itself.
const engineEnv = "LEAT_E2E_ENGINE"

// doomed is an engine in a process of its own.
type doomed struct {
	Kubeconfig, Namespace, DataDir string
	Changes                        int // of the data directory that it lives to see
}

func init() {
	if text := os.Getenv(engineEnv); text != "" {
		if err := runDoomed(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func runDoomed(text string) error {
	var d doomed
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig)
	if err != nil {
		return err
	}
	if err := dieAfter(d.Changes, d.DataDir); err != nil {
		return err
	}
	a, err := app.New(app.Config{
		REST: cfg, Applying: 8, Fetching: 4, DataDir: d.DataDir,
		Scope: controller.Scope{Namespace: d.Namespace}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return a.Run(context.Background())
}

// dieAfter kills this process once so many entries of a directory, or of those
// below it, were made, written, renamed or removed.
func dieAfter(changes int, dir string) error {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
	if err != nil {
		return err
	}
	const mask = syscall.IN_CREATE | syscall.IN_CLOSE_WRITE | syscall.IN_MOVED_TO | syscall.IN_DELETE | syscall.IN_ONLYDIR
	watch := func() error {
		return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil // it went meanwhile
			}
			_, err = syscall.InotifyAddWatch(fd, p, mask)
			return err
		})
	}
	if err := watch(); err != nil {
		return err
	}
	go func() {
		buf := make([]byte, syscall.SizeofInotifyEvent+syscall.NAME_MAX+1) // one event or few
		for range changes {
			if _, err := syscall.Read(fd, buf); err != nil {
				return
			}
			_ = watch() // what is new; what went is no matter
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
	return nil
}

// A process is killed, really, again and again, in the middle of what it does to
// its disk; the next one always goes on, and the last one ends it all well.
func TestKill(t *testing.T) {
	long(t)
	r := newRemote(t)
	theirs := r.bystanders()
	lives := 0
	for n := 1; n <= 3; n++ {
		revision := r.push(generation(n))
		if n == 1 {
			r.apply(r.fleet("24h"), kustomization("app", "path: ./app"), kustomization("two", "path: ./two", "dependsOn: [{name: app}]"))
		}
		for changes := 1; changes <= 24; changes += 1 + changes/4 {
			if r.live(changes) {
				lives++
			}
		}
		r.start()
		r.fetched("two", revision)
		r.honestAt(n)
		r.settled()
		r.stop()
	}
	r.untouched(theirs)
	r.abandon()
	if t.Logf("%d lives ended by a kill", lives); lives < 10 {
		t.Errorf("%d lives ended by a kill, want 10 at least", lives)
	}
}

func (r *remote) honestAt(n int) {
	r.Helper()
	for _, name := range []string{"a", "b", "moves", fmt.Sprint("only-", n)} {
		r.holds("ConfigMap/"+name, n)
	}
	r.absent(fmt.Sprint("ConfigMap/only-", n-1))
}

// lifetime is how long a process may live that has nothing more to write.
const lifetime = 2 * time.Second

// live runs an engine until so many changes of its data directory killed it, or
// it has nothing to do; it tells which.
func (r *remote) live(changes int) (killed bool) {
	r.Helper()
	text, err := json.Marshal(doomed{kubetest.Shared(r.T).Kubeconfig, r.ns, r.cfg.DataDir, changes})
	r.must(err)
	ctx, cancel := context.WithTimeout(r.Context(), lifetime)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), engineEnv+"="+string(text))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Run()
	if cmd.ProcessState.ExitCode() >= 0 {
		r.Fatalf("an engine ended by itself: %v\n%s", err, stderr.String())
	}
	if strings.Contains(stderr.String(), "panic") {
		r.Fatalf("an engine panicked after %s changes:\n%s", strconv.Itoa(changes), stderr.String())
	}
	return ctx.Err() == nil
}
