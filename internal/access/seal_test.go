package access

import "testing"

func TestPair(t *testing.T) {
	public, private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		public, private string
		want            bool
	}{
		"a pair":      {public, private, true},
		"of another":  {other, private, false},
		"turned":      {private, public, false},
		"no public":   {"", private, false},
		"no private":  {public, "x", false},
		"both public": {public, public, false},
	} {
		if got := Pair(c.public, c.private); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
