package kubetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// source is the program that runs the control plane.
const source = "github.com/leat-dev/leat/embedded/cmd/control-plane"

// Program builds the control plane as a program of its own, in bin/ of the
// module, and returns its path. A test binary that linked Kubernetes itself
// would cost seconds to link, and there are many; whether the program is up to
// date costs the go command less than one.
var Program = sync.OnceValues(func() (string, error) {
	mod, err := tool("env", "GOMOD")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(filepath.Dir(mod), "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(bin, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // which unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	exe := filepath.Join(bin, "control-plane")
	if _, err := tool("build", "-ldflags=-s -w", "-o", exe, source); err != nil {
		return "", err
	}
	return exe, remember(exe)
})

// remember writes the program's build id beside it when that is another one. The
// go command keeps the results of tests that read the same files as before: so
// those of tests that start another program are not kept. (It touches the
// program itself on every build.)
func remember(exe string) error {
	id, err := tool("tool", "buildid", exe)
	if err != nil {
		return err
	}
	known := exe + ".id"
	if old, err := os.ReadFile(known); err == nil && string(old) == id {
		return nil
	}
	return os.WriteFile(known, []byte(id), 0o644)
}

// tool runs the go command and returns what it printed.
func tool(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}
