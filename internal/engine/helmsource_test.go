package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

// large is an artifact of a tree that is too large to be a packaged chart.
type large struct{ t tree.Tree }

func (l large) Open(context.Context, *meta.Artifact) (tree.Tree, error) { return l.t, nil }

func (l large) Read(_ context.Context, _ *meta.Artifact, limit int64) ([]byte, error) {
	if limit > 100<<20 {
		return nil, errors.New("as much would be read into memory")
	}
	return nil, &fault.Error{Class: fault.TooLarge, Err: errors.New("too large")}
}

// An artifact that is too large for a packaged chart may be a tree with a small chart in it.
func TestChartInALargeArtifact(t *testing.T) {
	with, err := tree.FromFiles(map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	r := &releasing{Engine: &Engine{Trees: large{with}}}
	if c, err := r.read(t.Context(), &meta.Artifact{}); err != nil || c.Name() != "web" {
		t.Errorf("got %v, %v", c, err)
	}
	r.Trees = large{}
	if _, err := r.read(t.Context(), &meta.Artifact{}); fault.ClassOf(err) != fault.TooLarge {
		t.Errorf("without a chart: got %v", err)
	}
}
