package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	helmchart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

func splitField(field string) []string { return strings.Split(field, ".") }

func trimV(version string) string { return strings.TrimPrefix(version, "v") }

// warnOfValues keeps what a release's chart and values warn of, looked for
// again where either changed.
func (r *releasing) warnOfValues() {
	w := &r.memo.warnings
	stamp := fmt.Sprint(r.wanted(), r.explained(r.h.Key()))
	if w.stamp == stamp {
		return
	}
	w.stamp, w.values = stamp, nil
	if note, floats := r.floatsOnPurpose(); floats {
		w.values = append(w.values, note)
	}
	for _, key := range unusedValues(r.chart, r.values) {
		w.values = append(w.values, report.Warning{Reason: report.ReasonUnused, Object: r.h.Key().String(), Message: fmt.Sprintf(
			"values: nothing in chart %s %s uses %q", r.req.Chart.Name, r.req.Chart.Version, key)})
	}
}

// floatsOnPurpose notes that the spec leaves the version of the chart open.
func (r *releasing) floatsOnPurpose() (report.Warning, bool) {
	t := r.h.Spec.Chart
	if t == nil || t.Spec.SourceRef.Kind != unit.HelmRepositoryKind || exact(t.Spec.Version) {
		return report.Warning{}, false
	}
	if (t.Spec.Version == "" || t.Spec.Version == "*") && r.explained(r.h.Key()) {
		return report.Warning{}, false
	}
	asked := t.Spec.Version
	if asked == "" {
		asked = "*"
	}
	return report.Warning{Reason: report.ReasonFloating, Object: r.h.Key().String(), Note: true, Message: fmt.Sprintf(
		"version %q of chart %s follows the repository: %s now", asked, t.Spec.Chart, r.req.Chart.Version)}, true
}

// unusedValues returns the top-level keys of values that nothing in the chart
// can use, in order. It says nothing where a template uses the values as a
// whole, so that what it says is sure.
func unusedValues(c *helmchart.Chart, values map[string]any) []string {
	if c == nil || len(values) == 0 {
		return nil
	}
	used := map[string]bool{"global": true, "tags": true}
	if !usedBy(c, used) || !usedIn(values, used) {
		return nil
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !used[key] {
			out = append(out, key)
		}
	}
	return out
}

// usedBy adds the keys that a chart and those in it use; false where that cannot
// be told. Templates of subcharts count too: they may be included from above.
func usedBy(c *helmchart.Chart, into map[string]bool) bool {
	for key := range c.Values {
		into[key] = true
	}
	if !schemaKeys(c.Schema, into) {
		return false
	}
	for _, d := range c.Metadata.Dependencies {
		into[d.Name], into[d.Alias] = true, true
		for _, path := range strings.Split(d.Condition, ",") {
			into[strings.Split(strings.TrimSpace(path), ".")[0]] = true
		}
	}
	for _, f := range c.Templates {
		if f != nil && !usedInText(string(f.Data), into) {
			return false
		}
	}
	for _, f := range c.Files { // tpl may read them
		if f != nil && strings.Contains(string(f.Data), "{{") && !isProse(f.Name) && !usedInText(string(f.Data), into) {
			return false
		}
	}
	if !usedIn(c.Values, into) {
		return false
	}
	for _, sub := range c.Dependencies() {
		into[sub.Name()] = true
		if !usedBy(sub, into) {
			return false
		}
	}
	return true
}

// isProse tells whether a file is there for people to read.
func isProse(name string) bool {
	return strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".gotmpl")
}

// schemaKeys adds the keys that a schema describes; false for a schema that
// refers to others or has patterns.
func schemaKeys(schema []byte, into map[string]bool) bool {
	if len(schema) == 0 {
		return true
	}
	var s map[string]any
	if json.Unmarshal(schema, &s) != nil {
		return false
	}
	for _, open := range []string{"$ref", "allOf", "anyOf", "oneOf", "patternProperties"} {
		if _, there := s[open]; there {
			return false
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for key := range properties {
		into[key] = true
	}
	return true
}

// valuesUse finds each use of the values in a template.
var valuesUse = regexp.MustCompile(`\.Values\b(\.[A-Za-z_][A-Za-z0-9_]*|)`)

// usedInText adds the keys that a template uses; false where it uses the values
// as a whole.
func usedInText(text string, into map[string]bool) bool {
	for _, m := range valuesUse.FindAllStringSubmatch(text, -1) {
		if m[1] == "" {
			return false
		}
		into[m[1][1:]] = true
	}
	return !strings.Contains(text, `"Values"`) // as an argument of get or index
}

// usedIn adds the keys that templates among values use.
func usedIn(v any, into map[string]bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, item := range v {
			if !usedIn(item, into) {
				return false
			}
		}
	case []any:
		for _, item := range v {
			if !usedIn(item, into) {
				return false
			}
		}
	case string:
		return usedInText(v, into)
	}
	return true
}
