package cli

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const (
	// memoryPercent is the part of the cgroup's memory that Go's runtime is to
	// keep within.
	memoryPercent = 90
	// maxCgroupFile bounds what is read of a file below /proc or /sys.
	maxCgroupFile = 64 << 10
	// unlimited is where the limits of cgroup v1 stop being any.
	unlimited = 1 << 60
)

// cgroupMemory returns the memory, in bytes, that the process's cgroup and those
// above it leave it; zero is without bound. root is /. The files are those of
// Linux' Documentation/admin-guide/cgroup-v2.rst (memory.max) and
// cgroup-v1/memory.rst (memory.limit_in_bytes).
func cgroupMemory(root fs.FS) int64 {
	var least int64
	take := func(file string) {
		n, err := strconv.ParseInt(strings.TrimSpace(string(readSome(root, file))), 10, 64)
		if err == nil && n > 0 && n < unlimited && (least == 0 || n < least) {
			least = n // not a number: "max", or not there
		}
	}
	v2, v1 := cgroupPaths(readSome(root, "proc/self/cgroup"))
	for _, dir := range upwards(v2) {
		take(path.Join("sys/fs/cgroup", dir, "memory.max"))
	}
	for _, dir := range upwards(v1) {
		take(path.Join("sys/fs/cgroup/memory", dir, "memory.limit_in_bytes"))
	}
	return least
}

// cgroupPaths reads lines of «hierarchy:controllers:path».
func cgroupPaths(text []byte) (v2, v1 string) {
	v2, v1 = "/", "/"
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			switch {
			case controller == "memory":
				v1 = parts[2]
			case controller == "" && parts[0] == "0":
				v2 = parts[2]
			}
		}
	}
	return v2, v1
}

// upwards returns a directory and those above it.
func upwards(dir string) []string {
	dir = path.Clean("/" + dir)
	out := []string{dir}
	for dir != "/" {
		dir = path.Dir(dir)
		out = append(out, dir)
	}
	return out
}

func readSome(root fs.FS, name string) []byte {
	f, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxCgroupFile))
	return text
}
