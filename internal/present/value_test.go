package present

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Values are written as the YAML library writes them, also where that is not asked.
func TestValueLines(t *testing.T) {
	for _, value := range []string{
		"0", "-1", "12", "1.5", "1e3", "12345678901234567890", "true", "null", `"true"`, `"Yes"`, `"n"`, `"a"`, `"a:b"`, `"a: b"`, `"a:"`, `"a #b"`, `"20.1"`,
		`"1.4.2"`, `"ghcr.io/acme/web:1.5.0@sha256:5f7a"`, `"secret:3f2a91bc"`, `""`, `"-"`, `"a-b_c"`, `"0x1"`, `"e1"`, `"NaN"`, `"NULL"`, `"~"`, `[1,"a"]`, `{"a":{"b":"off"}}`,
	} {
		want, err := yaml.JSONToYAML([]byte(value))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(valueLines([]byte(value)), "\n"); got != strings.TrimSpace(string(want)) {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
	if got := strings.Join(valueLines([]byte(`"a\nb\n"`)), "|"); got != "a|b" {
		t.Errorf("a text of two lines is %s", got)
	}
}
