package flux

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		rows   [][]string
		want   string
	}{
		{"header and rows", []string{"Name", "Last scan"}, [][]string{{"a", "x"}, {"longer", ""}},
			"NAME  |LAST SCAN \na     |x        |\nlonger|         |\n"},
		{"no header", nil, [][]string{{"a", "b"}}, "a|b|\n"},
		{"only a header", []string{"Name"}, nil, "NAME \n"},
		{"lines of a cell stand below each other", []string{"A", "Message"}, [][]string{{"a", "one\ntwo"}},
			"A|MESSAGE \na|one    |\n  |two    |\n"},
		{"wide characters take two columns", []string{"A", "B"}, [][]string{{"日本", "x"}, {"é", "y"}},
			"A   |B \n日本|x|\né   |y|\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.ReplaceAll(Table(c.header, c.rows), "\t", "|"); got != c.want {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

func TestShort(t *testing.T) {
	sha := strings.Repeat("0123456789", 4)
	for text, want := range map[string]string{
		"":                                "",
		"main@sha1:" + sha:                "main@sha1:01234567",
		"stored sha256:" + sha + sha[:24]: "stored sha256:01234567",
		"6.9.3+" + sha[:39]:               "6.9.3+" + sha[:39],
	} {
		if got := Short(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "-", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 40: "3.0 TiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: got %q, want %q", bytes, got, want)
		}
	}
}

func TestLogText(t *testing.T) {
	line := `{"ts":"T","level":"error","msg":"broken","error":"why","controllerKind":"Kustomization","name":"apps","namespace":"flux-system"}`
	for _, c := range []struct {
		filter     LogFilter
		line, want string
	}{
		{LogFilter{}, line, "T error Kustomization/apps.flux-system - broken why\n"},
		{LogFilter{Kind: "kustomization", Name: "APPS", Level: "error", Namespace: "flux-system"}, line, "T error Kustomization/apps.flux-system - broken why\n"},
		{LogFilter{Level: "info"}, line, ""},
		{LogFilter{Kind: "HelmRelease"}, line, ""},
		{LogFilter{Namespace: "other"}, line, ""},
		{LogFilter{}, `{"ts":"T","level":"info","msg":"starting"}`, "T info  - starting \n"},
		{LogFilter{}, `{"ts":"T","level":"info","msg":"a\u001b[2Jb"}`, "T info  - a\ufffd[2Jb \n"},
		{LogFilter{}, "panic: no JSON", ""},
		{LogFilter{}, "", ""},
	} {
		got, err := c.filter.LogText([]byte(c.line))
		if err != nil || got != c.want {
			t.Errorf("%+v: got %q, %v; want %q", c.filter, got, err, c.want)
		}
	}
	if _, err := (LogFilter{}).LogText([]byte("{broken")); err == nil {
		t.Error("got no error of a line that is cut")
	}
}

func TestSplitImage(t *testing.T) {
	for image, want := range map[string][2]string{
		"ghcr.io/fluxcd/source-controller:v1.9.5":  {"source-controller", "v1.9.5"},
		"localhost:5000/leat:dev":                  {"leat", "dev"},
		"registry.example.com:5000/team/leat:v2":   {"leat", "v2"},
		"leat:v1":                                  {"leat", "v1"},
		"ghcr.io/x/y:v1@sha256:0123456789abcdef01": {"y", "v1@sha256:0123456789abcdef01"},
	} {
		name, tag, err := SplitImage(image)
		if err != nil || name != want[0] || tag != want[1] {
			t.Errorf("%s: got %q %q %v, want %q", image, name, tag, err, want)
		}
	}
	if _, _, err := SplitImage("ghcr.io/x/y"); err == nil {
		t.Error("got no error of an image without a tag")
	}
}

func TestParseStatusSelector(t *testing.T) {
	for text, want := range map[string]StatusSelector{
		"":            {},
		"ready=false": {"ready", "false", false},
		"Ready!=True": {"Ready", "True", true},
	} {
		if got, err := ParseStatusSelector(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	if _, err := ParseStatusSelector("ready"); err == nil {
		t.Error("got no error of a selector without a status")
	}
}
