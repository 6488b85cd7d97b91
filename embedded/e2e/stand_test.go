package e2e

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/dynamic"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/cluster"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// repository is the address that the engine reads from the stand's directory.
const repository = "https://git.example.com/fleet"

// stand is a namespace with an engine of its own, and the directory that is its
// repository.
type stand struct {
	*testing.T
	ns  string
	dir string // the repository
	app *app.App

	cfg    app.Config
	reader *worktree.Reader
	world  *cluster.World // of the person, not the engine: not counted
	dyn    dynamic.Interface
	logs   *logs
	runs   atomic.Int64 // that ended since the engine started
	stop   func()       // ends the engine and waits
}

// files are contents by path; an empty content deletes the file. $ns in a
// content is the namespace of the stand.
type files map[string]string

// quick are the tests of the quick suite: the life of a unit and of a release,
// drift, owners, secrets, and that nothing polls.
var quick = map[string]bool{
	"TestHelmReleaseIsInstalled": true, "TestHelmReleaseIsUpgraded": true, "TestDriftOfAReleaseIsCorrected": true,
	"TestChartsOfARepository": true, "TestFirstOfTwoOwnersKeepsTheObject": true, "TestCase38Canary": true,
	"TestReleasesOfFluxAreInSync": true, "TestUnapprovedChangesAreNotApplied": true, "TestCycleIsStalledAndPrinted": true, "TestImmutableFields": true,
	"TestDeletedReleaseIsUninstalled": true,
}

// up gives the test a namespace, an empty repository and a running engine. Such
// tests run beside each other.
func up(t *testing.T, options ...func(*app.Config)) *stand {
	t.Helper()
	if testing.Short() && !quick[t.Name()] {
		t.Skip("not in the quick suite; go test without -short runs it")
	}
	t.Parallel()
	s := newStand(t)
	for _, set := range options {
		set(&s.cfg)
	}
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.abandon()
	})
	return s
}

var installed sync.Once

func newStand(t *testing.T) *stand {
	t.Helper()
	c := kubetest.Shared(t)
	s := &stand{T: t, ns: kubetest.Namespace(t), dir: t.TempDir(), logs: &logs{}}
	s.must(os.WriteFile(filepath.Join(s.dir, "README.md"), nil, 0o600))
	var err error
	s.world, err = cluster.New(c.Config, cluster.Options{})
	s.must(err)
	s.dyn, err = dynamic.NewForConfig(c.Config)
	s.must(err)
	installed.Do(func() {
		_, err := app.InstallDefinitions(t.Context(), s.world)
		s.must(err)
	})
	s.reader, err = worktree.Open(s.dir)
	s.must(err)
	s.cfg = app.Config{
		REST: c.Config, Applying: 8, Fetching: 4, DataDir: t.TempDir(), Offline: true,
		Scope: controller.Scope{Namespace: s.ns},
		Local: &app.LocalSources{Own: []string{repository}, Fleet: s.reader},
		Log:   slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	return s
}

// start runs an engine over the stand's data directory; a second start is a
// restart.
func (s *stand) start() {
	s.Helper()
	cfg := s.cfg
	s.runs.Store(0)
	cfg.Finished = func(r controller.Run) {
		s.runs.Add(1)
		if s.cfg.Finished != nil {
			s.cfg.Finished(r)
		}
	}
	a, err := app.New(cfg)
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	s.app = a
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("the engine ended: %v", err)
		}
	})
}

// commit changes the repository and wakes its sources, as a push does.
func (s *stand) commit(change files) {
	s.Helper()
	s.save(change)
	for _, obj := range s.app.Controller.Units() {
		if obj.GetKind() == unit.GitRepositoryKind {
			_ = s.app.Controller.Wake(object.KeyOf(obj), "a push") // one that just went need not wake
		}
	}
}

// save changes the repository and wakes nobody.
func (s *stand) save(change files) {
	s.Helper()
	for name, text := range change {
		path := filepath.Join(s.dir, filepath.FromSlash(name))
		if text == "" {
			s.must(os.Remove(path))
			continue
		}
		s.must(os.MkdirAll(filepath.Dir(path), 0o700))
		s.must(os.WriteFile(path, []byte(s.expand(text)), 0o600))
	}
}

func (s *stand) expand(text string) string { return strings.ReplaceAll(text, "$ns", s.ns) }

// revision is what the repository is at.
func (s *stand) revision() string {
	s.Helper()
	snap, err := s.reader.Read(context.Background())
	s.must(err)
	snap.Branch = "main"
	return snap.Revision()
}

// idle waits until the engine has nothing left to do.
func (s *stand) idle() {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		idle, changed := s.app.Controller.Idle()
		if idle {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.Fatalf("the engine is not idle after %s\n%s", patience, s.logs.tail())
		}
	}
}

// writes counts the changes that the engine asked the API for; what it only
// tried dry is not among them.
func (s *stand) writes() int {
	return s.requests(func(c cluster.Count) bool { return writes(c) && !c.DryRun })
}

// asked counts all requests of the engine, but for discovery.
func (s *stand) asked() int {
	return s.requests(func(c cluster.Count) bool { return c.Verb != "discover" })
}

func writes(c cluster.Count) bool {
	return c.Verb == "create" || c.Verb == "apply" || c.Verb == "patch" || c.Verb == "delete"
}

func (s *stand) requests(match func(cluster.Count) bool) (n int) {
	for _, c := range s.app.Requests.Counts() {
		if match(c) {
			n += c.N
		}
	}
	return n
}

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// logs keeps what the engine logged, to be shown when a test fails.
type logs struct {
	mu   sync.Mutex
	text []byte
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *logs) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	const enough = 6000
	return "last words of the engine:\n" + string(l.text[max(0, len(l.text)-enough):])
}

// counting tells a channel of every run that ended.
func counting(runs chan<- object.Key) func(*app.Config) {
	return func(c *app.Config) {
		c.Finished = func(r controller.Run) {
			select {
			case runs <- r.Unit:
			default: // the test stopped reading
			}
		}
	}
}

// long marks a test that waits for a time that nobody can shorten.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("waits for a real timeout")
	}
}

// settled waits until an engine that was just started has run every unit and
// has nothing left to do.
func (s *stand) settled() {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		idle, changed := s.app.Controller.Idle()
		if idle && s.runs.Load() >= int64(len(s.app.Controller.Units())) && s.runs.Load() > 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.Fatalf("the engine is not settled after %s\n%s", patience, s.logs.tail())
		}
	}
}
