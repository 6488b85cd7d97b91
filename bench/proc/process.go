// Package proc runs the measured programs as children and reads what they cost.
//
//	p, err := proc.Start(proc.Command{Name: "leat", Args: []string{"bin/leat", "controller"}, Log: file})
//	defer p.Stop(20 * time.Second)
//	before, err := proc.Read(p.PID())
//
// Each child leads a process group of its own and is ended through it, by id.
// Should this program die without a chance to do so, the kernel kills the child
// (on Linux), and its stdin closes. It must never end a process that it did not
// start.
package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command is what to start.
type Command struct {
	Name   string
	Args   []string // Args[0] is the program
	Env    []string // added to the environment
	Stdout io.Writer
	Log    *os.File // stderr, and stdout where that is nil
}

// Split makes arguments of a command line: words, without quoting. A word may
// hold placeholders such as {dir}, which values replace.
func Split(line string, values map[string]string) []string {
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	words := strings.Fields(line)
	for i := range words {
		words[i] = strings.NewReplacer(pairs...).Replace(words[i])
	}
	return words
}

// Process is a started child.
type Process struct {
	Name string

	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}

	mu    sync.Mutex
	ended error // how it ended; valid after done
	asked bool  // whether it was told to end
}

// Start starts a child.
func Start(c Command) (*Process, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("start a process: the command is empty")
	}
	p := &Process{Name: c.Name, cmd: exec.Command(c.Args[0], c.Args[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.SysProcAttr = attributes()
	p.cmd.Stderr, p.cmd.Stdout = c.Log, c.Log
	if c.Stdout != nil {
		p.cmd.Stdout = c.Stdout
	}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	if err := onStarter(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go func() {
		err := p.cmd.Wait()
		p.mu.Lock()
		p.ended = err
		p.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// starter is the one thread that starts children: the kernel takes the end of a
// child's parent thread for the end of the parent, and this one never ends.
var starter = sync.OnceValue(func() chan func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

func onStarter(f func() error) error {
	result := make(chan error, 1)
	starter() <- func() { result <- f() }
	return <-result
}

// PID is the process id, which is also the id of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended by itself; nil while it runs, and when it was
// told to end.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked {
		return nil
	}
	if p.ended == nil {
		return fmt.Errorf("%s ended by itself", p.Name)
	}
	return fmt.Errorf("%s died: %w", p.Name, p.ended)
}

// Kill is kill -9.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Stop closes stdin, asks with SIGTERM, and kills what is left after the time.
func (p *Process) Stop(within time.Duration) {
	_ = p.stdin.Close()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(within):
	}
	p.Kill()
}

// signal reaches the whole group. A group whose leader is gone and waited for
// may be another's by now, so only what is left of a running one is signalled.
func (p *Process) signal(s syscall.Signal) {
	p.mu.Lock()
	p.asked = true
	p.mu.Unlock()
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.PID(), s)
	}
}
