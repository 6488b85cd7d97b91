package isolate

import (
	"errors"
	"os"
	"syscall"
)

// minFiles is how many descriptors a child has at least: its three pipes, what Go's
// runtime needs, and a zone of time to read.
const minFiles = 16

// maxFile bounds in bytes a file that a child with Files may write; others write none.
const maxFile = 64 << 20

// rlimitData is RLIMIT_DATA: what a process may write to and shares with nobody
// (Linux 4.7 and later). RLIMIT_AS would also count what Go only reserves.
const rlimitData = 2

// confine takes from this process what its work does not need.
func confine(memory int64, files int) error {
	size := 0
	if files > 0 {
		size = maxFile
	}
	// When the machine is out of memory, this process goes before its parent.
	// Where /proc is not there, it takes its chances.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	return errors.Join(
		limit(rlimitData, uint64(memory)),
		limit(syscall.RLIMIT_CORE, 0), // a core would hold the job's input
		limit(syscall.RLIMIT_FSIZE, uint64(size)),
		limit(syscall.RLIMIT_NOFILE, uint64(max(files, minFiles))),
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

// alone also takes the network from a child: it gets a namespace of its own, in which
// there is none (network_namespaces(7)), and one of users, without which nobody but root
// may ask for it (user_namespaces(7)). In that it is who it was.
func alone() *syscall.SysProcAttr {
	out := apart()
	out.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
	out.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	out.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	return out
}

// Possible tells whether children can be bounded here.
const Possible = true
