package installtest

import (
	"archive/tar"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/leat-dev/leat/internal/image"
	"github.com/leat-dev/leat/internal/install"
)

// account is where a kubelet mounts the token of a pod's ServiceAccount.
const account = "var/run/secrets/kubernetes.io/serviceaccount"

// The image that make image writes, run as a pod runs it: its filesystem and no
// other, its user, the arguments of the Deployment, the ServiceAccount's files.
// Of the filesystem the user may only write to what the Deployment mounts.
func TestImageWorksAsInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the compiler")
	}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("a filesystem of one's own needs root on linux")
	}
	s := newStand(t, install.Options{ActAsControllers: true})
	img := s.image()
	root := s.pod(img)
	logs := newLogs()
	cmd, health := s.container(img, root)
	cmd.Stdout, cmd.Stderr = logs, logs
	s.must(cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("it ended with %v; %s", err, logs.tail())
		}
	}()
	ns := s.namespace("pod")
	s.create(in(ns, sources, application))
	s.await(kustomizationsGVR, ns, "app", ready)
	s.answers("http://"+health+"/readyz", 200)
	s.onlyIn(root, "data", "tmp")
}

// image builds the program and its image, writes the layout, and reads it.
func (s *stand) image() v1.Image {
	s.Helper()
	binary := filepath.Join(s.TempDir(), "leat")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "./cmd/leat")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		s.Fatalf("build: %v\n%s", err, out)
	}
	idx, err := image.Build(image.Options{Binaries: []string{binary}, Version: "test"})
	s.must(err)
	dir := filepath.Join(s.TempDir(), "image")
	s.must(image.WriteDir(dir, idx))
	back, err := layout.ImageIndexFromPath(dir)
	s.must(err)
	manifest, err := back.IndexManifest()
	s.must(err)
	img, err := back.Image(manifest.Manifests[0].Digest)
	s.must(err)
	return img
}

// pod unpacks the image and mounts what a kubelet does.
func (s *stand) pod(img v1.Image) string {
	s.Helper()
	root, err := os.MkdirTemp("", "leat-pod-")
	s.must(err)
	s.Cleanup(func() { _ = os.RemoveAll(root) })
	s.must(os.Chmod(root, 0o755))
	stream := mutate.Extract(img)
	defer stream.Close()
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		s.must(err)
		s.place(filepath.Join(root, filepath.Clean("/"+h.Name)), h, r)
	}
	dir := filepath.Join(root, account)
	s.must(os.MkdirAll(dir, 0o755))
	for name, text := range map[string]string{
		"token": s.token("leat"), "ca.crt": string(s.gate.CA), "namespace": install.DefaultNamespace,
	} {
		s.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return root
}

func (s *stand) place(path string, h *tar.Header, content io.Reader) {
	s.Helper()
	if h.Typeflag == tar.TypeDir {
		s.must(os.MkdirAll(path, 0o755))
	} else {
		data, err := io.ReadAll(content)
		s.must(err)
		s.must(os.WriteFile(path, data, 0o644))
	}
	s.must(os.Chmod(path, h.FileInfo().Mode()))
	s.must(os.Lchown(path, h.Uid, h.Gid))
}

// container is the process of the Deployment's container, in the pod's
// filesystem and with the variables that a kubelet sets.
func (s *stand) container(img v1.Image, root string) (cmd *exec.Cmd, health string) {
	s.Helper()
	cfg, err := img.ConfigFile()
	s.must(err)
	server, err := url.Parse(s.gate.URL)
	s.must(err)
	health, files := freePort(s.T), freePort(s.T)
	args := append([]string{image.Path, "controller"}, s.arguments("leat")...)
	args = append(args, "--storage-addr="+files, "--storage-adv-addr="+files, "--metrics-addr=", "--health-addr="+health)
	return &exec.Cmd{
		Path: image.Path, Args: args, Dir: "/",
		Env: append(cfg.Config.Env, "RUNTIME_NAMESPACE="+install.DefaultNamespace, "POD_IP=127.0.0.1",
			"TUF_ROOT=/tmp/.sigstore", "GOMEMLIMIT="+strconv.Itoa(2<<30),
			"KUBERNETES_SERVICE_HOST="+server.Hostname(), "KUBERNETES_SERVICE_PORT="+server.Port()),
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: root, Credential: &syscall.Credential{Uid: image.Nonroot, Gid: image.Nonroot}, Pdeathsig: syscall.SIGKILL,
		},
	}, health
}

// onlyIn checks that the user may write to these directories and to no other,
// and that the first, where files are kept, has some.
func (s *stand) onlyIn(root string, dirs ...string) {
	s.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		for _, dir := range dirs {
			if rel == dir {
				return filepath.SkipDir
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner == image.Nonroot || info.Mode().Perm()&0o022 != 0 {
			s.Errorf("the user may write to /%s", rel)
		}
		return nil
	})
	s.must(err)
	kept, err := os.ReadDir(filepath.Join(root, dirs[0]))
	s.must(err)
	if len(kept) == 0 {
		s.Errorf("nothing is kept in /%s", dirs[0])
	}
}
