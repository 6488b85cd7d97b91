package engine

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/inventory"
)

// unwritten is the inventory that a run found, and the one that the status held
// then. A status may never come to be written: progress is replaced by a newer
// run, a write is refused. Until the status moves, both hold.
type unwritten struct {
	unit          types.UID
	status, found inventory.Inventory
}

// held is what a unit holds: what its status lists, and what the last run added
// to that if its status was not written.
func (u unwritten) held(unit types.UID, status inventory.Inventory) inventory.Inventory {
	if u.unit != unit || !u.status.Equal(status) {
		return status
	}
	return status.With(u.found...)
}
