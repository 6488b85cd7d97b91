package fluxcli

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// member is an entry of an archive.
type member struct {
	name, text string
	link       byte // tar.TypeSymlink, tar.TypeLink, or 0
}

func tarball(t *testing.T, members ...member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o755, Size: int64(len(m.text)), Typeflag: tar.TypeReg}
		if m.link != 0 {
			h.Typeflag, h.Linkname, h.Size = m.link, m.text, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if m.link == 0 {
			io.WriteString(w, m.text)
		}
	}
	w.Close()
	return b.Bytes()
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zipped(t *testing.T, members ...member) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name}
		if h.SetMode(0o755); m.link != 0 {
			h.SetMode(os.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, m.text)
	}
	w.Close()
	return b.Bytes()
}

// installX serves an archive under a name, installs it and returns what was
// installed, what was said and the directory's entries.
func installX(t *testing.T, file, extract string, archive []byte) (program, said string, left []string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("FLUXCD_PLUGINS", dir)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/x.yaml" {
			w.Write(archive)
			return
		}
		fmt.Fprintf(w, "apiVersion: cli.fluxcd.io/v1beta1\nkind: Plugin\nname: x\nbin: flux-x\nversions:\n- version: 1.0.0\n  platforms:\n  - {os: %s, arch: %s, url: 'http://%s/%s', checksum: 'sha256:%x', extractPath: '%s'}\n",
			thisMachine.OS, thisMachine.Arch, r.Host, file, sha256.Sum256(archive), extract)
	}))
	defer s.Close()
	t.Setenv("FLUXCD_PLUGIN_CATALOG", s.URL) // without the slash at its end
	var out bytes.Buffer
	Main(context.Background(), []string{"plugin", "install", "x"}, Env{Out: &out, Err: &out})
	text, _ := os.ReadFile(filepath.Join(dir, "flux-x"))
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	return string(text), out.String(), left
}

func TestPluginArchives(t *testing.T) {
	readme, program := member{name: "README.md", text: "read"}, member{name: "x_1.0/flux-x", text: "#!"}
	climber := member{name: "../../flux-x", text: "#!evil"}
	for name, c := range map[string]struct {
		file, extract string
		archive       []byte
		want          string // "" is success
	}{
		"tar.gz":         {"x.tar.gz", "", gzipped(tarball(t, readme, program)), ""},
		"by magic":       {"x", "", gzipped(tarball(t, readme, program)), ""},
		"tar by magic":   {"x", "", tarball(t, readme, program), ""},
		"zip":            {"x.zip", "", zipped(t, readme, program), ""},
		"zip by magic":   {"x", "", zipped(t, readme, program), ""},
		"path":           {"x.tgz", "x_1.0/flux-x", gzipped(tarball(t, member{name: "flux-x", text: "other"}, program)), ""},
		"link beside":    {"x.tgz", "", gzipped(tarball(t, member{"latest", "/etc/passwd", tar.TypeSymlink}, program)), ""},
		"wrong path":     {"x.tgz", "bin/flux-x", gzipped(tarball(t, program)), `binary "bin/flux-x" not found in archive`},
		"none":           {"x.zip", "", zipped(t, readme), `binary "flux-x" not found in archive`},
		"climbs":         {"x.tgz", "", gzipped(tarball(t, climber)), "leads out of the archive"},
		"zip climbs":     {"x.zip", "", zipped(t, climber), "leads out of the archive"},
		"absolute":       {"x.tar", "", tarball(t, member{name: "/flux-x", text: "#!"}), "absolute name"},
		"is a link":      {"x.tgz", "", gzipped(tarball(t, member{"flux-x", "/etc/passwd", tar.TypeSymlink})), "not found in archive"},
		"zip has a link": {"x.zip", "", zipped(t, member{"flux-x", "/etc/passwd", tar.TypeSymlink}), "not found in archive"},
		"hard link":      {"x.tgz", "", gzipped(tarball(t, member{"flux-x", "/etc/passwd", tar.TypeLink})), "hard link"},
		"twice":          {"x.tgz", "", gzipped(tarball(t, program, program)), "x_1.0/flux-x"},
		"cut off":        {"x.tgz", "", gzipped(tarball(t, readme, program))[:60], "unexpected EOF"},
		"no zip":         {"x.zip", "", []byte("#!"), "failed to open zip"},
	} {
		t.Run(name, func(t *testing.T) {
			program, said, left := installX(t, c.file, c.extract, c.archive)
			if c.want == "" && (program != "#!" || said != "✔ installed x v1.0.0\n" || len(left) != 2) {
				t.Errorf("got %q %s %v", program, said, left)
			}
			if c.want != "" && (!strings.Contains(said, c.want) || len(left) != 0) {
				t.Errorf("got %q %v, want %s and nothing written", said, left, c.want)
			}
		})
	}
}

// A server that fails for a moment is asked again, one that says no is not.
func TestPluginFetchTriesAgain(t *testing.T) {
	for status, want := range map[int]int{503: 4, 404: 1, 403: 1} {
		asked, pauses := 0, 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(status)
		}))
		t.Setenv("FLUXCD_PLUGIN_CATALOG", s.URL)
		var out bytes.Buffer
		code := Main(context.Background(), []string{"plugin", "search"}, Env{Out: &out, Err: &out, Pause: func(context.Context, time.Duration) error { pauses++; return nil }})
		s.Close()
		if code != 1 || asked != want || pauses != want-1 || !strings.Contains(out.String(), fmt.Sprintf("✗ failed to fetch plugin catalog: HTTP %d", status)) {
			t.Errorf("%d: exit %d, asked %d times, %d pauses: %s", status, code, asked, pauses, &out)
		}
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestPluginIsBounded(t *testing.T) {
	if err := verified(io.Discard, endless{}, ""); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

// The program flux becomes the plugin: its process is the plugin's.
func TestPluginTakesThePlace(t *testing.T) {
	if os.Getenv("FLUXCLI_AS_FLUX") != "" {
		os.Exit(Main(context.Background(), []string{"hello", "--help", "you"}, Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	dir := t.TempDir()
	script := "#!/bin/sh\necho $$ \"$@\"\nexit 7\n"
	if err := os.WriteFile(filepath.Join(dir, "flux-hello"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPluginTakesThePlace$")
	cmd.Env = append(os.Environ(), "FLUXCLI_AS_FLUX=1", "FLUXCD_PLUGINS="+dir)
	out, err := cmd.Output()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 7 || string(out) != fmt.Sprintf("%d --help you\n", ended.Pid()) {
		t.Errorf("got %q %v", out, err)
	}
}

// A plugin cannot be named as a verb is; the TAB key asks the plugin.
func TestPluginNamesAndCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FLUXCD_PLUGINS", dir)
	for _, name := range []string{"get", "help", "plugin", "__complete", "ours"} {
		script := "#!/bin/sh\necho 'one\ta thing'\necho $2-$3\necho :4\n"
		if err := os.WriteFile(filepath.Join(dir, "flux-"+name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	Main(context.Background(), []string{"plugin", "list"}, Env{Out: &out, Err: &out})
	if strings.Count(out.String(), "\n") != 2 || !strings.Contains(out.String(), "ours") {
		t.Errorf("got %s", &out)
	}
	out.Reset()
	Main(context.Background(), []string{"__complete", "ours", "a", "b"}, Env{Out: &out, Err: io.Discard})
	if want := "one\ta thing\na-b\n:4\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}
