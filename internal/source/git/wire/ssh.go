package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// SSHOptions describe a repository behind SSH.
type SSHOptions struct {
	URL    *url.URL // ssh://host[:port]/path
	Config *ssh.ClientConfig
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

// SSH is a client of one repository; every call makes a connection of its own.
// It may be used by several goroutines.
type SSH struct{ o SSHOptions }

// NewSSH returns a client; it connects when it is used.
func NewSSH(o SSHOptions) *SSH { return &SSH{o} }

// Close implements io.Closer; there is nothing to close between calls.
func (s *SSH) Close() error { return nil }

// channel is a running git-upload-pack or git-receive-pack at the other end.
type channel struct {
	in     io.WriteCloser
	out    *pktReader
	stderr *tail
	wait   func() error // for the command's end, after which stderr is complete
	stop   func() bool  // of the watch on the context
	conn   net.Conn
	close  sync.Once
}

// Close ends the connection.
func (c *channel) Close() error {
	c.close.Do(func() {
		c.stop()
		c.conn.Close()
	})
	return nil
}

// List returns the refs that o asks for.
func (s *SSH) List(ctx context.Context, o ListOptions) ([]Ref, error) {
	ch, err := s.open(ctx, func(r io.Reader) io.Reader { return o.bound(r) })
	if err != nil {
		return nil, err
	}
	defer ch.Close()
	c, refs, err := readAdvert(ch.out, o)
	if err == nil && c.version == 2 {
		if _, err = ch.in.Write(lsRefs(c, o)); err == nil {
			refs, err = readLsRefs(ch.out, o)
		}
	}
	if err != nil {
		return nil, ch.explain(ctx, err)
	}
	io.WriteString(ch.in, "0000") // a polite end; the answer is complete
	return refs, nil
}

// AnyWant tells whether the server gives out commits that no ref names.
func (s *SSH) AnyWant(ctx context.Context) (bool, error) {
	ch, err := s.open(ctx, asIs)
	if err != nil {
		return false, err
	}
	defer ch.Close()
	c, _, err := readAdvert(ch.out, ListOptions{})
	return c.anyWant(), ch.explain(ctx, err)
}

// Fetch asks for a pack; the caller closes it.
func (s *SSH) Fetch(ctx context.Context, r Request) (*Pack, error) {
	ch, err := s.open(ctx, asIs)
	if err != nil {
		return nil, err
	}
	c, _, err := readAdvert(ch.out, ListOptions{})
	if err == nil {
		_, err = io.Copy(ch.in, bytes.NewReader(r.encode(c)))
	}
	var pack *Pack
	if err == nil {
		pack, err = r.readPack(ch.out, c, ch)
	}
	if err != nil {
		defer ch.Close()
		return nil, ch.explain(ctx, err)
	}
	return pack, nil
}

func asIs(r io.Reader) io.Reader { return r }

// open connects and starts git-upload-pack.
func (s *SSH) open(ctx context.Context, wrap func(io.Reader) io.Reader) (*channel, error) {
	return s.openService(ctx, "git-upload-pack", wrap)
}

// openService connects and starts a command. The end of ctx ends the connection.
func (s *SSH) openService(ctx context.Context, command string, wrap func(io.Reader) io.Reader) (*channel, error) {
	addr := net.JoinHostPort(s.o.URL.Hostname(), port(s.o.URL))
	conn, err := s.o.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	ch := &channel{conn: conn, stderr: &tail{}, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	if err := s.start(ch, addr, command, wrap); err != nil {
		ch.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return ch, nil
}

func (s *SSH) start(ch *channel, addr, command string, wrap func(io.Reader) io.Reader) error {
	conn, chans, reqs, err := ssh.NewClientConn(ch.conn, addr, s.o.Config)
	if err != nil {
		return err
	}
	session, err := ssh.NewClient(conn, chans, reqs).NewSession()
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	session.Stderr, ch.wait = ch.stderr, session.Wait
	if ch.in, err = session.StdinPipe(); err != nil {
		return err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	ch.out = newPktReader(wrap(out))
	if command == "git-upload-pack" { // pushes know version 0 alone
		_ = session.Setenv("GIT_PROTOCOL", "version=2") // servers may refuse: then version 0
	}
	return session.Start(command + " " + quote(remotePath(s.o.URL.Path)))
}

// remotePath gives the path as Git does: /~user/x means a home directory.
func remotePath(p string) string {
	if strings.HasPrefix(p, "/~") {
		return p[1:]
	}
	return p
}

// quote makes one word of s for a shell (sq_quote_buf in Git's quote.c).
func quote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

// explain prefers what the server wrote to standard error, or the end of the
// context, to the broken stream that follows from it.
func (c *channel) explain(ctx context.Context, err error) error {
	var server *ServerError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &server):
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.wait() // its error says no more than stderr
		if text := c.stderr.text(); text != "" {
			return &ServerError{text}
		}
	}
	return err
}

// tail keeps the first bytes of standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 4096 - len(t.b); room > 0 {
		t.b = append(t.b, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return clean(string(t.b))
}
