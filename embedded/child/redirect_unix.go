//go:build unix && !linux

package child

import (
	"os"
	"syscall"
)

// redirect makes the descriptor of from another name of to.
func redirect(to, from *os.File) error { return syscall.Dup2(int(to.Fd()), int(from.Fd())) }
