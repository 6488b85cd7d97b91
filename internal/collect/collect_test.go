package collect

import (
	"math"
	"testing"
)

func TestBound(t *testing.T) {
	const none = math.MaxInt64
	for name, tt := range map[string]struct{ most, until, inUse, want int64 }{
		"small":                         {none, 400, 100, 400},
		"half of it is in use":          {none, 400, 200, 400},
		"more than half is in use":      {none, 400, 300, 600},
		"GOMEMLIMIT is below":           {350, 400, 100, 350},
		"GOMEMLIMIT ends what it grows": {500, 400, 300, 500},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bound(tt.most, tt.until, tt.inUse); got != tt.want {
				t.Errorf("bound(%d, %d, %d) = %d, want %d", tt.most, tt.until, tt.inUse, got, tt.want)
			}
		})
	}
}
