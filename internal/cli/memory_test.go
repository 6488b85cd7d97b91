package cli

import (
	"testing"
	"testing/fstest"
)

func TestCgroupMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":                  {nil, 0},
		"v2 without bound":      {map[string]string{"sys/fs/cgroup/memory.max": "max\n"}, 0},
		"v2 in a container":     {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		"v2 in a slice":         {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "1048576\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 1 << 20},
		"the least counts":      {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "1048576\n", "sys/fs/cgroup/a/b/memory.max": "4096\n"}, 4096},
		"v1 in a container":     {map[string]string{"proc/self/cgroup": "5:memory:/kubepods/x\n1:name=systemd:/y\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"}, 1 << 29},
		"v1 with others":        {map[string]string{"proc/self/cgroup": "5:cpu,memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4096\n"}, 4096},
		"v1 without bound":      {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"a path that leads out": {map[string]string{"proc/self/cgroup": "0::/../../etc\n", "sys/fs/cgroup/memory.max": "4096"}, 4096},
		"nonsense":              {map[string]string{"proc/self/cgroup": "x\n:::\n", "sys/fs/cgroup/memory.max": "-1"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := cgroupMemory(root); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

// All children together stay below half of the memory, unless not even one would.
func TestBoundChildren(t *testing.T) {
	for memory, want := range map[int64][2]int64{0: {4, 512}, 64 << 30: {4, 512}, 2 << 30: {2, 512}, 1 << 30: {2, 256}, 256 << 20: {1, 192}} {
		c := boundChildren(memory)
		if got := [2]int64{int64(c.Children), c.Memory >> 20}; got != want {
			t.Errorf("%d: got %v, want %v", memory, got, want)
		}
	}
}
