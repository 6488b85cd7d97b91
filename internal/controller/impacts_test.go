package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// An artifact that is slow to open keeps nobody waiting but the units that build
// from it, and of those that come meanwhile the newest is looked into.
func TestImpactsAreFoundBesideTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, other := object.Key{Kind: "GitRepository", Name: "slow"}, object.Key{Kind: "GitRepository", Name: "other"}
		answer := make(chan error)
		var got []string
		ended := 0
		i := &impacts{
			open: func(ctx context.Context, a *meta.Artifact) (tree.Tree, error) {
				if a.Revision == "other" {
					return tree.Tree{}, nil
				}
				select {
				case err := <-answer:
					return tree.Tree{}, err
				case <-ctx.Done():
					return tree.Tree{}, ctx.Err()
				}
			},
			found: func(_ context.Context, _ object.Key, a artifact, t *tree.Tree) {
				text := a.is.Revision
				if t == nil {
					text += " touches all"
				}
				got = append(got, text)
			},
			ended: func() { ended++ },
		}
		i.start(t.Context())
		push := func(source object.Key, revision string, look bool) {
			i.push(source, artifact{&meta.Artifact{Revision: revision}, look})
			synctest.Wait()
		}
		want := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
			got = nil
		}
		push(slow, "1", true)
		push(slow, "2", true)
		push(slow, "3", true)
		push(other, "other", true)
		want("another source", "other")
		if i.len() != 1 || ended != 1 {
			t.Errorf("got %d at work and %d ended, want 1 and 1", i.len(), ended)
		}
		answer <- nil
		want("the first is open", "1")
		answer <- errors.New("gone")
		want("the newest cannot be opened", "3 touches all")
		push(slow, "4", false)
		want("one that is not looked into", "4 touches all")
		push(slow, "5", true)
		push(slow, "6", false)
		i.wait.Wait() // time passes
		want("nobody answers", "5 touches all", "6 touches all")
		if i.len() != 0 {
			t.Errorf("got %d at work, want none", i.len())
		}
		i.stop()
		push(slow, "7", true)
		want("after the end")
	})
}
