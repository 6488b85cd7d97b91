package unit_test

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

func TestCycle(t *testing.T) {
	for name, c := range map[string]struct{ edges, want string }{
		"none":                        {"a>b b>c", ""},
		"one that does not hold a":    {"a>b b>c c>b", ""},
		"itself":                      {"a>a", "a a"},
		"two":                         {"a>b b>a", "a b a"},
		"three, past a way that ends": {"a>x a>b b>c c>a", "a b c a"},
		"the shorter of two":          {"a>b b>c c>a a>d d>a", "a d a"},
		"the first of equals":         {"a>b a>c b>a c>a", "a b a"},
	} {
		t.Run(name, func(t *testing.T) {
			next := func(key object.Key) (out []object.Key) {
				for edge := range strings.FieldsSeq(c.edges) {
					if from, to, _ := strings.Cut(edge, ">"); from == key.Name {
						out = append(out, object.Key{Name: to})
					}
				}
				return out
			}
			var got []string
			for _, key := range unit.Cycle(object.Key{Name: "a"}, next) {
				got = append(got, key.Name)
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
