package finding

import (
	"fmt"
	"strings"
)

// FailOn says which findings fail a plan. Its zero value fails none.
type FailOn struct {
	from  *Severity // and above
	rules map[string]bool
}

// ParseFailOn reads the value of --fail-on: a severity, names of rules, or both,
// with commas; «none» or nothing fails no plan.
//
//	finding.ParseFailOn("danger")
//	finding.ParseFailOn("danger,image-floating")
func ParseFailOn(text string) (FailOn, error) {
	var f FailOn
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		var s Severity
		switch {
		case word == "" || word == "none":
		case s.UnmarshalText([]byte(word)) == nil:
			if f.from == nil || s < *f.from {
				f.from = &s
			}
		case known(word):
			if f.rules == nil {
				f.rules = map[string]bool{}
			}
			f.rules[word] = true
		default:
			return FailOn{}, fmt.Errorf("read --fail-on: there is no severity or rule %q; want none, %s or one of %s",
				word, strings.Join(severities, ", "), strings.Join(Names(), ", "))
		}
	}
	return f, nil
}

func known(name string) bool {
	for _, r := range Rules {
		if r.Name == name {
			return true
		}
	}
	return false
}

// Names returns the names of all rules, the most dangerous first.
func Names() []string {
	out := make([]string, 0, len(Rules))
	for _, r := range Rules {
		out = append(out, r.Name)
	}
	return out
}

// Of returns the findings that fail a plan: those that count, and that are asked
// for.
func (f FailOn) Of(found []Finding) []Finding {
	var out []Finding
	for _, one := range found {
		if one.Counts() && (f.rules[one.Rule] || f.from != nil && one.Severity >= *f.from) {
			out = append(out, one)
		}
	}
	return out
}
