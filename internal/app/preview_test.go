package app

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/source/worktree"
)

func TestPreviewOfExample(t *testing.T) {
	dir := os.Getenv("PV_DIR")
	if dir == "" {
		dir = "../../examples/platform"
	}
	path := os.Getenv("PV_PATH")
	if path == "" {
		path = "clusters/dev"
	}
	level := slog.LevelWarn
	if os.Getenv("PV_DEBUG") != "" {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	began := time.Now()
	r, err := worktree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Log("read", time.Since(began))
	v, err := p.Open(t.Context(), snap, entry.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	t.Log("settled", time.Since(began))
	got := v.Rendered(t.Context())
	t.Log("rendered", time.Since(began))
	for _, u := range got.Units {
		t.Log(u.Order, u.State, u.Key, u.Parent, len(u.Objects), len(u.Files), u.Message, u.On, u.Missing)
	}
	for _, ph := range got.Placeholders {
		t.Log("placeholder", ph.Object, ph.Keys, ph.By)
	}
}
