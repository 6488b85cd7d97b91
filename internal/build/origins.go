package build

import (
	"context"
	"fmt"
	"path"
	"slices"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Origin says where an object of a build was written.
type Origin struct {
	// File holds the manifest, or configures the generator that made the object:
	// relative to the source, or below the URL of Repo.
	File string
	// Repo is the repository or URL of a remote base; empty for the source.
	Repo string
	// Generated is set where the object comes from a generator.
	Generated bool
}

// Origins tells for each object of a build where it was written. It builds
// again with kustomize's origin annotations on, which can make a difference to
// a patch of annotations: the result is for people to read, never to apply. An
// object whose origin kustomize lost on the way is left out.
func Origins(ctx context.Context, t tree.Tree, r Recipe, o Options) (map[object.Ref]Origin, error) {
	if !slices.Contains(r.BuildMetadata, types.OriginAnnotations) {
		r.BuildMetadata = append(slices.Clone(r.BuildMetadata), types.OriginAnnotations)
	}
	p := newPort(ctx, t, &record.Recorder{})
	p.origins = make(map[int]Origin)
	docs, err := p.build(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("find origins: %w", p.outward(err))
	}
	out := make(map[object.Ref]Origin, len(docs))
	for i, doc := range docs {
		origin, known := p.origins[i]
		if !known {
			continue
		}
		found, err := doc.objects()
		if err != nil {
			return nil, err
		}
		for _, u := range found {
			out[object.RefOf(u)] = origin
		}
	}
	return out, nil
}

// originIn reads an origin annotation of a build of dir.
func originIn(dir, repo, file, configuredIn string) (Origin, bool) {
	o := Origin{Repo: repo, File: file}
	if file == "" {
		o.File, o.Generated = configuredIn, true
	}
	if o.File == "" {
		return o, false
	}
	if repo == "" {
		o.File = display(path.Join(dir, o.File))
	}
	return o, true
}
