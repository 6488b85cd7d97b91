package forge

import "slices"

// SetBy returns the statuses that an account set: whoever may push can set any
// context, so only these say what that account found.
func SetBy(statuses []Status, who User) []Status {
	return slices.DeleteFunc(slices.Clone(statuses), func(s Status) bool { return who.ID == "" || s.Creator.ID != who.ID })
}

// StateOf reads a service's word for a state by the words for ours; another word is
// Pending, so that nothing passes that is not known to.
func StateOf(words map[CheckState]string, theirs string) CheckState {
	for _, ours := range []CheckState{Success, Failure, Errored} {
		if words[ours] == theirs {
			return ours
		}
	}
	return Pending
}

// LastOfEach keeps the last status of each context and creator; the oldest come
// first. Contexts are told apart by letter: some forges mix up A and a.
func LastOfEach(statuses []Status) []Status {
	type key struct{ context, creator string }
	last := map[key]int{}
	for i, s := range statuses {
		last[key{s.Context, s.Creator.ID}] = i
	}
	var out []Status
	for i, s := range statuses {
		if last[key{s.Context, s.Creator.ID}] == i {
			out = append(out, s)
		}
	}
	return out
}
