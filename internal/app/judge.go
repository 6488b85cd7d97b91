package app

import (
	"context"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/provenance"
)

// judge finds where what a change touches was written, and what rules find in the
// change. What the change brings has proven places; of what stood before, places
// are read (provenance.Places), which costs next to nothing.
func judge(ctx context.Context, set *change.Set, base, head rendering) ([]finding.Finding, error) {
	sides := provenance.Sides{Base: base.from.at(base.fleet), Head: head.from.at(head.fleet)}
	if err := provenance.Fill(ctx, set, sides); err != nil {
		return nil, err
	}
	found := finding.Check(*set, finding.Rules)
	after, before := head.from.places(sides.Head), base.from.places(sides.Base)
	finding.Locate(found, func(unit, obj object.Key, field string) string {
		target := provenance.Target{Unit: unit, Object: obj, Pointer: field}
		if at := after.Of(target).At(); at != "" {
			return at
		}
		return before.Of(target).At()
	})
	return found, nil
}
