package provenance

import (
	"math/rand/v2"
	"testing"

	"github.com/leat-dev/leat/internal/object"
)

// The documents that are likely hold the one that fits best of all, and no other
// that fits as well is left out.
func TestLikelyHoldsTheBest(t *testing.T) {
	draw := rand.New(rand.NewPCG(7, 8))
	one := func(of ...string) string { return of[draw.IntN(len(of))] }
	for range 2000 {
		c := catalog{map[string][]placed{}, map[name][]placed{}}
		var all []placed
		for range 1 + draw.IntN(6) {
			h := head{kind: one("A", "B"), name: one("web", "web-2", "${X}-web", "we", ""), namespace: one("", "x", "y"), generated: draw.IntN(3) == 0}
			all = append(all, placed{h, "f"})
			c.add(placed{h, "f"})
		}
		ref := object.Ref{Key: object.Key{Kind: one("A", "B"), Namespace: one("x", "y"), Name: one("web", "web-2", "a-web", "web-5f8g7h9k2m")}}
		if got, want := bests(c.likely(ref), ref), bests(all, ref); got != want {
			t.Fatalf("%+v of %+v: fit and number %v, of all %v", ref, all, got, want)
		}
	}
}

// bests are how well the best fits, and how many do.
func bests(all []placed, ref object.Ref) (out [2]int) {
	for _, at := range all {
		switch fit := at.fit(ref); {
		case fit > out[0]:
			out = [2]int{fit, 1}
		case fit == out[0] && fit > 0:
			out[1]++
		}
	}
	return out
}
