package isolate

import (
	"errors"
	"os"
	"syscall"
)

// maxFiles is how many descriptors a child may have: its three pipes, what Go's
// runtime needs, and a zone of time to read.
const maxFiles = 16

// rlimitData is RLIMIT_DATA: what a process may write to and shares with nobody
// (Linux 4.7 and later). RLIMIT_AS would also count what Go only reserves.
const rlimitData = 2

// confine takes from this process what its work does not need.
func confine(memory int64) error {
	// When the machine is out of memory, this process goes before its parent.
	// Where /proc is not there, it takes its chances.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	return errors.Join(
		limit(rlimitData, uint64(memory)),
		limit(syscall.RLIMIT_CORE, 0), // a core would hold the job's input
		limit(syscall.RLIMIT_FSIZE, 0),
		limit(syscall.RLIMIT_NOFILE, maxFiles),
	)
}

func limit(what int, n uint64) error {
	var have syscall.Rlimit
	if err := syscall.Getrlimit(what, &have); err != nil {
		return err
	}
	n = min(n, have.Max)
	return syscall.Setrlimit(what, &syscall.Rlimit{Cur: n, Max: n})
}

// apart keeps the signals of a terminal from a child: its parent ends it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Possible tells whether children can be bounded here.
const Possible = true
