//go:build !linux

package isolate

import "syscall"

// confine does nothing here: there is no bound that holds.
func confine(int64, int) error { return nil }

func apart() *syscall.SysProcAttr { return nil }

func alone() *syscall.SysProcAttr { return nil }

// Possible tells whether children can be bounded here.
const Possible = false
