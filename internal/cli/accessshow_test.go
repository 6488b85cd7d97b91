package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/access"
)

// What holders and others have named as they like steers no terminal, and makes no lines
// of its own.
func TestShownAccessSteersNoTerminal(t *testing.T) {
	const evil = "x\x1b[2K\n2026-01-01T00:00:00Z get pods shop/y: 200"
	var out bytes.Buffer
	printAccess(plain{&out}, accessShown{
		Request: access.Request{Status: access.Status{End: &access.End{
			Writes: []access.Write{{Kind: "ClusterRole", Name: evil, Manager: evil, Unit: "Kustomization/a/" + evil}}, Unread: []string{evil}, Reverted: []string{evil},
		}}},
		Decisions: []access.Decision{{Spec: access.DecisionSpec{By: access.Person{Username: evil}, Reason: evil}}},
		Audit:     &access.Audit{Writes: []access.Audited{{Verb: "delete", Resource: "secrets", Namespace: "shop", Name: evil}}, Gap: "none"},
	})
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "\x1b") || strings.HasPrefix(strings.TrimSpace(line), "2026") {
			t.Errorf("got the line %q", line)
		}
	}
}
