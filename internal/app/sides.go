package app

import (
	"context"
	"reflect"
	"time"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/preview"
)

// sides renders base, and then head in the world that base left, as a cluster goes
// from one to the other: only what the change touches runs again, and what base
// leaves behind stands. Where that would not be what a fleet that begins with head
// comes to, head is rendered in a world of its own too (preview.Passed says when).
func (p *Previews) sides(ctx context.Context, o entry.Options, base, head Revision) [2]rendering {
	v, from, err := p.stand(ctx, o, base)
	if err != nil {
		return [2]rendering{unrendered(base, err), p.render(ctx, o, head)}
	}
	to, passage := v.pass(ctx, from, head)
	v.Close()
	if passage == preview.Whole {
		return [2]rendering{from, to}
	}
	fresh := p.renderAfter(ctx, o, head, &from.fleet)
	if passage == preview.Refused && fresh.err == nil {
		fresh.fleet = preview.Merge(from.fleet, to.fleet, fresh.fleet)
	}
	return [2]rendering{from, fresh}
}

// pass takes a preview on from where it stands, and tells whether what it came to
// can be taken for the rendering of the revision.
func (v *Preview) pass(ctx context.Context, from rendering, to Revision) (rendering, preview.Passage) {
	began := time.Now()
	e, err := entry.Find(to.Tree, v.options)
	if err != nil || !reflect.DeepEqual(e, v.Entry) {
		return rendering{}, preview.Apart
	}
	v.Fleet.Follows(from.fleet)
	if err := v.Update(ctx, to.Snapshot); err != nil {
		return rendering{}, preview.Apart
	}
	out := v.rendering(ctx, began)
	return out, preview.Passed(from.fleet, out.fleet)
}
