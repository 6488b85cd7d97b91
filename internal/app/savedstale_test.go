package app

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/plan"
)

// mirroring is a fleet that builds from a mirrored repository and from a mirrored
// file, which lie in dir; saved is where its base is kept.
type mirroring struct {
	dir, saved string
	base, head Revision
}

func newMirroring(t *testing.T) mirroring {
	t.Helper()
	m := mirroring{dir: t.TempDir(), saved: filepath.Join(t.TempDir(), "plan")}
	m.put(t, "other/README.md", "A file at the top: the folder is the repository.\n")
	m.put(t, "other/app/cm.yaml", config("other", "1"))
	m.put(t, "extra.yaml", config("extra", "1"))
	files := map[string]string{
		"clusters/x/other.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: other, namespace: flux-system}\n" +
			"spec: {interval: 1m, url: https://git.example.com/other, ref: {branch: main}}\n---\n" +
			strings.Replace(leavesUnit("other", "./app"), "name: flux-system}", "name: other}", 1),
		"clusters/x/app.yaml":    leavesUnit("app", "./app"),
		"app/kustomization.yaml": "resources: [cm.yaml, https://files.example.com/extra.yaml]\n",
		"app/cm.yaml":            config("app", "1"),
	}
	m.base = leaves(t, files, "a")
	files["app/cm.yaml"] = config("app", "2")
	m.head = leaves(t, files, "b")
	return m
}

func config(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: default}\ndata: {a: '" + value + "'}\n"
}

func (m mirroring) put(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// process shares nothing with others but what is kept; an empty directory keeps nothing.
func (m mirroring) process(t *testing.T, saved string) *Previews {
	t.Helper()
	cfg := PreviewConfig{CacheDir: t.TempDir(), Saved: saved, Options: engine.Options{Mask: plan.Mask{}}}
	for _, text := range []string{"https://git.example.com/other=" + m.dir + "/other", "https://files.example.com/extra.yaml=" + m.dir + "/extra.yaml"} {
		one, err := mirror.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Mirrors = append(cfg.Mirrors, one)
	}
	p, err := NewPreviews(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

var ofMirroring = entry.Options{Path: "clusters/x"}

// equal plans as a process of its own, and holds that to a plan for which nothing is kept.
func (m mirroring) equal(t *testing.T, saved string) {
	t.Helper()
	p := m.process(t, saved)
	got, want := document(t, p, ofMirroring, m.base, m.head), document(t, m.process(t, ""), ofMirroring, m.base, m.head)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the plan differs from one for which nothing is kept:\n%s", differ(got, want))
	}
	if !strings.Contains(want, `"ConfigMap"`) || strings.Contains(want, `"failed"`) {
		t.Fatalf("the fleet is not well: %s", want)
	}
}

func (m mirroring) kept(t *testing.T) bool {
	t.Helper()
	return kept(t, m.process(t, m.saved), ofMirroring, m.base)
}

// What a base was rendered from is read anew: where it moved, the base is rendered.
func TestSavedIsLeftWhereASourceMoved(t *testing.T) {
	for file, name := range map[string]string{"other/app/cm.yaml": "other", "extra.yaml": "extra"} {
		t.Run(name, func(t *testing.T) {
			m := newMirroring(t)
			m.equal(t, m.saved)
			if !m.kept(t) {
				t.Fatal("the base was not kept")
			}
			m.put(t, file, config(name, "2"))
			if m.kept(t) {
				t.Fatal("the base is taken from where it is kept though its source moved")
			}
			m.equal(t, m.saved)
			if !m.kept(t) {
				t.Error("the base was not kept anew")
			}
		})
	}
}

// What cannot be read is rendered, and kept anew.
func TestSavedIsLeftWhereItIsDamaged(t *testing.T) {
	m := newMirroring(t)
	m.equal(t, m.saved)
	for name, damage := range map[string]func([]byte) []byte{
		"cut": func(b []byte) []byte { return b[:len(b)/2] }, "empty": func([]byte) []byte { return nil },
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	} {
		found, err := filepath.Glob(filepath.Join(m.saved, "*.saved"))
		if err != nil || len(found) != 1 {
			t.Fatalf("got %v, %v, want one file", found, err)
		}
		data, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(found[0], damage(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if m.kept(t) {
			t.Errorf("%s: the base is taken from a damaged file", name)
		}
		m.equal(t, m.saved)
		if !m.kept(t) {
			t.Errorf("%s: the base was not kept anew", name)
		}
	}
}

// A directory that cannot be written costs nothing but time.
func TestPlanWithoutAPlaceToKeep(t *testing.T) {
	m := newMirroring(t)
	m.put(t, "file", "")
	m.equal(t, filepath.Join(m.dir, "file", "plan"))
}

// Plans at once, of processes of their own, keep and take the same.
func TestSavedByManyAtOnce(t *testing.T) {
	m := newMirroring(t)
	want := document(t, m.process(t, ""), ofMirroring, m.base, m.head)
	all := make([]*Previews, 4)
	for i := range all {
		all[i] = m.process(t, m.saved)
	}
	var wait sync.WaitGroup
	for _, p := range all {
		wait.Go(func() {
			for range 2 {
				if got := document(t, p, ofMirroring, m.base, m.head); got != want {
					t.Errorf("a plan differs:\n%s", differ(got, want))
				}
			}
		})
	}
	wait.Wait()
}

// Nothing that is kept shows what it holds.
func TestSavedShowsNothing(t *testing.T) {
	m := newMirroring(t)
	m.put(t, "other/app/cm.yaml", config("other", "canary-of-a-secret"))
	m.equal(t, m.saved)
	entries, err := os.ReadDir(m.saved)
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %v, %v, want a key and a file", entries, err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(m.saved, e.Name()))
		if err != nil || strings.Contains(string(data), "canary") || strings.Contains(string(data), "ConfigMap") {
			t.Errorf("%s shows what it holds: %v", e.Name(), err)
		}
	}
}
