package rest

import (
	"context"
	"slices"
	"time"

	"github.com/leat-dev/leat/internal/source/fault"
)

// How often something is tried while a forge computes in the background, and how long
// it is given for the first time; each pause is a third longer.
const (
	tries      = 8
	firstPause = 200 * time.Millisecond
)

// Patiently tries until there is nothing to wait for, a few seconds at most, and
// returns the last error.
func Patiently(ctx context.Context, try func() (wait bool, err error)) error {
	pause := firstPause
	for n := 1; ; n++ {
		wait, err := try()
		if !wait || n == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause += pause / 3
		}
	}
}

// Unless is an error, or nil where it is of one of the classes: what cannot be read is
// as good as not there.
func Unless(err error, classes ...fault.Class) error {
	if slices.Contains(classes, fault.ClassOf(err)) {
		return nil
	}
	return err
}
