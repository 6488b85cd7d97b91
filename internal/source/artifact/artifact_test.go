package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/tree"
)

var key = Key{"GitRepository", "flux-system", "app"}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Host == "" {
		o.Host = "store.example"
	}
	s, err := NewStore(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sample(t testing.TB) tree.Tree {
	t.Helper()
	tr, err := tree.FromFiles(map[string]string{
		"apps/web.yaml": "kind: A\n", "apps-x/y.yaml": "", "apps.yaml": "b", "z/z/z/z.txt": strings.Repeat("z", 5000),
		strings.Repeat("long/", 30) + "name.yaml": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	sh := tree.BlobOf([]byte("#!/bin/sh\n"))
	sh.Mode = tree.Executable
	tr, err = tr.With("apps/run.sh", sh)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// The archive has the bytes that Flux writes for the same files: a walk over
// the directory, headers from the files with owner, times and modes replaced.
func TestArchiveHasTheBytesOfFlux(t *testing.T) {
	tr, dir := sample(t), t.TempDir()
	err := tr.Walk(func(p string, b *tree.Blob) error {
		text, _ := b.Read()
		at := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		return os.WriteFile(at, text, map[tree.Mode]os.FileMode{tree.Regular: 0o644, tree.Executable: 0o755}[b.Mode])
	})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := Archive(&got, tr); err != nil {
		t.Fatal(err)
	}
	if want := fluxArchive(t, dir); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %d bytes, want %d\n%s", got.Len(), len(want), cmp.Diff(headers(t, got.Bytes()), headers(t, want)))
	}
}

func fluxArchive(t *testing.T, dir string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	err := filepath.Walk(dir, func(p string, fi os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(fi, p)
		if err != nil {
			return err
		}
		h.Name, _ = filepath.Rel(dir, p)
		h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
		h.ModTime, h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}, time.Time{}
		switch {
		case fi.IsDir():
			h.Mode = 0o750
		case fi.Mode()&0o111 != 0:
			h.Mode = 0o700
		default:
			h.Mode = 0o600
		}
		if err := tw.WriteHeader(h); err != nil || fi.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		_, err = tw.Write(b)
		return err
	})
	if err := errors.Join(err, tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func headers(t *testing.T, b []byte) (out []string) {
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %c %o %d %d/%d %s", h.Name, h.Typeflag, h.Mode, h.Size, h.Uid, h.Gid, h.ModTime))
	}
}

func TestPutAndServe(t *testing.T) {
	s, tr := open(t, Options{}), sample(t)
	art, err := s.Put(key, "main@sha1:1", "1.tar.gz", tr)
	if err != nil {
		t.Fatal(err)
	}
	if art.Path != "gitrepository/flux-system/app/1.tar.gz" || art.URL != "http://store.example/"+art.Path || art.Revision != "main@sha1:1" {
		t.Errorf("got %+v", art)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()

	// Another process opens what this one serves.
	art.URL = srv.URL + "/" + art.Path
	got, err := open(t, Options{}).Open(context.Background(), art)
	if err != nil || got.Hash() != tr.Hash() {
		t.Fatalf("changed %v, error %v", tree.Changed(got, tr), err)
	}

	type answer struct {
		code int
		body string // part of it
	}
	for ask, want := range map[string]answer{
		"GET /gitrepository/flux-system/app/1.tar.gz":  {200, "\x1f\x8b"},
		"HEAD /gitrepository/flux-system/app/1.tar.gz": {200, ""},
		"GET /gitrepository/flux-system/app/":          {200, `<a href="1.tar.gz">`},
		"GET /":                                        {200, `<a href="gitrepository/">`},
		"GET /gitrepository/flux-system/app/2":         {404, ""},
		"GET /.tmp/":                                   {404, ""},
		"GET /../../../etc/passwd":                     {404, ""},
		"GET /%2e%2e/%2e%2e/etc/passwd":                {404, ""},
		"GET /gitrepository/..%2f..%2fetc/passw":       {404, ""},
		"POST /gitrepository/x":                        {405, "only be read"},
		"DELETE /gitrepository/flux-system/app/":       {405, "only be read"},
	} {
		method, p, _ := strings.Cut(ask, " ")
		req, err := http.NewRequest(method, srv.URL+p, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want.code || !strings.Contains(string(body), want.body) || strings.Contains(string(body), "root:") || strings.Contains(string(body), ".tmp") {
			t.Errorf("%s: got %d %.80q, want %d with %q", ask, res.StatusCode, body, want.code, want.body)
		}
		if strings.HasSuffix(p, "1.tar.gz") && (res.Header.Get("ETag") != `"`+art.Digest+`"` || res.Header.Get("Last-Modified") == "" || res.ContentLength != art.Size) {
			t.Errorf("%s: headers %v", ask, res.Header)
		}
	}
}

// A link that someone put into the directory does not lead out of it.
func TestServeStaysInside(t *testing.T) {
	s := open(t, Options{})
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.root.Symlink(outside, "link"); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/link", nil))
	if w.Code == 200 || strings.Contains(w.Body.String(), "canary") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if err := s.Verify(Artifact{Path: "link", Digest: "sha256:" + strings.Repeat("0", 64)}); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("Verify followed the link: %v", err)
	}
}

func TestKeysStayInside(t *testing.T) {
	s, tr := open(t, Options{}), sample(t)
	for _, k := range []Key{{"GitRepository", "..", "x"}, {"GitRepository", "a/b", "x"}, {"GitRepository", "a", ""}, {"../x", "a", "b"}, {".tmp", "a", "b"}} {
		if _, err := s.Put(k, "r", "f", tr); err == nil {
			t.Errorf("Put took %v", k)
		}
		if err := s.RemoveAll(k); err == nil {
			t.Errorf("RemoveAll took %v", k)
		}
	}
	for _, f := range []string{"", "..", "../f", "a/b", ".f", "a\x00"} {
		if _, err := s.Put(key, "r", f, tr); err == nil {
			t.Errorf("Put took the file %q", f)
		}
	}
}

func TestVerify(t *testing.T) {
	s, tr := open(t, Options{}), sample(t)
	art, err := s.Put(key, "r", "f.tar.gz", tr)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(art); err != nil {
		t.Error(err)
	}
	f, _ := s.root.OpenFile(art.Path, os.O_WRONLY|os.O_APPEND, 0)
	f.WriteString("x")
	f.Close()
	if err := s.Verify(art); !errors.Is(err, ErrCorrupt) {
		t.Errorf("changed: got %v", err)
	}
	if err := s.Remove(art); err != nil {
		t.Error(err)
	}
	if err := s.Verify(art); !errors.Is(err, ErrMissing) {
		t.Errorf("removed: got %v", err)
	}
	if err := s.Verify(Artifact{Path: art.Path, Digest: "md5:00"}); err == nil || !strings.Contains(err.Error(), "md5") {
		t.Errorf("unknown digest: got %v", err)
	}
}

// The same tree under many names is compressed once, and each copy stands alone.
func TestPutCopies(t *testing.T) {
	s, tr := open(t, Options{}), sample(t)
	a, err := s.Put(key, "r", "f.tar.gz", tr)
	if err != nil {
		t.Fatal(err)
	}
	other := Key{"GitRepository", "team", "app"}
	b, err := s.Put(other, "r2", "f.tar.gz", tr)
	if err != nil || b.Digest != a.Digest || b.Size != a.Size || b.Path == a.Path {
		t.Fatalf("got %+v, %v", b, err)
	}
	if err := s.RemoveAll(key); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(b); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(context.Background(), b); err != nil {
		t.Error(err)
	}
	if err := s.RemoveAll(other); err != nil {
		t.Fatal(err)
	}
	if n := len(s.trees.byDigest) + len(s.trees.byPath) + len(s.trees.byTree); n != 0 {
		t.Errorf("%d things are remembered of what is gone", n)
	}
}

func TestExpired(t *testing.T) {
	now := time.Unix(1000, 0)
	age := func(name string, seconds int) File { return File{name, now.Add(-time.Duration(seconds) * time.Second)} }
	for name, c := range map[string]struct {
		files   []File
		current string
		want    []string
	}{
		"nothing":             {nil, "c", nil},
		"young and few":       {[]File{age("a", 10), age("c", 0)}, "c", nil},
		"too many":            {[]File{age("a", 30), age("b", 20), age("c", 0)}, "c", []string{"a"}},
		"too old":             {[]File{age("a", 61), age("c", 0)}, "c", []string{"a"}},
		"current never":       {[]File{age("c", 9999), age("a", 9), age("b", 8), age("d", 7)}, "c", []string{"a", "b"}},
		"at the limit":        {[]File{age("a", 60), age("c", 0)}, "c", nil},
		"a day ahead":         {[]File{age("c", 24*3600), age("b", 24*3600)}, "c", []string{"b"}},
		"a day back":          {[]File{age("a", -24*3600), age("b", -24*3600-1), age("c", 0)}, "c", []string{"a"}},
		"no current (failed)": {[]File{age("a", 61), age("b", 1)}, "gone", []string{"a"}},
	} {
		if diff := cmp.Diff(Expired(c.files, c.current, now, DefaultRetention), c.want); diff != "" {
			t.Errorf("%s: got - want +\n%s", name, diff)
		}
	}
}

func TestCollect(t *testing.T) {
	now := time.Now()
	s := open(t, Options{Now: func() time.Time { return now }})
	var arts []Artifact
	for i := range 4 {
		tr, _ := tree.FromFiles(map[string]string{"f": fmt.Sprint(i)})
		art, err := s.Put(key, fmt.Sprint(i), fmt.Sprintf("%d.tar.gz", i), tr)
		if err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i-4) * time.Second)
		if err := s.root.Chtimes(art.Path, at, at); err != nil {
			t.Fatal(err)
		}
		arts = append(arts, art)
	}
	if _, err := s.Link(key, "latest.tar.gz", arts[3]); err != nil {
		t.Fatal(err)
	}
	gone, err := s.Collect(key, arts[3])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gone, []string{arts[0].Path, arts[1].Path}); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
	if err := errors.Join(s.Verify(arts[2]), s.Verify(arts[3])); err != nil {
		t.Error(err)
	}
	if gone, err := s.Collect(Key{"Bucket", "x", "y"}, Artifact{}); err != nil || len(gone) > 0 {
		t.Errorf("of nothing: %v, %v", gone, err)
	}
}

// A store that was killed while writing starts without the half file.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s, err := NewStore(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	art, err := s.Put(key, "r", "f.tar.gz", sample(t))
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, tempDir, "half"), []byte("x"), 0o600)
	s.Close()
	if s, err = NewStore(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if left, _ := os.ReadDir(filepath.Join(dir, tempDir)); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	art.URL = "http://127.0.0.1:1/never-asked"
	if got, err := s.Open(context.Background(), art); err != nil || got.Hash() != sample(t).Hash() {
		t.Errorf("got %v", err)
	}
}

func BenchmarkArchive(b *testing.B) {
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprintf("apps/app-%d/deployment.yaml", i)] = strings.Repeat(fmt.Sprintf("kind: Deployment\nmetadata:\n  name: app-%d\n  labels: {a: b%d}\n", i, i*7919), 20)
	}
	t, err := tree.FromFiles(files)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(t.Size())
	for b.Loop() {
		if _, err := Archive(io.Discard, t); err != nil {
			b.Fatal(err)
		}
	}
}
