package charts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/charts"
	"github.com/leat-dev/leat/internal/source/fault"
)

func packed(t *testing.T, name, version string) []byte {
	t.Helper()
	text := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: name + "/Chart.yaml", Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func folder(t *testing.T, files map[string][]byte) charts.Folder {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return charts.Folder{Dir: dir}
}

// A folder of charts alone has an index that is made of them.
func TestFolderWithoutIndex(t *testing.T) {
	web := packed(t, "web", "1.0.0")
	f := folder(t, map[string][]byte{"web-1.0.0.tgz": web, "web-1.1.0.tgz": packed(t, "web", "1.1.0"), "broken.tgz": []byte("x"), "README": nil})
	got, notes, err := f.Index()
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "left out broken.tgz") {
		t.Fatal(notes, err)
	}
	x, err := chart.ReadIndex(got.Data, chart.IndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := x.Find("web", "1.0.x")
	if err != nil || v.Digest != hash.Of(web).Hex() {
		t.Fatal(v, err)
	}
	if data, err := f.Chart(v); err != nil || !bytes.Equal(data, web) {
		t.Errorf("got %d bytes, %v", len(data), err)
	}
	if again, _, err := f.Index(); err != nil || again.Digest != got.Digest {
		t.Errorf("asked again: got %s, %v, want %s", again.Digest, err, got.Digest)
	}
}

func TestFolderWithIndex(t *testing.T) {
	f := folder(t, map[string][]byte{"index.yaml": []byte(index), "web-1.0.0.tgz": []byte("a chart")})
	if got, _, err := f.Index(); err != nil || string(got.Data) != index {
		t.Fatalf("got %q, %v", got.Data, err)
	}
	for address, want := range map[string]string{
		"web-1.0.0.tgz":   "",
		"./web-1.0.0.tgz": "",
		"https://github.com/a/releases/web-1.0.0.tgz?raw=1": "",
		"web-2.0.0.tgz":    "it has index.yaml, web-1.0.0.tgz",
		"../../etc/passwd": "leads out of the source",
	} {
		_, err := f.Chart(chart.Version{Name: "web", Version: "1.0.0", URLs: []string{address}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	_, err := f.Chart(chart.Version{URLs: []string{"web-1.0.0.tgz"}, Digest: hash.OfString("x").Hex()})
	if fault.ClassOf(err) != fault.Corrupt {
		t.Errorf("wrong digest: got %v", err)
	}
	f.MaxIndex = 5
	if _, _, err := f.Index(); err == nil || !strings.Contains(err.Error(), "more than 5 bytes") {
		t.Errorf("too large: got %v", err)
	}
}

// A link out of the folder is not followed.
func TestFolderWithLink(t *testing.T) {
	f := folder(t, nil)
	if err := os.Symlink("/etc/hostname", filepath.Join(f.Dir, "index.yaml")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := f.Index(); err == nil {
		t.Errorf("got %q", got.Data)
	}
}

func TestEmptyFolder(t *testing.T) {
	_, _, err := folder(t, map[string][]byte{"README": nil}).Index()
	if err == nil || !strings.Contains(err.Error(), "there is neither an index.yaml nor a chart <name>-<version>.tgz; there is README") {
		t.Errorf("got %v", err)
	}
	_, _, err = charts.Folder{Dir: "/nonexistent"}.Index()
	if err == nil {
		t.Error("no error")
	}
}
