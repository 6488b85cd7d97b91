package expect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/finding"
)

// FindingsVersion and findingsKind name the format of a file of findings that are
// meant. Fields are only ever added to it.
const (
	FindingsVersion = "leat.dev/findings/v1"
	findingsKind    = "AllowedFindings"
)

// ParseAllowed reads a file of findings that are meant. Errors say
// file:line:column; all of them are told.
func ParseAllowed(file string, data []byte) ([]finding.Allowance, error) {
	r := &reader{file: file}
	doc := r.document(data)
	if doc == nil {
		return nil, r.err()
	}
	root := r.fields(doc, "$schema", "apiVersion", "kind", "allow")
	r.header(doc, root, FindingsVersion, findingsKind)
	var out []finding.Allowance
	for _, n := range r.list(root["allow"]) {
		out = append(out, r.allowance(n))
	}
	return out, r.err()
}

// AllowedFlag reads RULE, or RULE:KIND/NAMESPACE/NAME.
func AllowedFlag(text string) (finding.Allowance, error) {
	rule, on, _ := strings.Cut(text, ":")
	a := finding.Allowance{Rule: rule, Object: on, At: "--allow " + text}
	switch _, err := path.Match(on, ""); {
	case !known(rule):
		return a, fmt.Errorf("--allow %s: %s", text, noRule(rule))
	case err != nil:
		return a, fmt.Errorf("--allow %s: %q: %w", text, on, err)
	}
	return a, nil
}

func (r *reader) allowance(n *yaml.Node) finding.Allowance {
	f := r.fields(n, "rule", "object", "unit", "cluster", "reason", "until")
	a := finding.Allowance{Rule: r.text(f["rule"]).value, Reason: r.text(f["reason"]).value, At: fmt.Sprintf("%s:%d", r.file, n.Line)}
	if f["rule"] == nil {
		r.fail(n, "it has no rule")
	} else if !known(a.Rule) {
		r.fail(f["rule"], "%s", noRule(a.Rule))
	}
	if f["reason"] == nil {
		r.fail(n, "it has no reason; say why the finding is meant")
	}
	a.Object, a.Unit, a.Cluster = r.pattern(f["object"]), r.pattern(f["unit"]), r.pattern(f["cluster"])
	if f["until"] != nil {
		day, err := time.Parse(time.DateOnly, f["until"].Value)
		if err != nil {
			r.fail(f["until"], "until is %q, want a day such as 2026-12-31", f["until"].Value)
		}
		a.Until = day.AddDate(0, 0, 1) // it holds on that day
	}
	return a
}

func (r *reader) pattern(n *yaml.Node) string {
	text := r.text(n).value
	if _, err := path.Match(text, ""); err != nil {
		r.fail(n, "%q: %v", text, err)
	}
	return text
}

func known(rule string) bool { return slices.Contains(finding.Names(), rule) }

func noRule(name string) string {
	return fmt.Sprintf("there is no rule %q; docs/findings.md lists them", name)
}
