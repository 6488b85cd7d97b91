package app

import (
	"context"
	"path/filepath"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/unit"
)

// watchMirrors wakes what reads charts, or images, from a folder on this machine
// when a file in it is saved, until ctx ends.
func (u *Up) watchMirrors(ctx context.Context) {
	var all sync.WaitGroup
	seen := map[string]bool{}
	for _, m := range u.local.Mirrors {
		if seen[m.Target] || !holdsCharts(m.Target) {
			continue
		}
		seen[m.Target] = true
		all.Go(func() { u.watchMirror(ctx, m.Target) })
	}
	all.Wait()
}

func (u *Up) watchMirror(ctx context.Context, dir string) {
	reader, err := worktree.Open(dir)
	var w *worktree.Watcher
	if err == nil {
		w, err = worktree.Watch(ctx, reader, worktree.WatchOptions{})
	}
	if err != nil {
		u.cfg.Say("files saved in %s are seen at the interval only: %v", dir, err)
		return
	}
	defer w.Close()
	for range w.Changed() {
		for _, key := range readersOf(u.App.Controller.Units(), u.local.Mirrors, dir) {
			_ = u.App.Controller.Wake(key, "a file was saved in "+dir) // one that just went need not wake
		}
	}
}

// holdsCharts tells whether a folder holds packed charts, an index or images, in
// itself or one level below. Repositories, and folders of them, are not watched:
// they may be large.
func holdsCharts(dir string) bool {
	for _, pattern := range []string{"*.tgz", "index.yaml", "*/*.tgz", "*/index.yaml"} {
		if found, err := filepath.Glob(filepath.Join(escaped(dir), pattern)); err == nil && len(found) > 0 {
			return !isRepository(dir)
		}
	}
	return false
}

// escaped is a path as a pattern that matches only itself.
func escaped(dir string) string {
	var out []rune
	for _, r := range dir {
		switch r {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// readersOf are the sources that read a mirror's folder: those whose address it
// stands for, and the charts of such a repository.
func readersOf(units []*unstructured.Unstructured, mirrors []mirror.Mirror, dir string) []object.Key {
	repositories := map[object.Key]bool{}
	var out []object.Key
	for _, obj := range units {
		url, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
		m, _, ok := mirror.Find(mirrors, url)
		if url == "" || !ok || m.Target != dir {
			continue
		}
		switch obj.GetKind() {
		case unit.HelmRepositoryKind:
			repositories[object.KeyOf(obj)] = true
			out = append(out, object.KeyOf(obj))
		case unit.OCIRepositoryKind, unit.GitRepositoryKind:
			out = append(out, object.KeyOf(obj))
		}
	}
	for _, obj := range units {
		if obj.GetKind() != unit.HelmChartKind {
			continue
		}
		if c, err := unit.DecodeHelmChart(obj); err == nil && repositories[c.Source()] {
			out = append(out, c.Key())
		}
	}
	return out
}
