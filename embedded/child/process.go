package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxLine bounds what is read of the child's one line, in bytes.
	maxLine = 1 << 20
	// quietEtcd leaves the retries of closed clients out of the log; kube-apiserver
	// closes some while it starts.
	quietEtcd = "ETCD_CLIENT_DEBUG=error"
	// tailLines is how much of the log an error shows.
	tailLines = 15
	// tailBytes bounds what is read for it.
	tailBytes = 16 << 10
)

// Process is a control plane in a child process.
type Process struct {
	opts  Options
	cmd   *exec.Cmd
	stdin io.Closer
	ready Message
	done  chan struct{}

	mu      sync.Mutex
	stopped bool // Stop was called
	err     error
}

// Start runs `exe args... flags` and returns once the control plane is ready.
// When ctx ends before that, the child is stopped; afterwards ctx has no effect.
// An error holds what the child said, or the tail of its log.
func Start(ctx context.Context, exe string, args []string, o Options) (*Process, error) {
	o.ExitWithStdin = true
	p := &Process{opts: o, done: make(chan struct{})}
	p.cmd = exec.Command(exe, append(append([]string(nil), args...), o.Args()...)...)
	p.cmd.Env = append(append(os.Environ(), quietEtcd), o.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := p.pipes()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	first := make(chan Message, 1)
	go p.watch(stdout, first)
	select {
	case p.ready = <-first:
		return p, nil
	case <-p.done:
		return nil, p.Err()
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("start the control plane: %w", ctx.Err()), p.Stop(stop))
	}
}

func (p *Process) pipes() (stdout io.Reader, err error) {
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	if stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	return stdout, nil
}

// watch reads the child's messages until it ends, then waits for it.
func (p *Process) watch(stdout io.Reader, first chan<- Message) {
	defer close(p.done)
	said := ""
	lines := bufio.NewScanner(io.LimitReader(stdout, maxLine))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var m Message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if m.Error != "" {
			said = m.Error
		} else {
			select {
			case first <- m:
			default:
			}
		}
	}
	_, _ = io.Copy(io.Discard, stdout)
	exit := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = p.explain(exit, said)
}

// explain says why the child ended; nil when it was asked to. p.mu is held.
func (p *Process) explain(exit error, said string) error {
	switch {
	case said != "":
		return fmt.Errorf("control plane: %s", said)
	case p.stopped && exit == nil:
		return nil
	case exit == nil:
		return errors.New("the control plane was stopped from outside")
	default:
		return fmt.Errorf("the control plane died (%w); %s ends with:\n%s", exit, p.opts.LogPath(), tail(p.opts.LogPath()))
	}
}

// Kubeconfig is the path of the cluster-admin kubeconfig.
func (p *Process) Kubeconfig() string { return p.ready.Kubeconfig }

// Server is the URL of the API server.
func (p *Process) Server() string { return p.ready.Server }

// Version is the Kubernetes version, such as v1.36.4.
func (p *Process) Version() string { return p.ready.Version }

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Startup is how long the control plane took to be ready, by its own clock.
func (p *Process) Startup() time.Duration {
	return time.Duration(p.ready.Startup * float64(time.Second))
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is nil while the child runs and after Stop; else it says why it ended.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Stop asks the child to stop and waits. When ctx ends first, it is killed.
// Calling it again, or after the child died, is fine.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	_ = p.stdin.Close()
	select {
	case <-p.done:
		return p.Err()
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("the control plane did not stop in time and was killed: %w", ctx.Err())
	}
}

// tail is the end of the log, for an error message.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = f.Seek(-tailBytes, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, tailBytes))
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
