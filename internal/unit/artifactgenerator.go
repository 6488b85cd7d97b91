package unit

import (
	"time"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// ArtifactGenerator is the union of all versions of an ArtifactGenerator, of
// which there is one.
type ArtifactGenerator struct{ swapi.ArtifactGenerator }

// DecodeArtifactGenerator reads an object of any version.
func DecodeArtifactGenerator(u *unstructured.Unstructured) (*ArtifactGenerator, error) {
	var g ArtifactGenerator
	if err := decode(u, &g.ArtifactGenerator); err != nil {
		return nil, err
	}
	return &g, nil
}

// Key returns the key of the unit.
func (g *ArtifactGenerator) Key() object.Key {
	return object.Key{Group: object.GroupSourceExtensions, Kind: ArtifactGeneratorKind, Namespace: g.Namespace, Name: g.Name}
}

// Source returns the key of an entry of spec.sources.
func (g *ArtifactGenerator) Source(ref swapi.SourceReference) object.Key {
	return SourceKey(ref.Kind, ref.Namespace, ref.Name, g.Namespace)
}

// Output returns the key of the ExternalArtifact of a name.
func (g *ArtifactGenerator) Output(name string) object.Key {
	return SourceKey(ExternalArtifactKind, "", name, g.Namespace)
}

// Interval returns how often the stored artifacts are looked at though nothing
// changed; the spec has no say in it.
func (g *ArtifactGenerator) Interval() time.Duration { return g.GetRequeueAfter() }
