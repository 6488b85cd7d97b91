package child

import (
	"os"
	"syscall"
)

// redirect makes the descriptor of from another name of to.
func redirect(to, from *os.File) error { return syscall.Dup3(int(to.Fd()), int(from.Fd()), 0) }
