// Package registry serves the files of a fleet as one OCI artifact, the way
// `flux push artifact` packs them, on loopback.
//
//	r, err := registry.Start(f.Files(), "main")
//	defer r.Close()
//	r.URL()      // oci://127.0.0.1:…/fleet
//	r.Revision() // main@sha256:…
//
// Equal files give equal digests. It must never listen elsewhere than on
// 127.0.0.1.
package registry

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/leat-dev/leat/bench/tgz"
)

// The media types of Flux's artifacts (fluxcd/pkg/oci).
const (
	configType  = "application/vnd.cncf.flux.config.v1+json"
	contentType = "application/vnd.cncf.flux.content.v1.tar+gzip"
)

// repository is the name of the one repository.
const repository = "fleet"

// Server is a running registry with one artifact.
type Server struct {
	http   *http.Server
	addr   string
	tag    string
	digest string
	done   chan struct{}
}

// Start serves files, by path, under a tag on a free port of 127.0.0.1.
func Start(files map[string][]byte, tag string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start registry: %w", err)
	}
	s := &Server{addr: l.Addr().String(), tag: tag, done: make(chan struct{})}
	s.http = &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l)
	}()
	if err := s.push(files); err != nil {
		return nil, errors.Join(fmt.Errorf("fill registry: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) push(files map[string][]byte) error {
	img, err := artifact(files)
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	ref, err := name.NewTag(s.addr + "/" + repository + ":" + s.tag)
	if err != nil {
		return err
	}
	s.digest = digest.String()
	return remote.Write(ref, img)
}

func artifact(files map[string][]byte) (v1.Image, error) {
	packed, err := tgz.Pack(files)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), configType)
	return mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(packed, contentType)})
}

// URL is the address for an OCIRepository.
func (s *Server) URL() string { return "oci://" + s.addr + "/" + repository }

// Revision is the artifact as Flux writes it.
func (s *Server) Revision() string { return s.tag + "@" + s.digest }

// Close ends the server and its connections.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}
