package isolate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// Work does one job. What it asks is answered by the parent's Job.Answer.
type Work func(input []byte, ask Ask) ([]byte, error)

// Ask puts a question to the parent. It must not be called by two goroutines at
// once.
type Ask func(question []byte) ([]byte, error)

const (
	// maxStack bounds one goroutine's stack in a child, in bytes.
	maxStack = 64 << 20
	// minMemory is what Go's runtime and this program need in any case.
	minMemory = 96 << 20
	// retireAt is the memory, of what it may have, that makes a child end after
	// its job, as one part of so many: it would not give it back soon.
	retireAt = 4
)

// Serve is the child's side: it bounds this process and then does the jobs that
// come over in, until that ends. args are the last words of the command line: the
// memory in bytes, and how many files may be open. Exit ends the process at once, also amid a job: os.Exit.
func Serve(args []string, works map[string]Work, exit func(code int)) error {
	if len(args) != 1 && len(args) != 2 {
		return errors.New("isolated work: this is started by leat itself, with the memory it may take, in bytes")
	}
	memory, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || memory < minMemory {
		return fmt.Errorf("isolated work: memory %q: want a number of bytes from %d on", args[0], minMemory)
	}
	files := 0
	if len(args) == 2 {
		if files, err = strconv.Atoi(args[1]); err != nil || files < 0 {
			return fmt.Errorf("isolated work: files %q: want a number", args[1])
		}
	}
	debug.SetTraceback("none") // a trace may show what the job was given
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(memory / 4 * 3)
	if err := confine(memory, files); err != nil {
		return fmt.Errorf("isolated work: bound this process: %w", err)
	}
	s := &server{works: works, out: bufio.NewWriter(os.Stdout), memory: memory, frames: make(chan frame)}
	go s.read(os.Stdin, exit)
	for {
		if err := s.job(); err != nil {
			return err
		}
	}
}

type server struct {
	works  map[string]Work
	frames chan frame
	out    *bufio.Writer
	memory int64
}

// read passes frames on. When there are no more, the parent has gone or given up.
func (s *server) read(in io.Reader, exit func(int)) {
	buffered := bufio.NewReader(in)
	for {
		f, err := receive(buffered)
		if err != nil {
			exit(0)
			return
		}
		s.frames <- f
	}
}

func (s *server) job() error {
	work, input := <-s.frames, <-s.frames
	if work.kind != kindWork || input.kind != kindInput {
		return errProtocol
	}
	out, err := s.do(string(work.body), input.body)
	if err == nil && len(out) > maxOutput {
		err = fmt.Errorf("the result has %d bytes; at most %d are taken", len(out), maxOutput)
	}
	if s.swollen() {
		if err := send(s.out, kindLast, nil); err != nil {
			return err
		}
	}
	if err != nil {
		return s.send(kindRefused, clip(err.Error()))
	}
	return s.send(kindDone, out)
}

func (s *server) do(name string, input []byte) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s panicked: %v", name, v)
		}
	}()
	work, known := s.works[name]
	if !known {
		return nil, fmt.Errorf("there is no isolated work %q", name)
	}
	return work(input, s.ask)
}

func (s *server) ask(question []byte) ([]byte, error) {
	if err := s.send(kindQuestion, question); err != nil {
		return nil, err
	}
	switch f := <-s.frames; f.kind {
	case kindAnswer:
		return f.body, nil
	case kindNoAnswer:
		return nil, errors.New(string(f.body))
	default:
		return nil, errProtocol
	}
}

func (s *server) send(kind byte, body []byte) error {
	if err := send(s.out, kind, body); err != nil {
		return err
	}
	return s.out.Flush()
}

// swollen tells whether this process has taken so much memory that it should not
// stay.
func (s *server) swollen() bool {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()-sample[1].Value.Uint64()) > s.memory/retireAt
}
