package provenance

import (
	"context"

	"github.com/leat-dev/leat/internal/change"
)

// Sides are both sides of a change.
type Sides struct{ Base, Head Fleet }

// Fill tells of each unit, object and field of a change where it was written:
// at head, or at base where head does not have it.
func Fill(ctx context.Context, set *change.Set, sides Sides) error {
	return ctx.Err()
}
