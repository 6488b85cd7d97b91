package oci_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

func read(ctx context.Context, dir string) (tree.Tree, error) {
	r, err := worktree.Open(dir)
	if err != nil {
		return tree.Tree{}, err
	}
	snap, err := r.Read(ctx)
	return snap.Tree, err
}

func folder(t *testing.T, files ...string) *oci.Folder {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &oci.Folder{Dir: dir, Name: "podinfo", Read: read}
}

// A folder of charts is a repository of charts.
func TestFolderOfCharts(t *testing.T) {
	f := folder(t, "podinfo-6.1.0.tgz", "podinfo-6.2.0+b1.tgz", "podinfo-extra-1.0.0.tgz", "other-9.0.0.tgz")
	for ask, want := range map[string]string{"6.1.0": "6.1.0", "": "6.2.0+b1", "~6.1": "6.1.0"} {
		got, err := oci.PullChart(t.Context(), f, oci.ChartWanted{Version: ask, Max: 100})
		if err != nil || got.Version != want || string(got.Content) != "of podinfo-"+want+".tgz" {
			t.Errorf("%q: got %+v, %v", ask, got, err)
		}
	}
	_, err := oci.PullChart(t.Context(), f, oci.ChartWanted{Version: "7.0.0", Max: 100})
	if fault.ClassOf(err) != fault.NotFound || !strings.Contains(err.Error(), `no tag "7.0.0"; it has 6.2.0_b1, 6.1.0`) {
		t.Errorf("got %v", err)
	}
	if _, err := oci.PullChart(t.Context(), folder(t, "other-9.0.0.tgz"), oci.ChartWanted{Max: 100}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

// A folder with folders only has a tag for each; one with files is the artifact.
func TestFolderOfTags(t *testing.T) {
	tagged, plain := folder(t, "1.0.0/deploy/a.yaml", "1.1.0/deploy/a.yaml", "main/b.yaml"), folder(t, "deploy/a.yaml", "README")
	for name, c := range map[string]struct {
		f    *oci.Folder
		want oci.Ref
		rev  string // before the digest
		file string
		err  string
	}{
		"tag":           {tagged, oci.Ref{Tag: "main"}, "main@", "b.yaml", ""},
		"range":         {tagged, oci.Ref{SemVer: "1.x"}, "1.1.0@", "deploy/a.yaml", ""},
		"no such tag":   {tagged, oci.Ref{}, "", "", `no tag "latest"; it has main, 1.1.0, 1.0.0`},
		"no such range": {tagged, oci.Ref{SemVer: "2.x"}, "", "", "no match found"},
		"digest":        {tagged, oci.Ref{Digest: "sha256:1"}, "", "", "knows no digests"},
		"plain":         {plain, oci.Ref{Tag: "v1"}, "v1@", "deploy/a.yaml", ""},
		"plain, digest": {plain, oci.Ref{Digest: "sha256:1"}, "sha256:", "deploy/a.yaml", ""},
		"plain, typed":  {plain, oci.Ref{MediaType: "application/x"}, "latest@", "deploy/a.yaml", ""},
		"no chart":      {plain, oci.Ref{MediaType: oci.ChartLayer}, "", "", "no chart podinfo-<version>.tgz"},
		"empty":         {folder(t), oci.Ref{}, "", "", "is empty"},
		"gone":          {&oci.Folder{Dir: "/none"}, oci.Ref{}, "", "", "no such file"},
	} {
		rev, err := c.f.Resolve(t.Context(), c.want, time.Time{})
		if c.err != "" {
			if fault.ClassOf(err) != fault.NotFound || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(rev.String(), c.rev) {
			t.Errorf("%s: got %s, %v", name, rev, err)
			continue
		}
		man, err := c.f.Manifest(t.Context(), rev.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layer, err := man.Layer(c.want.MediaType)
		if err != nil {
			t.Fatal(err)
		}
		tr, _, err := c.f.Tree(t.Context(), layer)
		if _, err2 := tr.ReadFile(c.file); err != nil || err2 != nil {
			t.Errorf("%s: %v, %v", name, err, err2)
		}
		if b, err := c.f.Blob(t.Context(), layer); err != nil || int64(len(b)) != layer.Size {
			t.Errorf("%s: %d bytes of %d, %v", name, len(b), layer.Size, err)
		}
	}
}
