package isolate

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxSaid bounds what is kept of a child's stderr, which says why Go's
	// runtime gave up.
	maxSaid = 4 << 10
	// waitDelay bounds how long pipes are read after a child's end.
	waitDelay = 5 * time.Second
)

// child is a process that does one job after the other.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	said   said
	memory int64
	jobs   int
	spent  bool // it takes no more jobs
	alone  bool // it has no network
	expiry *time.Timer
}

// start starts a child; where it cannot be had without a network, one that has it.
func start(cfg Config) (*child, error) {
	if cfg.Alone && Possible {
		if c, err := begin(cfg, alone()); err == nil {
			c.alone = true
			return c, nil
		}
	}
	return begin(cfg, apart())
}

func begin(cfg Config, attributes *syscall.SysProcAttr) (*child, error) {
	c := &child{memory: cfg.Memory}
	args := append(cfg.Command[1:len(cfg.Command):len(cfg.Command)], strconv.FormatInt(cfg.Memory, 10))
	if cfg.Files > 0 {
		args = append(args, strconv.Itoa(cfg.Files))
	}
	c.cmd = exec.Command(cfg.Command[0], args...)
	c.cmd.Env, c.cmd.Dir, c.cmd.WaitDelay = []string{}, "/", waitDelay
	c.cmd.Stderr = &c.said
	c.cmd.SysProcAttr = attributes
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start isolated work: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start isolated work: %w", err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start isolated work: %w; it will be tried again", err)
	}
	return c, nil
}

// do hands the job over and returns its outcome. An error that is neither a
// Refused nor a broken message means that the child is dying.
func (c *child) do(ctx context.Context, job Job) ([]byte, error) {
	c.jobs++
	if err := send(c.in, kindWork, []byte(job.Work)); err != nil {
		return nil, err
	}
	if err := send(c.in, kindInput, job.Input); err != nil {
		return nil, err
	}
	for questions := 0; ; {
		f, err := receive(c.out)
		if err != nil {
			return nil, err
		}
		switch f.kind {
		case kindLast:
			c.spent = true
		case kindDone:
			return f.body, nil
		case kindRefused:
			return nil, &Refused{string(f.body)}
		case kindQuestion:
			if questions++; questions > cmp.Or(job.Questions, maxQuestions) {
				return nil, fmt.Errorf("%w: more than %d questions", errProtocol, cmp.Or(job.Questions, maxQuestions))
			}
			if err := c.answer(ctx, job, f.body); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%w: kind %q from a child", errProtocol, f.kind)
		}
	}
}

func (c *child) answer(ctx context.Context, job Job, question []byte) error {
	if job.Answer == nil {
		return send(c.in, kindNoAnswer, []byte("no questions are answered"))
	}
	out, err := job.Answer(ctx, question)
	if err == nil && len(out) > maxAnswer {
		err = fmt.Errorf("the answer has %d bytes; at most %d are taken", len(out), maxAnswer)
	}
	if err != nil {
		return send(c.in, kindNoAnswer, clip(err.Error()))
	}
	return send(c.in, kindAnswer, out)
}

// kill ends the process; whoever uses the child notices.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// end sees the process off and says why it ended. A child ends when its stdin
// does; one that does not is killed.
func (c *child) end() error {
	_ = c.in.Close()
	late := time.AfterFunc(waitDelay, c.kill)
	defer late.Stop()
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return &Died{Killed, "its process ended without an answer"}
	}
	text := c.said.String()
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case strings.Contains(text, "stack overflow"):
		return &Died{Stack, "it recursed too deeply"}
	case strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory"):
		return &Died{Memory, fmt.Sprintf("it took more than %d MiB of memory", c.memory>>20)}
	case status.Signaled():
		return &Died{Killed, fmt.Sprintf("its process was killed from outside (signal %d: %s), perhaps because the system was out of memory", int(status.Signal()), status.Signal())}
	}
	return &Died{Killed, fmt.Sprintf("its process ended early (%s)", exit.ProcessState)}
}

// said keeps the beginning of what a child writes to stderr.
type said struct {
	mu   sync.Mutex
	text []byte
}

// Write keeps what there is room for and takes the rest.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p[:min(len(p), maxSaid-len(s.text))]...)
	return len(p), nil
}

// String returns what was kept.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}
