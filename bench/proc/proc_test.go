package proc

import (
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"
)

const stat = "4242 (odd ) name) S 1 4242 4242 0 -1 4194304 100 0 0 0 150 50 7 3 20 0 9 0 12345 1000 200\n"

func TestStatFields(t *testing.T) {
	f, err := statFields(stat)
	if err != nil {
		t.Fatal(err)
	}
	if f[0] != "4242" || f[1] != "odd ) name" || f[3] != "1" {
		t.Errorf("pid, name, parent are %q, %q, %q", f[0], f[1], f[3])
	}
	if got := f[13:17]; !reflect.DeepEqual(got, []string{"150", "50", "7", "3"}) {
		t.Errorf("times are %v", got)
	}
	if _, err := statFields("4242 broken"); err == nil {
		t.Error("a broken line was read")
	}
}

func TestStatusBytes(t *testing.T) {
	if got := statusBytes("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n", "VmHWM:"); got != 2<<20 {
		t.Errorf("got %d", got)
	}
}

func TestSplit(t *testing.T) {
	got := Split("bin/x --dir={dir}/a  --k {k}", map[string]string{"dir": "/d e", "k": "{dir}"})
	if want := []string{"bin/x", "--dir=/d e/a", "--k", "{dir}"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestUsageOfChildren burns time in a grandchild, which must be seen once it says
// that it has.
func TestUsageOfChildren(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	said, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	p, err := Start(Command{Name: "sh", Log: log, Args: []string{
		"sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo burnt; exec sleep 1000' & wait`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(5 * time.Second)
	_ = log.Close() // the children have it
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	u, err := Read(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU <= 0 || u.Peak == 0 || u.Now == 0 {
		t.Errorf("usage is %+v", u)
	}
}

func TestStopEndsTheGroup(t *testing.T) {
	p, err := Start(Command{Name: "sh", Log: os.Stderr, Args: []string{"sh", "-c", "trap '' TERM; sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p.Stop(100 * time.Millisecond)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := p.Err(); err != nil {
		t.Errorf("asked to stop, it says %v", err)
	}
}

func TestErrOfADeath(t *testing.T) {
	p, err := Start(Command{Name: "sh", Log: os.Stderr, Args: []string{"sh", "-c", "exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Err() == nil {
		t.Error("a death by itself is no error")
	}
}
