package plan

// DeletionPolicy is spec.deletionPolicy of a Kustomization: what becomes of its
// objects when it is deleted. Empty means MirrorPrune.
type DeletionPolicy string

// The deletion policies.
const (
	MirrorPrune        DeletionPolicy = "MirrorPrune"
	DeletePolicy       DeletionPolicy = "Delete"
	WaitForTermination DeletionPolicy = "WaitForTermination"
	Orphan             DeletionPolicy = "Orphan"
)

// Removal is a unit that is being deleted.
type Removal struct {
	Policy    DeletionPolicy
	Prune     bool // spec.prune
	Suspended bool // spec.suspend
}

// Fate is what happens to the objects of a deleted unit.
type Fate string

// The fates.
const (
	// Keep leaves the objects.
	Keep Fate = "keep"
	// Remove asks for their deletion and does not wait.
	Remove Fate = "remove"
	// RemoveAndWait asks for their deletion and waits until they are gone, at
	// most for the unit's timeout.
	RemoveAndWait Fate = "remove and wait"
)

// Decide returns what happens to the objects. A suspended unit never deletes,
// and neither does a policy that is not known.
func (r Removal) Decide() Fate {
	switch {
	case r.Suspended:
		return Keep
	case r.Policy == WaitForTermination:
		return RemoveAndWait
	case r.Policy == DeletePolicy:
		return Remove
	case (r.Policy == MirrorPrune || r.Policy == "") && r.Prune:
		return Remove
	}
	return Keep
}
