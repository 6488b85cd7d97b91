package controlplane_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/embedded/kubetest"
)

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// slow leaves a test out of the quick suite; the others run beside each other.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts several control planes")
	}
	t.Parallel()
}

// damagedDir is a data directory with an object in it, that was stopped and
// then changed.
func damagedDir(t *testing.T, damage func(dir string) error) string {
	t.Helper()
	dir := t.TempDir()
	c, client := start(t, dir, kubetest.APIOnly)
	remember(t, client)
	c.Stop()
	if err := damage(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func wal(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "etcd/member/wal/*-0000000000000000.wal"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("no log segment: %v %v", files, err)
	}
	return files[0], nil
}

func TestMissingKeysAreMadeAnew(t *testing.T) {
	slow(t)
	for name, damage := range map[string]func(string) error{
		"all": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "pki")) },
		"one": func(dir string) error { return os.Remove(filepath.Join(dir, "pki/admin.key")) },
		"torn": func(dir string) error {
			return os.Truncate(filepath.Join(dir, "pki/apiserver.crt"), 100)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client := start(t, damagedDir(t, damage), kubetest.APIOnly)
			remembers(t, client)
		})
	}
}

func TestTornMarkerIsSeededAgain(t *testing.T) {
	t.Parallel()
	dir := damagedDir(t, func(dir string) error { return os.WriteFile(filepath.Join(dir, "seeded"), []byte("v1."), 0o600) })
	_, client := start(t, dir, kubetest.APIOnly)
	remembers(t, client)
}

func TestNewerDataIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "seeded"), []byte("v1.99.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, dir, "was written by Kubernetes v1.99.0")
}

// A crash of the machine may cut the log at any byte.
func TestTruncatedLogWorksOrSaysWhatToDo(t *testing.T) {
	slow(t)
	for _, size := range []int64{0, 100, 20_000, 200_001} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			dir := damagedDir(t, func(dir string) error {
				file, err := wal(dir)
				if err != nil {
					return err
				}
				return os.Truncate(file, size)
			})
			c, err := kubetest.New(kubetest.APIOnly, kubetest.DataDir(dir))
			if err == nil {
				c.Stop()
				return
			}
			saysWhatToDo(t, err, dir)
		})
	}
}

func TestGarbageInTheLogSaysWhatToDo(t *testing.T) {
	slow(t)
	dir := damagedDir(t, func(dir string) error {
		file, err := wal(dir)
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(strings.Repeat("garbage ", 10_000)), 0o600)
	})
	c, err := kubetest.New(kubetest.APIOnly, kubetest.DataDir(dir))
	if err == nil {
		c.Stop()
		t.Fatal("it started")
	}
	saysWhatToDo(t, err, dir)
}

func TestGarbageInTheDatabaseSaysWhatToDo(t *testing.T) {
	slow(t)
	dir := damagedDir(t, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "etcd/member/snap/db"), []byte(strings.Repeat("garbage ", 10_000)), 0o600)
	})
	c, err := kubetest.New(kubetest.APIOnly, kubetest.DataDir(dir))
	if err == nil {
		c.Stop()
		t.Fatal("it started")
	}
	saysWhatToDo(t, err, dir)
}

func saysWhatToDo(t *testing.T, err error, dir string) {
	t.Helper()
	if want := "etcd cannot start from " + filepath.Join(dir, "etcd"); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "remove that directory") {
		t.Errorf("got %v, want %q and what to remove", err, want)
	}
	if strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("got several lines:\n%v", err)
	}
	t.Log(err)
}
