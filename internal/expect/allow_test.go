package expect_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/expect"
)

// The example of the docs can be read, and says what the docs say it does.
func TestAllowedExampleOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/findings.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "$schema=https://leat.dev/schema/findings-v1.json\n")
	example, _, _ = strings.Cut(example, "```")
	all, err := expect.ParseAllowed("docs", []byte(example))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if want := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC); !all[1].Until.Equal(want) || all[0].At != "docs:4" {
		t.Errorf("%+v", all)
	}
}

func TestAllowedRefuses(t *testing.T) {
	const text = `apiVersion: leat.dev/findings/v2
kind: AllowedFindings
allowed: []
allow:
- rule: hostpath
  reason: typing error
- {rule: host-path, object: "Pod/[", until: soon}
- {reason: none}
`
	const want = `f:1:13: apiVersion is "leat.dev/findings/v2", want leat.dev/findings/v1
f:3:1: there is no field "allowed"; want one of $schema, apiVersion, kind, allow
f:5:9: there is no rule "hostpath"; docs/findings.md lists them
f:7:3: it has no reason; say why the finding is meant
f:7:29: "Pod/[": syntax error in pattern
f:7:45: until is "soon", want a day such as 2026-12-31
f:8:3: it has no rule`
	if _, err := expect.ParseAllowed("f", []byte(text)); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	for text, want := range map[string]string{
		"":                "f:1:1: it is empty",
		"a: b: c":         "f:1:1: mapping values are not allowed",
		"{}\n---\n{}":     "f:2:1: there is a second document",
		"allow: [a]":      "want a mapping with rule",
		"a: &a [*a, *a]":  "there is no field",
		"[\n\n- a\n\n}\n": "f:",
	} {
		if _, err := expect.ParseAllowed("f", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAllowedFlag(t *testing.T) {
	if a, err := expect.AllowedFlag("host-path:DaemonSet/kube-system/*"); err != nil || a.Rule != "host-path" || a.Object != "DaemonSet/kube-system/*" {
		t.Error(a, err)
	}
	for _, text := range []string{"hostpath", "", "host-path:["} {
		if _, err := expect.AllowedFlag(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzParseAllowed(f *testing.F) {
	f.Add([]byte("apiVersion: leat.dev/findings/v1\nkind: AllowedFindings\nallow: [{rule: host-path, reason: a, until: 2026-01-01}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := expect.ParseAllowed("f", data); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("%q: %v names no place", data, err)
		}
	})
}
