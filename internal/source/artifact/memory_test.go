package artifact

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// filled is a file of one mebibyte, made when it is read.
type filled string

func (f filled) Read() ([]byte, error) { return bytes.Repeat([]byte(f), 1<<20/len(f)), nil }

// largeTree has as many mebibytes, in as many files, and takes no memory.
func largeTree(t testing.TB, mebibytes, seed int) tree.Tree {
	t.Helper()
	b := tree.Builder{Limits: tree.Limits{Bytes: 2 << 30}}
	for i := range mebibytes {
		text := filled(fmt.Sprintf("%08d%08d", seed, i))
		all, _ := text.Read()
		if err := b.Add(fmt.Sprintf("dir-%d/file-%d", i%7, i), tree.NewBlob(hash.Of(all), int64(len(all)), tree.Regular, text)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// layer is a file with the archive of a large tree, as a registry would send it.
func layer(t testing.TB, mebibytes, seed int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "layer")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Archive(f, largeTree(t, mebibytes, seed)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// take stores what a layer holds, as an OCIRepository does.
func take(t testing.TB, s *Store, k Key, name string) Artifact {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, _, err := untar.Read(t.Context(), f, untar.Options{Contents: s.Contents()})
	if err != nil {
		t.Fatal(err)
	}
	art, err := s.Put(k, "1", "1.tar.gz", tr)
	if err != nil {
		t.Fatal(err)
	}
	return art
}

// held is what is on the heap and can be reached.
func held() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A source that is large takes little memory for as long as it is there, whether it was just
// stored or opened after a restart, and what it holds can be read.
func TestLargeTreesAreOnDisk(t *testing.T) {
	const size = 24
	name, dir := layer(t, size, 1), t.TempDir()
	want := largeTree(t, size, 1)
	s, err := NewStore(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := held()
	art := take(t, s, key, name)
	look := func(when string) {
		t.Helper()
		got, err := s.Open(t.Context(), art)
		if err != nil || got.Hash() != want.Hash() {
			t.Fatalf("%s: %v", when, err)
		}
		if more := held() - before; more > 6<<20 {
			t.Errorf("%s: a tree of %d MiB takes %d bytes of memory", when, size, more)
		}
		a, _ := got.ReadFile("dir-2/file-23")
		if b, err := want.ReadFile("dir-2/file-23"); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: got %d bytes, %v", when, len(a), err)
		}
		if left, err := os.ReadDir(filepath.Join(dir, tempDir)); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", when, left, err)
		}
	}
	look("stored")
	s.Close()
	if s, err = NewStore(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	art.URL = "http://127.0.0.1:1/never-asked"
	look("after a restart")
	if len(s.trees.fetched) > 0 {
		t.Error("an artifact of our own counts as one of others")
	}
	tr, _ := s.Open(t.Context(), art)
	if err := s.RemoveAll(key); err != nil {
		t.Fatal(err)
	}
	if n := len(s.trees.byDigest) + len(s.trees.byPath) + len(s.trees.byTree); n != 0 {
		t.Errorf("%d things are remembered of what is gone", n)
	}
	if b, err := tr.ReadFile("dir-0/file-21"); err != nil || len(b) != 1<<20 {
		t.Errorf("a tree in use: %v", err)
	}
	runtime.KeepAlive(want)
}

// What others store is kept up to a bound, and the newest always: it would be fetched by
// every run.
func TestFetchedTreesAreBounded(t *testing.T) {
	x := newTrees()
	big := func(seed int) tree.Tree {
		b := tree.Builder{Limits: tree.Limits{Bytes: 4 << 30}}
		for i := range 20 {
			if err := b.Add(fmt.Sprint(i), tree.NewBlob(hash.OfString(fmt.Sprint(seed, i)), tree.MaxFileBytes, tree.Regular, nil)); err != nil {
				t.Fatal(err)
			}
		}
		tr, _ := b.Tree()
		return tr
	}
	for i, digest := range []string{"a", "b", "c"} {
		x.addFetched(digest, big(i))
	}
	_, old := x.get("b")
	if _, newest := x.get("c"); old || !newest || len(x.fetched) != 1 {
		t.Errorf("kept: old %v, newest %v, all %v", old, newest, x.fetched)
	}
}

func TestReadIsBounded(t *testing.T) {
	s := open(t, Options{})
	art, err := s.PutFile(key, "r", "f", []byte("a chart"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), art, 6); fault.ClassOf(err) != fault.TooLarge {
		t.Errorf("got %v", err)
	}
	var of *fault.Error
	if b, err := s.Read(t.Context(), art, 7); err != nil || string(b) != "a chart" || errors.As(err, &of) {
		t.Errorf("got %q, %v", b, err)
	}
}

// BenchmarkMemoryOfLargeSources tells what five sources of 100 MiB take: while they are
// stored, and afterwards.
func BenchmarkMemoryOfLargeSources(b *testing.B) {
	names := make([]string, 5)
	for i := range names {
		names[i] = layer(b, 100, i)
	}
	for b.Loop() {
		s := open(b, Options{})
		before := held()
		for i, name := range names {
			take(b, s, Key{"OCIRepository", "apps", fmt.Sprint("app-", i)}, name)
		}
		b.ReportMetric(float64(held()-before)/(1<<20), "MiB-held")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-peak")
	}
}

// What comes piece by piece is stored whole or not at all, and never more than can be read.
func TestPutFrom(t *testing.T) {
	s := open(t, Options{})
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	pieces := func(n int, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			for range n {
				if _, err := w.Write(piece); err != nil {
					return err
				}
			}
			return err
		}
	}
	art, err := s.PutFrom(key, "r", "f.tar.gz", pieces(3, nil))
	if err != nil || art.Size != 3<<20 || art.Digest != hash.Of(bytes.Repeat(piece, 3)).String() {
		t.Fatalf("got %+v, %v", art, err)
	}
	if err := s.Verify(art); err != nil {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := s.PutFrom(key, "r", "f.tar.gz", pieces(1, broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := (&summing{w: io.Discard, h: sha256.New(), n: untar.MaxPacked}).Write([]byte("x")); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
	if err := s.Verify(art); err != nil {
		t.Errorf("what was there before: %v", err)
	}
}

// An archive that came as it is stands for its tree, and never for the archive of another
// source: it may hold what ours do not.
func TestOpenedArchivesAreNotCopied(t *testing.T) {
	s := open(t, Options{})
	var raw bytes.Buffer
	sum, err := Archive(&raw, sample(t))
	if err != nil {
		t.Fatal(err)
	}
	raw.WriteString("something behind it")
	theirs, err := s.PutFile(key, "r", "f.tar.gz", raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(t.Context(), theirs); err != nil || got.Hash() != sample(t).Hash() {
		t.Fatal(err)
	}
	ours, err := s.Put(Key{"GitRepository", "apps", "other"}, "r", "f.tar.gz", sample(t))
	if err != nil || ours.Digest != sum.Digest || ours.Digest == theirs.Digest {
		t.Errorf("got %+v, %v", ours, err)
	}
}

// Files without names go with those who hold them.
func TestSpooledFilesGo(t *testing.T) {
	fds := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("open files are counted in /proc/self/fd, which this system does not have")
		}
		return len(list)
	}
	s := open(t, Options{})
	before := fds()
	for range 50 {
		c := s.Contents()
		for range 3 {
			if _, err := c.Keep(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 { // finalizers run beside
		if runtime.GC(); fds() <= before+2 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d files are open, %d before", fds(), before)
}
