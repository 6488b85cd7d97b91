package flow

import (
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/tree"
)

// Twins finds pins that are likely orphans where the fleet cannot be rendered: two
// names of one component that differ by their signs, observability_metrics and
// observability-metrics, of which the other is written as the rest of the file is.
// Both may be meant; so whatever says more (Probe) is to be asked first.
func Twins(t tree.Tree, f Flow, e Environment, pins []Pin) []Fact {
	out := make([]Fact, len(pins))
	for i, p := range pins {
		if p.Own {
			out[i].Consumed = Yes
			continue
		}
		for j, other := range pins {
			if i != j && p.Kind == other.Kind && p.File == other.File && p.Component != other.Component &&
				plain(p.Component) == plain(other.Component) && odd(p, pins) && !odd(other, pins) {
				out[i] = Fact{Consumed: No, Why: map[State]string{Orphan: fmt.Sprintf("%s in line %d is written as the others are", other.Component, other.Line)}}
			}
		}
	}
	return out
}

// plain is a name without signs.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// odd tells whether most names of a file are written with the other sign.
func odd(p Pin, pins []Pin) bool {
	dash, line := 0, 0
	for _, other := range pins {
		if other.File == p.File {
			dash += min(strings.Count(other.Component, "-"), 1)
			line += min(strings.Count(other.Component, "_"), 1)
		}
	}
	return strings.Contains(p.Component, "-") && line > dash || strings.Contains(p.Component, "_") && dash > line
}
