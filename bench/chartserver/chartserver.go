// Package chartserver serves one chart as an HTTP chart repository on loopback.
//
//	s, err := chartserver.Start(chartserver.Chart{Name: "fleet", Version: "1.0.0", Files: files})
//	defer s.Close()
//	s.URL() // http://127.0.0.1:…
//
// Equal files give equal bytes. It must never listen elsewhere than on
// 127.0.0.1.
package chartserver

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/leat-dev/leat/bench/tgz"
)

// Chart is what is served.
type Chart struct {
	Name, Version string
	Files         map[string][]byte // by path, the chart's name first
}

// Server is a running repository.
type Server struct {
	http    *http.Server
	addr    string
	index   []byte
	archive []byte
	indexes atomic.Int64
	charts  atomic.Int64
	done    chan struct{}
}

// Start serves a chart on a free port of 127.0.0.1.
func Start(c Chart) (*Server, error) {
	archive, err := tgz.Pack(c.Files)
	if err != nil {
		return nil, fmt.Errorf("pack chart %s: %w", c.Name, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start chart repository: %w", err)
	}
	file := c.Name + "-" + c.Version + ".tgz"
	s := &Server{addr: l.Addr().String(), index: index(c, file, archive), archive: archive, done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /index.yaml", func(w http.ResponseWriter, _ *http.Request) {
		s.indexes.Add(1)
		_, _ = w.Write(s.index)
	})
	mux.HandleFunc("GET /"+file, func(w http.ResponseWriter, _ *http.Request) {
		s.charts.Add(1)
		_, _ = w.Write(s.archive)
	})
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l)
	}()
	return s, nil
}

func index(c Chart, file string, archive []byte) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
entries:
  %s:
  - apiVersion: v2
    created: "2026-01-01T00:00:00Z"
    digest: %x
    name: %s
    type: application
    urls:
    - %s
    version: %s
generated: "2026-01-01T00:00:00Z"
`, c.Name, sha256.Sum256(archive), c.Name, file, c.Version)
}

// URL is the address for a HelmRepository.
func (s *Server) URL() string { return "http://" + s.addr }

// Served is how often the index and the chart were sent.
func (s *Server) Served() (indexes, charts int) {
	return int(s.indexes.Load()), int(s.charts.Load())
}

// Close ends the server and its connections.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
