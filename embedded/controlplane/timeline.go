package controlplane

import (
	"fmt"
	"io"
	"time"
)

// timeline writes how long after the start each step was reached.
type timeline struct {
	start time.Time
	out   io.Writer
}

func (t timeline) step(format string, args ...any) {
	fmt.Fprintf(t.out, "[%6.3fs] leat: %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}
