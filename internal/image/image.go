// Package image writes the container image of Leat without a container engine:
// the static binary, two users, and nothing else. There is no shell in it and
// no package of a distribution.
//
//	idx, err := image.Build(image.Options{Binaries: []string{"bin/leat-linux-amd64"}, Version: "v1.2.0"})
//	err = image.WriteDir("dist/leat-image", idx)
//
// The result is an OCI image layout (opencontainers/image-spec v1.1), which
// skopeo, crane, podman and ctr read. Equal binaries and options give equal
// bytes: no clock, no user and no path of the machine is in it.
//
// It must never take a file of the build machine but the binary: certificates
// of authorities come with the binary, or are mounted.
package image

import (
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Nonroot is the user and group of the process: nobody, by number, so that a
// kubelet can tell that it is not root.
const Nonroot = 65534

// Path is where the binary is.
const Path = "/leat"

// Options are what an image is made of.
type Options struct {
	// Binaries are paths of static programs for Linux, one for each architecture.
	Binaries []string
	// Version is the release, and the tag in the layout.
	Version string
	// Revision is the commit; by default the one that the binary names.
	Revision string
	// Created stands in the image; by default it is the epoch.
	Created time.Time
}

// Build returns an index of the image. With several binaries it holds an index
// of their images.
func Build(o Options) (v1.ImageIndex, error) {
	if len(o.Binaries) == 0 {
		return nil, errors.New("build the image: no binary")
	}
	var adds []mutate.IndexAddendum
	for _, path := range o.Binaries {
		b, err := Inspect(path)
		if err != nil {
			return nil, err
		}
		img, err := o.image(b)
		if err != nil {
			return nil, fmt.Errorf("build the image of %s: %w", path, err)
		}
		adds = append(adds, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: b.Arch},
		}})
	}
	name := map[string]string{"org.opencontainers.image.ref.name": o.Version}
	if len(adds) == 1 {
		adds[0].Descriptor.Annotations = name
		return index(adds...), nil
	}
	return index(mutate.IndexAddendum{Add: index(adds...), Descriptor: v1.Descriptor{Annotations: name}}), nil
}

func index(adds ...mutate.IndexAddendum) v1.ImageIndex {
	return mutate.IndexMediaType(mutate.AppendManifests(empty.Index, adds...), types.OCIImageIndex)
}

func (o Options) image(b Binary) (v1.Image, error) {
	if o.Revision == "" {
		o.Revision = b.Revision
	}
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	program, err := programLayer(b.Path)
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: o.created()}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		OS: "linux", Architecture: b.Arch, Created: created, RootFS: v1.RootFS{Type: "layers"}, Config: o.config(),
	})
	if err != nil {
		return nil, err
	}
	img, err = mutate.Append(img,
		mutate.Addendum{Layer: base, History: v1.History{Created: created, CreatedBy: "users and directories"}, MediaType: types.OCILayer},
		mutate.Addendum{Layer: program, History: v1.History{Created: created, CreatedBy: "leat " + o.Version}, MediaType: types.OCILayer},
	)
	if err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(img, o.labels()).(v1.Image)
	if !ok {
		return nil, errors.New("annotate the image: it is none any more")
	}
	return annotated, nil
}

func (o Options) created() time.Time {
	if o.Created.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return o.Created.UTC()
}

func (o Options) config() v1.Config {
	return v1.Config{
		User:       fmt.Sprintf("%d:%d", Nonroot, Nonroot),
		Entrypoint: []string{Path},
		Env:        []string{"PATH=/", "HOME=/tmp"},
		WorkingDir: "/",
		Labels:     o.labels(),
	}
}

// labels are the annotations of the image too (image-spec, annotations.md).
func (o Options) labels() map[string]string {
	l := map[string]string{
		"org.opencontainers.image.title":       "leat",
		"org.opencontainers.image.description": "GitOps delivery for Kubernetes, a drop-in for Flux",
		"org.opencontainers.image.source":      "https://github.com/leat-dev/leat",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     o.Version,
		"org.opencontainers.image.created":     o.created().Format(time.RFC3339),
	}
	if o.Revision != "" {
		l["org.opencontainers.image.revision"] = o.Revision
	}
	return l
}
