// Package gitserver serves one bare Git repository over smart HTTP, for
// reading, on loopback, and counts what is asked of it.
//
//	s, err := gitserver.Start(gitserver.Best(dir))
//	defer s.Close()
//	clone(s.URL())
//
// With a git binary on the machine, git itself answers (protocol 0 and 2,
// shallow fetches, deltas), as behind `git http-backend`. Without one, go-git
// answers protocol 0 with full history: enough for incremental fetches, not for
// clients that insist on a shallow one. It must never listen elsewhere than on
// 127.0.0.1.
package gitserver

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"time"
)

// maxRequest bounds the body of a request, in bytes, after decompression.
const maxRequest = 16 << 20

// listRefs is how a request for the refs starts in protocol 2, which sends it
// where objects are asked for.
const listRefs = "0014command=ls-refs"

// Backend answers the two questions of smart HTTP. It returns the CPU time that
// it spent outside this process.
type Backend interface {
	// Advertise writes the refs; protocol is the Git-Protocol header.
	Advertise(w io.Writer, protocol string) (time.Duration, error)
	// UploadPack reads a request and writes the objects that it asks for.
	UploadPack(w io.Writer, body io.Reader, protocol string) (time.Duration, error)
	// Name says which one it is.
	Name() string
}

// Best is the git binary where there is one, else go-git.
func Best(dir string) Backend {
	if exe, err := exec.LookPath("git"); err == nil {
		return Binary{Exe: exe, Dir: dir}
	}
	return GoGit{Dir: dir}
}

// Usage is what was asked of a server since it started.
type Usage struct {
	Refs  int           // requests for the refs, or in protocol 2 for what the server can do
	Packs int           // requests for objects
	Bytes int64         // of all answers
	CPU   time.Duration // of the git binary; 0 for go-git, which runs in this process
}

// Sub is what was added since before.
func (u Usage) Sub(before Usage) Usage {
	return Usage{Refs: u.Refs - before.Refs, Packs: u.Packs - before.Packs, Bytes: u.Bytes - before.Bytes, CPU: u.CPU - before.CPU}
}

// Server is a running server.
type Server struct {
	backend Backend
	http    *http.Server
	addr    string
	done    chan struct{}

	answering sync.RWMutex // held for reading by every answer

	mu    sync.Mutex
	usage Usage
}

// Start serves on a free port of 127.0.0.1.
func Start(b Backend) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start git server: %w", err)
	}
	s := &Server{backend: b, addr: l.Addr().String(), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fleet.git/info/refs", s.refs)
	mux.HandleFunc("POST /fleet.git/git-upload-pack", s.uploadPack)
	s.http = &http.Server{Handler: s.whole(mux), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l)
	}()
	return s, nil
}

// URL is the address to clone.
func (s *Server) URL() string { return "http://" + s.addr + "/fleet.git" }

// whole marks answers under way: a client has the end of one before it is counted.
func (s *Server) whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.answering.RLock()
		defer s.answering.RUnlock()
		next.ServeHTTP(w, r)
	})
}

// Usage counts since the start, once the answers under way have ended.
func (s *Server) Usage() Usage {
	s.answering.Lock()
	defer s.answering.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usage
}

// Close ends the server and its connections.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

func (s *Server) refs(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("service") != "git-upload-pack" {
		http.Error(w, "only git-upload-pack is served", http.StatusForbidden)
		return
	}
	header(w, "application/x-git-upload-pack-advertisement")
	out := &counter{w: w}
	cpu, err := s.backend.Advertise(out, r.Header.Get("Git-Protocol"))
	s.count(Usage{Refs: 1, Bytes: out.n, CPU: cpu})
	giveUpOn(err)
}

func (s *Server) uploadPack(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	header(w, "application/x-git-upload-pack-result")
	in := bufio.NewReader(io.LimitReader(body, maxRequest))
	used := Usage{Packs: 1}
	if start, _ := in.Peek(len(listRefs)); string(start) == listRefs {
		used = Usage{Refs: 1}
	}
	out := &counter{w: w}
	var err error
	used.CPU, err = s.backend.UploadPack(out, in, r.Header.Get("Git-Protocol"))
	used.Bytes = out.n
	s.count(used)
	giveUpOn(err)
}

func header(w http.ResponseWriter, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
}

// giveUpOn breaks the connection, as part of an answer may be written already:
// a client must not take it for a whole one.
func giveUpOn(err error) {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) count(u Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage.Refs += u.Refs
	s.usage.Packs += u.Packs
	s.usage.Bytes += u.Bytes
	s.usage.CPU += u.CPU
}

// counter counts what goes through it.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
