package forge

import "slices"

// SetBy returns the statuses that an account set: whoever may push can set any
// context, so only these say what that account found.
func SetBy(statuses []Status, who User) []Status {
	return slices.DeleteFunc(slices.Clone(statuses), func(s Status) bool { return who.ID == "" || s.Creator.ID != who.ID })
}
