package fluxtest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/child"
	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/cli"
)

// patience is how long the platform may take to come up.
const patience = 3 * time.Minute

var platform = struct {
	once       sync.Once
	kubeconfig string
	err        string
	stop       func()
}{stop: func() {}}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "isolated" { // `up` renders charts in children of its own program
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	code := m.Run()
	platform.stop()
	os.Exit(code)
}

// up brings the platform up once for all tests and returns its kubeconfig.
func up(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("not in the quick suite; go test without -short runs it")
	}
	platform.once.Do(func() {
		dir, err := os.MkdirTemp("", "leat-fluxtest-")
		if err != nil {
			t.Fatal(err)
		}
		// Of its own: the real flux diff and build rewrite files in --path and put them back.
		fleet := filepath.Join(dir, "fleet")
		if err := os.CopyFS(fleet, os.DirFS("../../examples/platform")); err != nil {
			t.Fatal(err)
		}
		screen := &screen{want: []string{
			"ready Kustomization/flux-system/apps", "ready HelmRelease/apps/cache", "failed GitRepository/lab/gone", "waiting HelmRelease/lab/relref",
			"waiting Kustomization/lab/novars", "waiting HelmRelease/lab/rel",
		}, came: make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			args := []string{"up", fleet, "--data-dir", filepath.Join(dir, "data"), "--input", "testdata/lab.yaml"}
			cli.Main(ctx, args, cli.Env{In: &bytes.Buffer{}, Out: screen, Err: screen, ControlPlane: start})
		}()
		platform.stop = func() {
			cancel()
			<-done
			os.RemoveAll(dir)
		}
		select {
		case <-screen.came:
			platform.kubeconfig = filepath.Join(dir, "data", "cluster", "kubeconfig")
		case <-done:
			platform.err = "leat up ended:\n" + screen.text()
		case <-time.After(patience):
			platform.err = "the platform did not come up:\n" + screen.text()
		}
	})
	if platform.err != "" {
		t.Fatal(platform.err)
	}
	return platform.kubeconfig
}

// start runs the control plane, as cmd/leat does with itself.
func start(ctx context.Context, o cli.ControlPlaneOptions) (cli.ControlPlane, error) {
	exe, err := kubetest.Program()
	if err != nil {
		return nil, err
	}
	p, err := child.Start(ctx, exe, nil, child.Options{DataDir: o.DataDir, Port: o.Port, Nodes: o.Nodes, Remove: o.Remove, EngineLog: o.EngineLog})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// screen is what leat up prints; came is closed once all that is wanted was.
type screen struct {
	mu   sync.Mutex
	all  bytes.Buffer
	want []string
	came chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(p)
	if len(s.want) == 0 {
		return len(p), nil
	}
	for len(s.want) > 0 && strings.Contains(strings.Join(strings.Fields(s.all.String()), " "), s.want[0]) {
		s.want = s.want[1:]
	}
	if len(s.want) == 0 {
		close(s.came)
	}
	return len(p), nil
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.want, ", ") + " did not come\n" + s.all.String()
}
