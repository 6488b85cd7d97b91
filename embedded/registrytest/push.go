package registrytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of what `flux push artifact` and `helm push` make.
const (
	FluxContent  = "application/vnd.cncf.flux.content.v1.tar+gzip"
	FluxConfig   = "application/vnd.cncf.flux.config.v1+json"
	ChartContent = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	ChartConfig  = "application/vnd.cncf.helm.config.v1+json"
)

// Artifact is what can be pushed.
type Artifact struct {
	Config      string // media type
	Layers      []Layer
	Annotations map[string]string
}

// Layer is one part of it.
type Layer struct {
	MediaType string
	Content   []byte
}

// Files returns the artifact that `flux push artifact` makes of files.
func Files(files map[string]string) Artifact {
	return Artifact{Config: FluxConfig, Layers: []Layer{{FluxContent, Pack(files)}}}
}

// Chart returns the artifact that `helm push` makes of a packed chart.
func Chart(packed []byte) Artifact {
	return Artifact{Config: ChartConfig, Layers: []Layer{{ChartContent, packed}}}
}

// With returns the artifact with an annotation more.
func (a Artifact) With(key, value string) Artifact {
	a.Annotations = maps.Clone(a.Annotations)
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	a.Annotations[key] = value
	return a
}

// Pack returns a gzipped tar of files, sorted.
func Pack(files map[string]string) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}))
		_, err := tw.Write([]byte(files[name]))
		must(err)
	}
	must(tw.Close())
	must(zw.Close())
	return buf.Bytes()
}

// must is for writes to memory, which do not fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Push stores an artifact under a tag, which may move, and returns the digest of
// its manifest.
func (r *Registry) Push(repository, tag string, a Artifact) string {
	r.t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(a.Config))
	for _, l := range a.Layers {
		var err error
		img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(l.Content, types.MediaType(l.MediaType))})
		r.check(err)
	}
	if len(a.Annotations) > 0 {
		img = mutate.Annotations(img, a.Annotations).(v1.Image)
	}
	ref, err := name.NewTag(r.Host() + "/" + repository + ":" + tag)
	r.check(err)
	r.check(remote.Write(ref, img, r.options()...))
	digest, err := img.Digest()
	r.check(err)
	return digest.String()
}

func (r *Registry) options() []remote.Option {
	opts := []remote.Option{}
	if r.o.User != "" {
		opts = append(opts, remote.WithAuth(&authn.Basic{Username: r.o.User, Password: r.o.Password}))
	}
	if r.o.TLS != nil {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.TLSClientConfig = r.o.TLS.Clone()
		tr.TLSClientConfig.RootCAs = r.Trust()
		tr.TLSClientConfig.Certificates = r.srv.TLS.Certificates
		opts = append(opts, remote.WithTransport(tr))
	}
	return opts
}

func (r *Registry) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
