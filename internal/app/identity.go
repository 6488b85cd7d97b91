package app

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// identity returns the name under which this replica leads. It is kept in the
// state directory, so that a process that was killed and comes back is known as
// the leader it was; the lock makes sure that two processes never share it.
func identity(dir string) (id string, release func(), err error) {
	host, err := os.Hostname()
	if err != nil {
		return "", nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "identity"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("keep the identity of this replica: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return "", nil, fmt.Errorf("another controller uses the storage path %s; give each its own --storage-path", dir)
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		_ = file.Close()
		return "", nil, err
	}
	id = strings.TrimSpace(string(text))
	if !strings.HasPrefix(id, host+"_") {
		id = host + "_" + strings.ToLower(rand.Text()[:10])
		if err := os.WriteFile(file.Name(), []byte(id+"\n"), 0o600); err != nil {
			_ = file.Close()
			return "", nil, err
		}
	}
	return cmp.Or(id, host), func() { _ = file.Close() }, nil
}
