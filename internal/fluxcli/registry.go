package fluxcli

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// configType is the media type of an artifact's configuration
// (fluxcd/pkg/oci v0.68.1 constants.go).
const configType = types.MediaType("application/vnd.cncf.flux.config.v1+json")

// The annotations of an artifact.
const (
	annotationSource   = "org.opencontainers.image.source"
	annotationRevision = "org.opencontainers.image.revision"
	annotationCreated  = "org.opencontainers.image.created"
)

// registry is how a registry is reached.
type registry struct {
	creds    secret.Value // user:password, or a token
	provider string
	insecure bool
}

func (r *registry) register(fs *pflag.FlagSet) {
	r.provider = "generic"
	fs.Var(&secretText{&r.creds}, "creds", "login to the registry: <user>:<password>, or a token (default that of docker)")
	fs.Var(&choice{&r.provider, "source OCI provider", notSupported, ociProviders}, "provider", "who logs in")
}

func (r *registry) registerInsecure(fs *pflag.FlagSet) {
	fs.BoolVar(&r.insecure, "insecure-registry", false, "over plain HTTP")
}

// access is a registry with the login to it.
type access struct {
	names  []name.Option
	remote []remote.Option
}

// login says how to ask, and tells of it.
func (p *program) login(ctx context.Context, r *registry) (access, error) {
	a := access{remote: []remote.Option{remote.WithContext(ctx), remote.WithUserAgent("flux/v2"), remote.WithTransport(transport())}}
	if r.insecure {
		a.names = append(a.names, name.Insecure)
	}
	switch {
	case r.provider != "generic":
		p.act("logging in to registry with provider credentials")
		return a, fmt.Errorf("error during login with provider: %s is not in this program; log in with its own tool and docker login, or pass --creds", r.provider)
	case r.creds.IsZero():
		a.remote = append(a.remote, remote.WithAuthFromKeychain(authn.DefaultKeychain))
		return a, nil
	}
	p.act("logging in to registry with credentials")
	conf := authn.AuthConfig{RegistryToken: r.creds.Reveal()}
	if user, password, ok := strings.Cut(r.creds.Reveal(), ":"); ok {
		conf = authn.AuthConfig{Username: user, Password: password}
	}
	a.remote = append(a.remote, remote.WithAuth(authn.FromConfig(conf)))
	return a, nil
}

func transport() http.RoundTripper {
	t := remote.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	return t
}

// address takes the scheme off an oci:// address.
func address(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, "oci://")
	if !ok {
		return "", errors.New("URL must be in format 'oci://<domain>/<org>/<repo>'")
	}
	if _, err := name.ParseReference(rest); err != nil {
		return "", fmt.Errorf("'%s' invalid URL: %w", text, err)
	}
	return rest, nil
}

// imageOf is the artifact with a packed content.
func imageOf(packed []byte, annotations map[string]string, created time.Time) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), configType)
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.Created = v1.Time{Time: created}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(image, annotations).(v1.Image)
	if !ok {
		return nil, errors.New("annotate the artifact: it is no image any more")
	}
	layer, err := layerOf(packed)
	if err != nil {
		return nil, err
	}
	return mutate.Append(annotated, mutate.Addendum{Layer: layer})
}

// packedLayer is a layer whose digest is that of the packed bytes, and whose
// DiffID that of the archive in them.
type packedLayer struct {
	v1.Layer
	diff v1.Hash
}

// DiffID implements v1.Layer.
func (l packedLayer) DiffID() (v1.Hash, error) { return l.diff, nil }

func layerOf(packed []byte) (v1.Layer, error) {
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, plain); err != nil {
		return nil, err
	}
	return packedLayer{
		Layer: static.NewLayer(packed, types.MediaType(oci.ContentLayer)),
		diff:  v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))},
	}, nil
}

// pulled is an artifact of a registry.
type pulled struct {
	digest      string // repository@sha256:…
	annotations map[string]string
	layer       v1.Layer // the first
}

func (a access) pull(url string) (pulled, error) {
	ref, err := name.ParseReference(url, a.names...)
	if err != nil {
		return pulled{}, fmt.Errorf("invalid URL: %w", err)
	}
	image, err := remote.Image(ref, a.remote...)
	if err != nil {
		return pulled{}, err // it names the address
	}
	digest, err := image.Digest()
	if err != nil {
		return pulled{}, fmt.Errorf("parsing digest failed: %w", err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return pulled{}, fmt.Errorf("parsing manifest failed: %w", err)
	}
	layers, err := image.Layers()
	if err != nil {
		return pulled{}, fmt.Errorf("failed to list layers: %w", err)
	}
	if len(layers) == 0 {
		return pulled{}, errors.New("no layers found in artifact")
	}
	return pulled{ref.Context().Digest(digest.String()).String(), manifest.Annotations, layers[0]}, nil
}

// extract unpacks the layer below a folder, behind the bounds of package untar.
// Nothing is written before all of it was read.
func (p *program) extract(ctx context.Context, layer v1.Layer, dir string) error {
	blob, err := layer.Compressed()
	if err != nil {
		return fmt.Errorf("extracting layer failed: %w", err)
	}
	defer blob.Close()
	packed, err := io.ReadAll(io.LimitReader(blob, untar.MaxPacked+1))
	if err == nil && len(packed) > untar.MaxPacked {
		err = fmt.Errorf("it has more than %d bytes", int64(untar.MaxPacked))
	}
	if err != nil {
		return fmt.Errorf("extracting layer failed: %w", err)
	}
	t, notes, err := untar.Read(ctx, bytes.NewReader(packed), untar.Options{Links: untar.SkipLinks})
	if err != nil {
		return fmt.Errorf("extracting layer failed: %w", err)
	}
	for _, note := range notes {
		p.warn("%s", note)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return t.Walk(func(path string, b *tree.Blob) error { return unpackFile(root, filepath.FromSlash(path), b) })
}

func unpackFile(root *os.Root, path string, b *tree.Blob) error {
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := b.Read()
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if b.Mode == tree.Executable {
		mode = 0o755
	}
	return root.WriteFile(path, text, mode)
}
