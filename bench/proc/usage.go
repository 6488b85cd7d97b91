package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process and its children have used since they started.
type Usage struct {
	CPU time.Duration // user and system, of children that have ended too
	// Peak is the largest resident set so far (VmHWM), in bytes; of children
	// that run now too.
	Peak int64
	// Now is the resident set (VmRSS), in bytes.
	Now int64
}

// tick is the unit of /proc/PID/stat: USER_HZ, which is 100 on every platform
// that Go supports.
const tick = 10 * time.Millisecond

// Read reads the usage of a process and of its children from /proc; it fails on
// systems without one.
func Read(pid int) (Usage, error) {
	parents, err := parentsOf()
	if err != nil {
		return Usage{}, err
	}
	total, err := readOne(pid)
	if err != nil {
		return total, fmt.Errorf("read usage of process %d: %w", pid, err)
	}
	for child := range parents {
		if child == pid || !descends(parents, child, pid) {
			continue
		}
		if u, err := readOne(child); err == nil { // it may have ended since
			total = Usage{CPU: total.CPU + u.CPU, Peak: total.Peak + u.Peak, Now: total.Now + u.Now}
		}
	}
	return total, nil
}

// Self is the CPU time of this process, without its children.
func Self() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func readOne(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	fields, err := statFields(string(stat))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	for _, i := range []int{14, 15, 16, 17} { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(fields[i-1], 10, 64)
		if err != nil {
			return u, fmt.Errorf("parse stat: %w", err)
		}
		u.CPU += time.Duration(n) * tick
	}
	u.Peak, u.Now = statusBytes(string(status), "VmHWM:"), statusBytes(string(status), "VmRSS:")
	return u, nil
}

// statFields are the fields of /proc/PID/stat as proc(5) numbers them, from 0.
// The second is a name in parentheses, which may hold anything.
func statFields(stat string) ([]string, error) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return nil, fmt.Errorf("parse stat: no name in %.60q", stat)
	}
	fields := append([]string{strings.TrimSpace(stat[:open]), stat[open+1 : end]}, strings.Fields(stat[end+1:])...)
	if len(fields) < 17 {
		return nil, fmt.Errorf("parse stat: %d fields", len(fields))
	}
	return fields, nil
}

func statusBytes(status, name string) int64 {
	_, rest, ok := strings.Cut(status, name)
	if !ok {
		return 0
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(words[0], 10, 64)
	return kib << 10
}

// parentsOf maps every process to its parent.
func parentsOf() (map[int]int, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no /proc here: CPU time and memory cannot be read")
	}
	parents := map[int]int{}
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended since
		}
		fields, err := statFields(string(stat))
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(fields[0])
		parents[pid], _ = strconv.Atoi(fields[3])
	}
	return parents, nil
}

func descends(parents map[int]int, pid, from int) bool {
	for range len(parents) { // a snapshot that was read while it changed may hold a cycle
		if pid == from {
			return true
		}
		next, ok := parents[pid]
		if !ok {
			return false
		}
		pid = next
	}
	return false
}
