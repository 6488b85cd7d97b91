package plantest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leat-dev/leat/embedded/child"
	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/cli"
)

// A rehearsal tells what a plan alone cannot know. Each file holds base, what head
// has otherwise, and lines of both outputs:
//
//	rehearsed: what leat plan --rehearse prints    drafted: what leat plan prints
//	rehearsed-not: …                               drafted-not: …
func TestRehearse(t *testing.T) {
	kubetest.SkipUnlessQuick(t)
	files, err := filepath.Glob("testdata/rehearse/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s := newStage(t)
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range ar.Files {
				side, name, _ := strings.Cut(f.Name, "/")
				if side == "base" {
					s.write(filepath.Join("base", name), f.Data)
				}
				s.write(filepath.Join("head", name), f.Data)
			}
			args := []string{"plan", "--base", s.dir + "/base", s.dir + "/head", "--path", "cluster"}
			s.shows(ar.Comment, "drafted", args)
			s.shows(ar.Comment, "rehearsed", append(args, "--rehearse", "--grace", "3s"))
		})
	}
}

// A good change is rehearsed without a word against it, in a format for programs too.
func TestRehearseOfAGoodChange(t *testing.T) {
	kubetest.SkipUnlessQuick(t)
	s := newStage(t)
	for _, side := range []string{"base", "head"} {
		if err := os.CopyFS(filepath.Join(s.dir, side), os.DirFS("../../examples/platform")); err != nil {
			t.Fatal(err)
		}
	}
	image := filepath.Join(s.dir, "head/apps/dev/kustomization.yaml")
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	s.write("head/apps/dev/kustomization.yaml", bytes.Replace(data, []byte("2.8.0-rc.1"), []byte("2.8.0-rc.2"), 1))
	code, text := s.run([]string{"plan", "--rehearse", "--base", s.dir + "/base", s.dir + "/head", "--path", "clusters/dev", "-o", "json"})
	if code != 2 {
		t.Fatalf("exit %d, want 2\n%s", code, text)
	}
	var doc struct {
		Clusters []struct {
			Fidelity     string
			NeverReady   []any
			UnitsTotal   int
			ObjectCounts map[string]int
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c := doc.Clusters[0]
	if c.Fidelity != "rehearsed" || len(c.NeverReady) > 0 || c.UnitsTotal != 7 || c.ObjectCounts["change"] != 1 || c.ObjectCounts["create"]+c.ObjectCounts["delete"] > 0 {
		t.Errorf("got %+v", c)
	}
}

// Whoever loses patience leaves nothing behind.
func TestRehearseIsInterrupted(t *testing.T) {
	kubetest.SkipUnlessQuick(t)
	s := newStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.started = cancel
	if code, text := s.runWith(ctx, []string{"plan", "--rehearse", "--base", "../../examples/platform", "../../examples/platform", "--path", "clusters/dev"}); code != 1 || !strings.Contains(text, "interrupted") {
		t.Errorf("exit %d, want 1 and a word of it\n%s", code, text)
	}
}

// stage is where rehearsals of a test go on, with a temporary directory of its own.
type stage struct {
	*testing.T
	dir     string
	started func() // called when a control plane serves

	mu  sync.Mutex
	all []*child.Process
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t, dir: t.TempDir(), started: func() {}}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Cleanup(func() {
		for _, p := range s.all {
			select {
			case <-p.Done():
			default:
				t.Errorf("a control plane still runs")
			}
		}
		left, err := os.ReadDir(temp)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		for _, e := range left {
			t.Errorf("%s is left in the temporary directory", e.Name())
		}
	})
	return s
}

func (s *stage) write(name string, data []byte) {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		s.Fatal(err)
	}
}

// shows runs a plan that has changes, and holds what it prints to lines of a comment.
func (s *stage) shows(comment []byte, what string, args []string) {
	s.Helper()
	code, text := s.run(args)
	if code != 2 {
		s.Errorf("%s: exit %d, want 2", what, code)
	}
	for line := range strings.Lines(string(comment)) {
		line = strings.TrimSpace(line)
		if want, ok := strings.CutPrefix(line, what+": "); ok && !strings.Contains(text, want) {
			s.Errorf("%s: no %q in\n%s", what, want, text)
		}
		if bad, ok := strings.CutPrefix(line, what+"-not: "); ok && strings.Contains(text, bad) {
			s.Errorf("%s: %q in\n%s", what, bad, text)
		}
	}
}

func (s *stage) run(args []string) (code int, text string) {
	return s.runWith(s.Context(), args)
}

func (s *stage) runWith(ctx context.Context, args []string) (code int, text string) {
	s.Helper()
	var out, errs bytes.Buffer
	args = append(args, "--cache-dir", filepath.Join(s.dir, "cache"))
	code = cli.Main(ctx, args, cli.Env{In: &bytes.Buffer{}, Out: &out, Err: &errs, ControlPlane: s.start})
	return code, out.String() + errs.String()
}

// start starts a control plane as the whole program does, from the one of the tests.
func (s *stage) start(ctx context.Context, o cli.ControlPlaneOptions) (cli.ControlPlane, error) {
	exe, err := kubetest.Program()
	if err != nil {
		return nil, err
	}
	p, err := child.Start(ctx, exe, nil, child.Options{DataDir: o.DataDir, Port: o.Port, Nodes: o.Nodes, Remove: o.Remove})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p)
	s.started()
	return p, nil
}
