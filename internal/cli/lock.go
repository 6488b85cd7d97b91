package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFile is locked by the leat up that works in a data directory.
const lockFile = "up.lock"

// lockData makes sure that one leat up at a time works in a directory; the lock
// goes with the process, however it ends.
func lockData(dir string) (release func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		pid, _ := os.ReadFile(filepath.Join(dir, upPID))
		return nil, fmt.Errorf("another leat up (process %s) works in %s; end it, or pass another --data-dir", strings.TrimSpace(string(pid)), dir)
	}
	if err := os.WriteFile(filepath.Join(dir, upPID), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() {
		_ = os.Remove(filepath.Join(dir, upPID))
		_ = file.Close()
	}, nil
}

// holdsLock tells whether some process holds the lock of a directory.
func holdsLock(dir string) bool {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return true
	}
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	return false
}
