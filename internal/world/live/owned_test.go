package live

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
)

// However rows come and go, Owned tells those that a look through all rows finds.
func TestOwnedIsWhatAllRowsSay(t *testing.T) {
	table, _, _ := stage(t)
	draw := rand.New(rand.NewPCG(1, 2))
	unit := func(i int) object.Key {
		if i == 0 {
			return object.Key{}
		}
		return object.Key{Group: "g", Kind: "Unit", Namespace: "x", Name: fmt.Sprint(i)}
	}
	for i := range 2000 {
		key := object.Key{Kind: "ConfigMap", Namespace: "apps", Name: fmt.Sprint(draw.IntN(30))}
		seen := Seen{Version: uint64(i), Owner: unit(draw.IntN(4))}
		if draw.IntN(3) > 0 {
			seen.Entry = hash.OfString("entry")
		}
		switch draw.IntN(4) {
		case 0:
			table.gone(key, uint64(i))
		case 1:
			table.Forget(key)
		default:
			table.heard(key, seen)
		}
		for n := range 4 {
			want := map[object.Key]Seen{}
			for key, r := range table.rows {
				if r.Owner == unit(n) && n > 0 && !r.Entry.IsZero() {
					want[key] = r.Seen
				}
			}
			if got := table.Owned(unit(n)); !maps.Equal(got, want) {
				t.Fatalf("step %d: unit %d owns %v, want %v", i, n, got, want)
			}
		}
	}
}
