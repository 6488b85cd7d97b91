package oci

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/source/fault"
)

func TestParseAddress(t *testing.T) {
	for address, want := range map[string]string{
		"oci://ghcr.io/acme/app":            "ghcr.io acme/app",
		"oci://ghcr.io/acme/app/":           "ghcr.io acme/app",
		"oci://localhost:5000/app":          "localhost:5000 app",
		"oci://docker.io/acme/app":          "index.docker.io acme/app",
		"oci://acme/app":                    "index.docker.io acme/app",
		"oci://ghcr.io/acme/app:v1":         "remove ':v1'",
		"oci://ghcr.io/acme/app@sha256:1":   "remove '@sha256:1'",
		"oci://localhost:5000/app:v1@sha25": "remove ':v1@sha25'",
		"https://ghcr.io/acme/app":          "oci://<domain>",
		"oci://":                            "cannot be used",
		"oci://ghcr.io/Acme/app":            "cannot be used",
		"oci://ghcr.io/a/../../b":           "cannot be used",
	} {
		host, repo, err := ParseAddress(address)
		if err != nil && fault.ClassOf(err) != fault.InvalidURL {
			t.Errorf("%s: class %q", address, fault.ClassOf(err))
		}
		if got := host + " " + repo; got != want && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %q, %v, want %q", address, got, err, want)
		}
	}
}

func TestChoose(t *testing.T) {
	tags := []string{"latest", "6.1.0", "v6.2.0", "6.10.1", "7.0.0-rc.1", "7.0", "6.3.0_b1", "1.0.0", "1.0.0-a"}
	for name, c := range map[string]struct {
		want Ref
		tag  string
		err  string
	}{
		"newest of a range":       {Ref{SemVer: "6.x"}, "6.10.1", ""},
		"with a v":                {Ref{SemVer: "~6.2"}, "v6.2.0", ""},
		"no pre-release":          {Ref{SemVer: ">=6"}, "6.10.1", ""},
		"pre-release":             {Ref{SemVer: ">=6.0.0-0"}, "7.0.0-rc.1", ""},
		"filter":                  {Ref{SemVer: "6.x", Filter: `^6\.[0-9]\.`}, "6.1.0", ""},
		"three parts":             {Ref{SemVer: "=7.0"}, "", "no match found for semver: =7.0"},
		"underscore is not plus":  {Ref{SemVer: "~6.3"}, "", "tags: v6.2.0, latest"},
		"but in a chart":          {Ref{SemVer: "~6.3", MediaType: ChartLayer}, "6.3.0_b1", ""},
		"strict, if there is one": {Ref{SemVer: "<6.3", Strict: true}, "6.1.0", ""},
		"else any":                {Ref{SemVer: "~6.2", Strict: true}, "v6.2.0", ""},
		"nonsense":                {Ref{SemVer: "latest please"}, "", "cannot be read"},
		"broken filter":           {Ref{SemVer: "*", Filter: "("}, "", "semverFilter"},
		"nothing left":            {Ref{SemVer: "*", Filter: "zzz"}, "", `that match "zzz"`},
	} {
		got, err := Choose(tags, c.want)
		if got != c.tag || c.err == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// A filter may be complex, or stand against many tags, not both.
func TestEndlessFilter(t *testing.T) {
	var tags []string
	for i := range 20_000 {
		tags = append(tags, fmt.Sprintf("1.0.%d", i))
	}
	if got, err := Choose(tags, Ref{SemVer: "*", Filter: `^1\.(?P<minor>[0-9]+)\.(?P<patch>[0-9]{1,6})$`}); err != nil || got != "1.0.19999" {
		t.Errorf("got %q, %v", got, err)
	}
	costly := strings.Repeat("z{500}", 20)
	if _, err := Choose(tags, Ref{SemVer: "*", Filter: costly}); fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "too much work for 20000 tags") {
		t.Errorf("got %v", err)
	}
	if _, err := Choose(tags[:3], Ref{SemVer: "*", Filter: costly}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestChartRef(t *testing.T) {
	for version, want := range map[string]Ref{
		"1.2.3":    {Tag: "1.2.3", MediaType: ChartLayer},
		"1.2.3+b4": {Tag: "1.2.3_b4", MediaType: ChartLayer},
		"":         {SemVer: "*", MediaType: ChartLayer, Strict: true},
		"1.2":      {SemVer: "1.2", MediaType: ChartLayer, Strict: true},
		"~1.2.0":   {SemVer: "~1.2.0", MediaType: ChartLayer, Strict: true},
	} {
		if got := ChartRef(version); got != want {
			t.Errorf("%q: got %+v", version, got)
		}
	}
}
