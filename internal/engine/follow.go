package engine

import (
	"context"
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// Touched is Touches for many units whose last builds hold at one tree of their
// source, of another one: only what differs between the two is looked at.
//
//	touched := eng.Touched(ctx, was, is)
//	if !touched(web) && eng.Follows(web's object) { … a run would note the revision and nothing else … }
func (e *Engine) Touched(ctx context.Context, was, is tree.Tree) func(object.Key) bool {
	changed := map[string]bool{}
	for _, p := range tree.Changed(was, is) {
		for ; !changed[p]; p = path.Dir(p) { // directories may come, go, or list otherwise
			changed[p] = true
		}
	}
	ask := build.Ask(ctx, is, e.Remote)
	return func(key object.Key) bool {
		reads := e.BuildReads(key)
		for _, r := range reads {
			if r.Space != record.Remote && !changed[r.Key] {
				continue
			}
			if now, known := ask(r.Space, r.Key); !known || now != r.Answer {
				return true
			}
		}
		return reads == nil
	}
}

// Follows tells whether a run of a Kustomization that is ready does nothing but note
// a new revision of its source, where that touches nothing that its build read: all
// else that a run looks at brings a run of its own when it moves. What waits for
// people is asked at each revision.
func (e *Engine) Follows(obj *unstructured.Unstructured) bool {
	if obj.GetKind() != unit.KustomizationKind || obj.GetDeletionTimestamp() != nil || e.Options.Approvals.Seal != nil {
		return false
	}
	suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
	return !suspended && unit.Elsewhere(obj) == "" && e.rulesFor(obj).IsZero()
}
