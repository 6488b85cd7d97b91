// Package inventory is the list of objects that a unit applied, as it stands in
// status.inventory.entries.
//
//	old, err := inventory.Decode(entries)
//	stale := old.Without(now)
//	now = now.With(survivors...)
//
// It never says that an object may be deleted: see package plan.
package inventory

import (
	"errors"
	"slices"

	"github.com/leat-dev/leat/internal/object"
)

// Entry is one entry as it is stored: the id of an object and the API version
// it was applied in (without the group).
type Entry struct {
	ID      string `json:"id"`
	Version string `json:"v"`
}

// Inventory is the objects of a unit in the order in which they were applied:
// stage by stage, within a stage in the order of plan.Compare (kustomize-
// controller v1.9 internal/inventory). An object is in it once. Its zero value
// is empty. Methods return new inventories and change none.
type Inventory []object.Ref

// Of returns the inventory of refs in their order; of an object that occurs
// twice the first place counts.
func Of(refs ...object.Ref) Inventory { return Inventory(nil).With(refs...) }

// Decode reads stored entries. Entries it cannot read are left out and told in
// the error, so that one bad entry does not hide the others; an inventory that
// came with an error must not be written back.
func Decode(entries []Entry) (Inventory, error) {
	var refs []object.Ref
	var errs []error
	for _, entry := range entries {
		key, err := object.ParseInventoryID(entry.ID)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		refs = append(refs, object.Ref{Key: key, Version: entry.Version})
	}
	return Of(refs...), errors.Join(errs...)
}

// Encode writes the inventory as it is stored; never nil, since the field
// entries is required.
func (in Inventory) Encode() []Entry {
	entries := make([]Entry, 0, len(in))
	for _, ref := range in {
		entries = append(entries, Entry{object.InventoryID(ref.Key), ref.Version})
	}
	return entries
}

// Keys returns the set of objects.
func (in Inventory) Keys() map[object.Key]bool {
	keys := make(map[object.Key]bool, len(in))
	for _, ref := range in {
		keys[ref.Key] = true
	}
	return keys
}

// Holds tells whether the object is in the inventory, in whatever version.
func (in Inventory) Holds(key object.Key) bool {
	return slices.ContainsFunc(in, func(ref object.Ref) bool { return ref.Key == key })
}

// Without returns what is in the inventory and not in other, whatever the
// versions.
func (in Inventory) Without(other Inventory) Inventory {
	gone := other.Keys()
	var rest Inventory
	for _, ref := range in {
		if !gone[ref.Key] {
			rest = append(rest, ref)
		}
	}
	return rest
}

// With returns the inventory followed by those of refs that it does not hold.
// Objects whose deletion failed come back this way, to be deleted next time.
func (in Inventory) With(refs ...object.Ref) Inventory {
	seen := in.Keys()
	all := slices.Clone(in)
	for _, ref := range refs {
		if !seen[ref.Key] {
			seen[ref.Key] = true
			all = append(all, ref)
		}
	}
	return all
}

// Equal tells whether both hold the same objects in the same versions and order.
func (in Inventory) Equal(other Inventory) bool { return slices.Equal(in, other) }
