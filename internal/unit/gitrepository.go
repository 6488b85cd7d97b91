package unit

import (
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// GitRepository is the union of all versions of a GitRepository. The fields
// that only old versions have (accessFrom, gitImplementation) have had no
// effect for years and are not decoded.
type GitRepository struct{ sourcev1.GitRepository }

// DecodeGitRepository reads an object of any version.
func DecodeGitRepository(u *unstructured.Unstructured) (*GitRepository, error) {
	var g GitRepository
	if err := decode(u, &g.GitRepository); err != nil {
		return nil, err
	}
	return &g, nil
}

// Key returns the key of the unit.
func (g *GitRepository) Key() object.Key {
	return SourceKey(GitRepositoryKind, "", g.Name, g.Namespace)
}

// Interval returns how often the remote is asked, within bounds.
func (g *GitRepository) Interval() time.Duration { return bound(g.Spec.Interval.Duration) }

// Timeout returns how long one fetch may take.
func (g *GitRepository) Timeout() time.Duration {
	if g.Spec.Timeout == nil || g.Spec.Timeout.Duration <= 0 {
		return time.Minute
	}
	return bound(g.Spec.Timeout.Duration)
}

// Includes returns the keys of the repositories whose artifacts are included.
func (g *GitRepository) Includes() []object.Key {
	out := make([]object.Key, len(g.Spec.Include))
	for i, inc := range g.Spec.Include {
		out[i] = SourceKey(GitRepositoryKind, "", inc.GitRepositoryRef.Name, g.Namespace)
	}
	return out
}
