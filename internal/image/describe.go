package image

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Description is what there is to say of one image.
type Description struct {
	Arch   string
	Digest string
	Size   int64 // of the layers as they are pulled, in bytes
}

// Images describes the images of an index, also those of indexes in it.
func Images(idx v1.ImageIndex) ([]Description, error) {
	manifest, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	var out []Description
	for _, m := range manifest.Manifests {
		if m.MediaType.IsIndex() {
			inner, err := idx.ImageIndex(m.Digest)
			if err != nil {
				return nil, err
			}
			more, err := Images(inner)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		one, err := describe(idx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func describe(idx v1.ImageIndex, m v1.Descriptor) (Description, error) {
	img, err := idx.Image(m.Digest)
	if err != nil {
		return Description{}, err
	}
	layers, err := img.Manifest()
	if err != nil {
		return Description{}, err
	}
	d := Description{Digest: m.Digest.String()}
	if m.Platform != nil {
		d.Arch = m.Platform.Architecture
	}
	for _, l := range layers.Layers {
		d.Size += l.Size
	}
	return d, nil
}
