package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// compile builds a package of this module as a release does.
func compile(t *testing.T, pkg string, env ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs the compiler")
	}
	out := filepath.Join(t.TempDir(), "leat")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

func built(t *testing.T, o Options) v1.ImageIndex {
	t.Helper()
	idx, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

// read writes the image to a directory and reads the one image back.
func read(t *testing.T, idx v1.ImageIndex) v1.Image {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dist", "image")
	if err := WriteDir(dir, idx); err != nil {
		t.Fatal(err)
	}
	back, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := back.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := back.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatal(err)
	}
	return img
}

// unpack makes the filesystem of a container, owners included where it may.
func unpack(t *testing.T, img v1.Image) (root string, names []string) {
	t.Helper()
	root = t.TempDir()
	stream := mutate.Extract(img)
	defer stream.Close()
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		place(t, filepath.Join(root, filepath.Clean("/"+h.Name)), h, r)
	}
	slices.Sort(names)
	return root, names
}

func place(t *testing.T, path string, h *tar.Header, content io.Reader) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil && h.Typeflag == tar.TypeDir {
		err = os.MkdirAll(path, 0o755)
	} else if err == nil {
		var data []byte
		if data, err = io.ReadAll(content); err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
	}
	if err == nil {
		err = os.Chmod(path, h.FileInfo().Mode())
	}
	if err == nil && os.Getuid() == 0 {
		err = os.Lchown(path, h.Uid, h.Gid)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run starts the image's program as a kubelet would: its user, its environment,
// its filesystem and no other. Without root's rights, in the filesystem that is.
func run(t *testing.T, img v1.Image, args ...string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the image is for linux")
	}
	root, _ := unpack(t, img)
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: cfg.Config.Entrypoint[0], Args: append(cfg.Config.Entrypoint, args...), Env: cfg.Config.Env, Dir: cfg.Config.WorkingDir}
	if os.Getuid() != 0 {
		cmd.Path, cmd.Dir = filepath.Join(root, cmd.Path), root
	} else {
		open(t, root)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: Nonroot, Gid: Nonroot}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run %v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// open lets others than the test's user enter its directories.
func open(t *testing.T, root string) {
	t.Helper()
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImage(t *testing.T) {
	binary := compile(t, "./testdata/probe")
	img := read(t, built(t, Options{Binaries: []string{binary}, Version: "v1.2.3", Revision: "abc"}))
	_, names := unpack(t, img)
	if got, want := strings.Join(names, " "), "data etc etc/group etc/passwd leat tmp"; strings.ReplaceAll(got, "/ ", " ") != want && got != want {
		t.Errorf("files: got %s, want %s", got, want)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Config.User != "65534:65534" || cfg.OS != "linux" || cfg.Architecture != runtime.GOARCH {
		t.Errorf("got user %s, %s/%s", cfg.Config.User, cfg.OS, cfg.Architecture)
	}
	for _, labels := range []map[string]string{cfg.Config.Labels, manifest.Annotations} {
		if labels["org.opencontainers.image.version"] != "v1.2.3" || labels["org.opencontainers.image.revision"] != "abc" {
			t.Errorf("labels: got %v", labels)
		}
	}
	got := run(t, img)
	if want := "user nonroot 65534, home /tmp, shell false, tmp <nil>\n"; os.Getuid() == 0 && got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEqualOptionsGiveEqualBytes(t *testing.T) {
	binary := compile(t, "./testdata/probe")
	copied := filepath.Join(t.TempDir(), "elsewhere")
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var tars [][]byte
	for _, path := range []string{binary, copied} {
		out := filepath.Join(t.TempDir(), "image.tar")
		if err := WriteTar(out, built(t, Options{Binaries: []string{path}, Version: "v1"})); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		tars = append(tars, b)
	}
	if !bytes.Equal(tars[0], tars[1]) {
		t.Error("two archives of the same image differ")
	}
}

func TestSeveralArchitectures(t *testing.T) {
	idx := built(t, Options{Version: "v1", Binaries: []string{
		compile(t, "./testdata/probe", "GOARCH=amd64"), compile(t, "./testdata/probe", "GOARCH=arm64"),
	}})
	images, err := Images(idx)
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 2 || images[0].Arch != "amd64" || images[1].Arch != "arm64" {
		t.Errorf("got %+v", images)
	}
	dir := t.TempDir()
	if err := WriteDir(dir, idx); err != nil {
		t.Fatal(err)
	}
	back, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(back); err != nil {
		t.Error(err)
	}
}

func TestWriteDirReplacesImagesOnly(t *testing.T) {
	idx := built(t, Options{Binaries: []string{compile(t, "./testdata/probe")}})
	dir := t.TempDir()
	for range 2 {
		if err := WriteDir(dir, idx); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(other, idx); err == nil || !strings.HasSuffix(err.Error(), "is not an image; name another directory") {
		t.Errorf("got %v", err)
	}
}

func TestWrongBinaries(t *testing.T) {
	linux := debug.BuildSetting{Key: "GOOS", Value: "linux"}
	cases := []struct {
		info debug.BuildInfo
		want string
	}{
		{debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "GOOS", Value: "darwin"}}}, `it is for "darwin"; build it with GOOS=linux`},
		{debug.BuildInfo{Settings: []debug.BuildSetting{linux}, Deps: []*debug.Module{{Path: "k8s.io/kubernetes"}}},
			"it has k8s.io/kubernetes in it; build cmd/leat of the root module"},
	}
	for _, c := range cases {
		if _, err := check(&c.info); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := Build(Options{Binaries: []string{"image_test.go"}}); err == nil {
		t.Error("a text became an image")
	}
	if _, err := Build(Options{}); err == nil {
		t.Error("nothing became an image")
	}
}

// The program that a cluster runs.
func TestLeat(t *testing.T) {
	binary := compile(t, "../../cmd/leat")
	idx := built(t, Options{Binaries: []string{binary}, Version: "v1.2.3"})
	images, err := Images(idx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB compressed", float64(images[0].Size)/(1<<20))
	if got := run(t, read(t, idx), "version"); !strings.HasPrefix(got, "leat ") {
		t.Errorf("leat version: got %s", got)
	}
}
