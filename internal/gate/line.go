package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Line is what an engine asks for before it changes anything in an environment. It
// is read from the cluster, never from what is to be applied.
type Line struct {
	Environment string
	Rule        Rule
	People      People
	Signers     []Signer
}

// Held is a unit that may not be applied yet.
type Held struct {
	Environment string
	Digest      Digest
	By          []string // who approved it so far
	Missing     int
	From        []string // who may
}

// Error says what a person has to do.
func (h *Held) Error() string {
	have := "nobody approved it"
	if len(h.By) > 0 {
		have = "approved by " + strings.Join(h.By, ", ")
	}
	return fmt.Sprintf("%s in %s waits for %d more approval(s) of %s: %s; run leat approve %s",
		h.Digest, h.Environment, h.Missing, strings.Join(h.From, ", "), have, h.Environment)
}

// Holds decides whether a unit may become what a digest names. signed are all
// statements that were found, whoever put them there: only what the designated
// people signed counts, each person once. nil lets it pass.
func (l Line) Holds(unit string, digest Digest, signed [][]byte, now time.Time) *Held {
	var by []string
	may := l.People.Designated(l.Rule)
	for _, text := range signed[:min(len(signed), MaxStatements)] {
		s, persons, err := Read(text, l.Signers)
		if err != nil || s.Environment != l.Environment || s.Units[unit] != digest || !s.Expires.IsZero() && !now.Before(s.Expires) {
			continue
		}
		for _, person := range persons {
			if who := l.People.person(person); slices.Contains(may, who) && !slices.Contains(by, who) {
				by = append(by, who)
			}
		}
	}
	if missing := l.Rule.Count - len(by); missing > 0 {
		from := slices.DeleteFunc(may, func(who string) bool { return slices.Contains(by, who) })
		slices.Sort(by)
		return &Held{l.Environment, digest, by, missing, from}
	}
	return nil
}
