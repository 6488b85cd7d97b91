package forge

import (
	"slices"
	"time"
)

// Head is a commit that a pull request had as its head from a moment on.
type Head struct {
	Commit string
	Since  time.Time
}

// Hear adds what somebody says next of a pull request to what was said before, the oldest
// first. Without a verdict it takes back what the same person said.
func Hear(said []Review, next Review) []Review {
	if next.Verdict != "" {
		return append(said, next)
	}
	for i := range said {
		said[i].Dismissed = said[i].Dismissed || said[i].Reviewer.ID == next.Reviewer.ID
	}
	return said
}

// HeadAt returns the head that a pull request had at a moment; "" before the first.
// Forges that do not say which commit an approval saw tell when heads changed.
func HeadAt(heads []Head, when time.Time) string {
	sorted := slices.Clone(heads)
	slices.SortStableFunc(sorted, func(a, b Head) int { return a.Since.Compare(b.Since) })
	out := ""
	for _, h := range sorted {
		if !h.Since.After(when) {
			out = h.Commit
		}
	}
	return out
}
