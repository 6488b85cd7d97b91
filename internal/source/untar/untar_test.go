package untar

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

type entry struct {
	tar.Header
	body string
}

func file(name, body string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body))}, body}
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, e := range entries {
		if err := tw.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(b []byte) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	zw.Write(b)
	zw.Close()
	return buf.Bytes()
}

func TestRead(t *testing.T) {
	in := archive(t,
		entry{Header: tar.Header{Name: ".", Typeflag: tar.TypeDir, Mode: 0o750}},
		entry{Header: tar.Header{Name: "a/", Typeflag: tar.TypeDir, Mode: 0o750}},
		file("a/b.yaml", "x"),
		file("./c.yaml", "y"),
		entry{tar.Header{Name: "run.sh", Mode: 0o4755, Typeflag: tar.TypeReg, Size: 1}, "z"},
		file("README", "1"), file("readme", "2"), // twins by case stay two files: no file system folds them
		file("caf\u00e9", "3"), file("cafe\u0301", "4"), // and so do twins by normal form
	)
	want, err := tree.FromFiles(map[string]string{"a/b.yaml": "x", "c.yaml": "y", "README": "1", "readme": "2", "caf\u00e9": "3", "cafe\u0301": "4"})
	if err != nil {
		t.Fatal(err)
	}
	sh := tree.BlobOf([]byte("z"))
	sh.Mode = tree.Executable
	if want, err = want.With("run.sh", sh); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"plain": in, "gzip": zipped(in)} {
		got, notes, err := Read(context.Background(), bytes.NewReader(b), Options{})
		if err != nil || len(notes) > 0 || got.Hash() != want.Hash() {
			t.Errorf("%s: changed %v, notes %v, error %v", name, tree.Changed(got, want), notes, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	link := func(kind byte, name, to string) entry {
		return entry{Header: tar.Header{Name: name, Typeflag: kind, Linkname: to}}
	}
	cases := map[string]struct {
		in   []entry
		o    Options
		want string
	}{
		"parent":             {in: []entry{file("../x", "")}, want: "leads out"},
		"parent inside":      {in: []entry{file("a/../../x", "")}, want: "leads out"},
		"harmless parent":    {in: []entry{file("a/../x", "")}, want: "leads out"},
		"absolute":           {in: []entry{file("/etc/passwd", "")}, want: "absolute"},
		"backslash":          {in: []entry{file(`..\x`, "")}, want: "backslash"},
		"not utf-8":          {in: []entry{file("a\xff", "")}, want: "not UTF-8"},
		"64 KiB name":        {in: []entry{file(strings.Repeat("a", 64<<10), "")}, want: "more than 4096"},
		"deep":               {in: []entry{file(strings.Repeat("a/", 300)+"f", "")}, want: "deeper"},
		"symlink":            {in: []entry{link(tar.TypeSymlink, "l", "/proc/self/environ")}, want: "symbolic link"},
		"hard link":          {in: []entry{link(tar.TypeLink, "l", "../../x")}, o: Options{Links: SkipLinks}, want: "hard link"},
		"fifo":               {in: []entry{link(tar.TypeFifo, "f", "")}, want: "neither file nor directory"},
		"device":             {in: []entry{link(tar.TypeChar, "f", "")}, want: "neither file nor directory"},
		"twice":              {in: []entry{file("a", "1"), file("a", "2")}, want: "there already"},
		"file on directory":  {in: []entry{file("a/b", "1"), file("a", "2")}, want: "there already"},
		"through a file":     {in: []entry{file("a", "1"), file("a/b", "2")}, want: "is a file"},
		"through a link":     {in: []entry{link(tar.TypeSymlink, "l", "/tmp"), file("l/x", "")}, want: "symbolic link"},
		"file too large":     {in: []entry{file("a", "12345")}, o: Options{File: 4}, want: "limit of 4"},
		"too much":           {in: []entry{file("a", "123"), file("b", "123")}, o: Options{Bytes: 5}, want: "more than 5 bytes"},
		"too many":           {in: []entry{file("a", ""), file("b", "")}, o: Options{Entries: 1}, want: "more than 1 entries"},
		"too much packed":    {in: []entry{file("a", strings.Repeat("x", 9000))}, o: Options{Packed: 4096}, want: "limit of 4096"},
		"directories count":  {in: []entry{link(tar.TypeDir, "a/", ""), link(tar.TypeDir, "b/", "")}, o: Options{Entries: 1}, want: "entries"},
		"links count":        {in: []entry{link(tar.TypeSymlink, "a", "x"), link(tar.TypeSymlink, "b", "x")}, o: Options{Entries: 1, Links: SkipLinks}, want: "entries"},
		"name with no bytes": {in: []entry{file("", "")}, want: "no name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, b := range [][]byte{archive(t, c.in...), zipped(archive(t, c.in...))} {
				if name == "too much packed" && len(b) < 4096 {
					continue
				}
				got, _, err := Read(context.Background(), bytes.NewReader(b), c.o)
				if err == nil || !strings.Contains(err.Error(), c.want) || got.Files() != 0 {
					t.Errorf("got %d files and %v, want an error with %q", got.Files(), err, c.want)
				}
			}
		})
	}
}

func TestSkipsLinks(t *testing.T) {
	in := archive(t, entry{Header: tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, file("l/x", "1"))
	got, notes, err := Read(context.Background(), bytes.NewReader(in), Options{Links: SkipLinks})
	if err != nil || len(notes) != 1 || got.Lookup("l/x").Kind != tree.File {
		t.Errorf("got %v, %v", notes, err)
	}
}

// raw makes a header by hand, with what tar.Writer would refuse to write.
func raw(name, size string, kind byte) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], size)
	copy(h[136:], "00000000000\x00        ")
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func TestLyingHeaders(t *testing.T) {
	for name, b := range map[string][]byte{
		"negative size":   raw("a", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", '0'),
		"8 EiB":           raw("a", "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", '0'),
		"more than comes": raw("a", "00000001000\x00", '0'),
		"cut off":         archive(t, file("a", "12345"))[:514],
		"not a tar":       []byte(strings.Repeat("no archive at all ", 100)),
	} {
		if got, _, err := Read(context.Background(), bytes.NewReader(b), Options{}); err == nil {
			t.Errorf("%s: got %d files and no error", name, got.Files())
		}
	}
}

// zeros is an endless gzip of nothing.
func bomb(t testing.TB, size int64) []byte {
	var buf bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: size}); err != nil {
		t.Fatal(err)
	}
	io.CopyN(tw, zeros{}, size)
	tw.Close()
	zw.Close()
	return buf.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A bomb is left as soon as its first header shows what it is.
func TestBomb(t *testing.T) {
	b := bomb(t, tree.MaxFileBytes+1)
	r := bytes.NewReader(b)
	_, _, err := Read(context.Background(), r, Options{})
	if err == nil || !strings.Contains(err.Error(), "limit") {
		t.Fatalf("got %v", err)
	}
	if read := len(b) - r.Len(); read > 128<<10 {
		t.Errorf("read %d bytes of %d before refusing", read, len(b))
	}
	// The same behind an entry that is only padding, where no header warns.
	_, _, err = Read(context.Background(), bytes.NewReader(zipped(bytes.Repeat(raw("pax", "00000000000\x00", '5'), 3_000))), Options{Entries: 1_000})
	if err == nil || !strings.Contains(err.Error(), "entries") {
		t.Errorf("got %v", err)
	}
}

func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Read(ctx, bytes.NewReader(archive(t, file("a", ""))), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Whatever the bytes: no panic, limits kept, only clean paths.
func FuzzRead(f *testing.F) {
	f.Add(archive(f, file("a/b", "x"), entry{Header: tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}}))
	f.Add(zipped(archive(f, file("./c", strings.Repeat("y", 3000)))))
	f.Add(raw("a", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", '0'))
	f.Add(archive(f, file(strings.Repeat("long/", 60)+"f", "pax")))
	o := Options{Packed: 1 << 20, Bytes: 1 << 16, File: 1 << 15, Entries: 64, Links: SkipLinks}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, err := Read(context.Background(), bytes.NewReader(b), o)
		if err != nil {
			return
		}
		if got.Files() > o.Entries || got.Size() > o.Bytes {
			t.Fatalf("%d files, %d bytes", got.Files(), got.Size())
		}
		got.Walk(func(p string, _ *tree.Blob) error {
			if clean, err := tree.Clean(p); err != nil || clean != p || strings.Contains(p, "..") && strings.Contains("/"+p+"/", "/../") {
				t.Fatalf("path %q", p)
			}
			return nil
		})
	})
}
