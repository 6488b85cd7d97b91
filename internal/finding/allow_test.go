package finding_test

import (
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/object"
)

func TestPermit(t *testing.T) {
	unit := object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: "web"}
	on := func(rule string, s finding.Severity) finding.Finding {
		return finding.Finding{Rule: rule, Severity: s, Unit: unit, Object: object.Ref{Key: object.Key{Kind: "Pod", Namespace: "apps", Name: "a"}}}
	}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		of    finding.Finding
		by    finding.Allowance
		at    time.Time
		allow string // AllowedBy; empty where it is not allowed
		says  string
	}{
		{name: "another rule", of: on("a", 1), by: finding.Allowance{Rule: "b", At: "f:1"}},
		{name: "a rule", of: on("a", 1), by: finding.Allowance{Rule: "a", At: "f:1", Reason: "meant"}, allow: "f:1: meant"},
		{name: "a danger needs its object", of: on("a", finding.Danger), by: finding.Allowance{Rule: "a", Unit: "*/*/*", At: "f:1"}},
		{name: "and has it", of: on("a", finding.Danger), by: finding.Allowance{Rule: "a", Object: "Pod/apps/*", At: "f:1"}, allow: "f:1"},
		{name: "a star has no slash", of: on("a", 1), by: finding.Allowance{Rule: "a", Object: "Pod/*", At: "f:1"}},
		{name: "the unit where there is no object", of: finding.Finding{Rule: "a", Unit: unit}, by: finding.Allowance{Rule: "a", Object: "Kustomization/flux-system/web", At: "f:1"}, allow: "f:1"},
		{name: "by its unit", of: on("a", 1), by: finding.Allowance{Rule: "a", Unit: "Kustomization/flux-system/other", At: "f:1"}},
		{name: "in another cluster", of: on("a", 1), by: finding.Allowance{Rule: "a", Cluster: "clusters/dev", At: "f:1"}},
		{name: "in clusters", of: on("a", 1), by: finding.Allowance{Rule: "a", Cluster: "clusters/*", At: "f:1"}, allow: "f:1"},
		{name: "on its last day", of: on("a", 1), by: finding.Allowance{Rule: "a", Until: day, At: "f:1"}, at: day.Add(-1), allow: "f:1"},
		{name: "after it", of: on("a", 1), by: finding.Allowance{Rule: "a", Until: day, At: "f:1"}, at: day, says: " (it was allowed until 2026-02-28, by f:1)"},
	} {
		found := []finding.Finding{c.of}
		finding.Permit(found, []finding.Allowance{c.by}, "clusters/prod", c.at)
		if got := found[0]; got.Allowed != (c.allow != "") || got.AllowedBy != c.allow || got.Message != c.says {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// What is allowed goes behind what counts and what is old.
func TestPermitOrders(t *testing.T) {
	found := []finding.Finding{{Rule: "a", Severity: finding.Warning}, {Rule: "b"}, {Rule: "c", Old: true}}
	finding.Permit(found, []finding.Allowance{{Rule: "a"}}, "", time.Time{})
	if found[0].Rule != "b" || found[1].Rule != "c" || found[2].Rule != "a" || finding.Allowed(found) != 1 {
		t.Errorf("%v", found)
	}
}
