package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	utilversion "k8s.io/apimachinery/pkg/util/version"
)

// minFree is the free space that a start asks for, in bytes: two etcd log
// segments, the database and some room to work.
const minFree = 64 << 20

// dataDir is a data directory that this process holds the lock of.
//
//	lock          flock; holds the pid of its owner
//	pki/          keys and certificates
//	etcd/         etcd's member directory
//	seeded        Kubernetes version that wrote the built-in roles and classes
//	port          port of the last run
//	*.kubeconfig  credentials of the components; kubeconfig is the user's
type dataDir struct {
	path string
	lock *os.File
}

// openDir creates and locks the directory. Its errors name what to do.
func openDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w; choose another one with --data-dir", err)
	}
	lock, err := acquire(filepath.Join(abs, "lock"))
	if err != nil {
		return nil, err
	}
	d := &dataDir{path: abs, lock: lock}
	if err := errors.Join(d.checkSpace(), d.checkVersion()); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// acquire takes the lock file, which the kernel releases when its owner dies.
func acquire(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open the lock of the data directory: %w; choose another directory with --data-dir", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if !errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, fmt.Errorf("lock %s: %w", path, err)
			}
			return nil, fmt.Errorf("data directory %s is in use by the control plane with pid %s: stop that one, or choose another directory with --data-dir",
				filepath.Dir(path), owner(path))
		}
		if !isAt(f, path) { // its owner removed it between our open and our lock
			f.Close()
			continue
		}
		if err := errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
			f.Close()
			return nil, fmt.Errorf("write %s: %w; free some space, or choose another directory with --data-dir", path, err)
		}
		return f, nil
	}
}

func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

func owner(lock string) string {
	b, err := os.ReadFile(lock)
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return "unknown"
	}
	return pid
}

// close removes the lock file, then releases it.
func (d *dataDir) close() {
	_ = os.Remove(d.lock.Name())
	_ = d.lock.Close()
}

func (d *dataDir) join(name string) string { return filepath.Join(d.path, name) }

func (d *dataDir) checkSpace() error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.path, &s); err != nil {
		return fmt.Errorf("free space of %s: %w", d.path, err)
	}
	if free := uint64(s.Bavail) * uint64(s.Bsize); free < minFree {
		return fmt.Errorf("only %d MiB are free in data directory %s, the control plane needs %d MiB: free some space, or choose another directory with --data-dir",
			free>>20, d.path, minFree>>20)
	}
	return nil
}

// checkVersion refuses data that a newer Kubernetes wrote.
func (d *dataDir) checkVersion() error {
	was := d.seededBy()
	if was == "" {
		return nil
	}
	then, err := utilversion.ParseSemantic(was)
	if err != nil {
		return os.Remove(d.join("seeded")) // torn file: seed again
	}
	now := utilversion.MustParseSemantic(Version)
	if then.Major() > now.Major() || then.Minor() > now.Minor() {
		return fmt.Errorf("data directory %s was written by Kubernetes %s, this program has %s: use a newer leat, or another directory with --data-dir",
			d.path, was, Version)
	}
	return nil
}

// seededBy is the Kubernetes version that last wrote the built-in objects, or "".
func (d *dataDir) seededBy() string {
	b, err := os.ReadFile(d.join("seeded"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (d *dataDir) markSeeded() error {
	if d.seededBy() == Version {
		return nil
	}
	return writeFile(d.join("seeded"), []byte(Version+"\n"))
}

// writeFile replaces a file in one step, so that a crash leaves the old or the new one.
func writeFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
