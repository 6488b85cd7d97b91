package validate

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// Written is an object that a unit of a fleet makes.
type Written struct {
	Unit   object.Key
	Object *unstructured.Unstructured
	Origin fleet.Origin
	// Dropped are fields, as JSON pointers, that were written and are not in
	// Object any more, since nothing knows them.
	Dropped []string
}

// Flaws returns what schemas say against an object that a unit makes.
func (c *Check) Flaws(ctx context.Context, w Written) []change.Flaw {
	flaw := change.Flaw{Unit: w.Unit, Object: object.RefOf(w.Object), At: w.Origin.At()}
	var out []change.Flaw
	for _, at := range w.Dropped {
		flaw.Field, flaw.Message, flaw.Unknown = at, "there is no such field: it is dropped without a word", true
		out = append(out, flaw)
	}
	for _, p := range c.Object(ctx, w.Object) {
		flaw.Field, flaw.Message, flaw.Unknown = p.Field, p.Message, p.Unknown
		out = append(out, flaw)
	}
	return out
}
