package forge

import "slices"

// Standing returns the reviews that count now: of each reviewer the last one that
// approves or rejects, if nobody dismissed it. A comment changes no verdict.
// Reviews are in the order of their submission.
func Standing(reviews []Review) []Review {
	last := map[string]int{}
	for i, r := range reviews {
		if r.Verdict != Commented {
			last[r.Reviewer.ID] = i
		}
	}
	var out []Review
	for i, r := range reviews {
		if last[r.Reviewer.ID] == i && r.Verdict != Commented && !r.Dismissed {
			out = append(out, r)
		}
	}
	return out
}

// Refusal is why an approval does not count.
type Refusal string

// The refusals.
const (
	ByAuthor  Refusal = "is the author of the change"
	ByPusher  Refusal = "pushed to it last"
	ByBot     Refusal = "is a machine"
	ByUnknown Refusal = "the forge does not say which commit was approved"
)

// Refused says why an approval cannot count, whatever the gate asks for; ""
// when it can. Whether an approval of an earlier commit still stands is not
// decided here: that depends on what is rendered from both.
func Refused(pr PullRequest, r Review) Refusal {
	switch {
	case r.Reviewer.ID == pr.Author.ID:
		return ByAuthor
	case pr.Pusher.ID != "" && r.Reviewer.ID == pr.Pusher.ID:
		return ByPusher
	case r.Reviewer.Bot:
		return ByBot
	case r.Commit == "":
		return ByUnknown
	}
	return ""
}

// SetBy returns the statuses that an account set: whoever may push can set any
// context, so only these say what that account found.
func SetBy(statuses []Status, who User) []Status {
	return slices.DeleteFunc(slices.Clone(statuses), func(s Status) bool { return who.ID == "" || s.Creator.ID != who.ID })
}
