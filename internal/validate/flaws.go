package validate

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// Flaws is Object for an object that a unit of a fleet makes.
func (c *Check) Flaws(ctx context.Context, unit object.Key, obj *unstructured.Unstructured, from fleet.Origin) []change.Flaw {
	problems := c.Object(ctx, obj)
	if len(problems) == 0 {
		return nil
	}
	out := make([]change.Flaw, 0, len(problems))
	for _, p := range problems {
		out = append(out, change.Flaw{
			Unit: unit, Object: object.RefOf(obj), Field: p.Field, Message: p.Message, At: from.At(), Unknown: p.Unknown,
		})
	}
	return out
}
