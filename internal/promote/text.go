package promote

import (
	"fmt"
	"strings"
)

// Text is the plan in lines: what becomes of each file and why, and of each value
// that is not simply the same.
//
//	changed   apps/web.yaml: values of development
//	  taken      .spec.chart.spec.version: 6.16.10 → 6.16.12 (line 14)
//	  stays      .spec.values.replicas: 3 (line 20)
func (p Plan) Text() string {
	var b strings.Builder
	line := func(text string) { b.WriteString(strings.ReplaceAll(text, "\n", "⏎ ") + "\n") } // names of files may hold one
	for _, f := range p.Files {
		line(fmt.Sprintf("%-9s %s: %s", f.What, f.Name, f.Why))
		for _, v := range f.Values {
			line("  " + v.text())
		}
	}
	for _, r := range p.Refusals {
		line("refused   " + r.String())
	}
	return b.String()
}

func (v Value) text() string {
	said := oneLine(v.From)
	switch {
	case v.From != v.To:
		said = oneLine(v.From) + " → " + oneLine(v.To)
	case v.Source != v.To && v.Source != "":
		said += ", the source has " + oneLine(v.Source)
	}
	rule := string(v.Rule)
	if v.Map != "" {
		rule += " (" + v.Map + ")"
	}
	if v.By != "" {
		rule += " by " + v.By
	}
	return fmt.Sprintf("%-10s %s: %s (line %d)", rule, v.Path, said, v.Line)
}

// oneLine is a value cut to what fits into a line.
func oneLine(value string) string {
	first, _, more := strings.Cut(value, "\n")
	if runes := []rune(first); len(runes) > 80 {
		first, more = string(runes[:80]), true
	}
	if more {
		first += "…"
	}
	if first == "" {
		return "none"
	}
	return first
}
