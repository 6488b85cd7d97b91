package mirror

import "testing"

func TestNormalize(t *testing.T) {
	const want = "github.com/acme/fleet"
	for _, in := range []string{
		"https://github.com/acme/fleet", "https://github.com/acme/fleet.git", "https://github.com/acme/fleet/",
		"ssh://git@github.com/acme/fleet", "ssh://git@github.com:22/acme/fleet.git", "git@github.com:acme/fleet.git",
		"http://user:secret@GitHub.com/acme/fleet", "https://github.com//acme/./fleet",
	} {
		if got := Normalize(in); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Normalize("oci://ghcr.io/acme/app"); got != "oci://ghcr.io/acme/app" {
		t.Errorf("got %q", got)
	}
}

func TestFind(t *testing.T) {
	var list []Mirror
	for _, text := range []string{"https://github.com/acme/=a", "https://github.com/acme/fleet=b", "https://raw.example/x.yaml?ref=v1=c", "https://example.com=d"} {
		m, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	for in, want := range map[string]string{
		"https://github.com/acme/app.git":   "a|app",
		"git@github.com:acme/fleet":         "b|",
		"https://github.com/acme/fleet/sub": "b|sub",
		"https://github.com/acme/fleetwide": "a|fleetwide",
		"https://github.com/other/app":      "",
		"https://raw.example/x.yaml?ref=v1": "c|",
		"https://example.com/charts":        "d|charts",
		"https://example.community/charts":  "",
	} {
		m, rest, ok := Find(list, in)
		got := ""
		if ok {
			got = m.Target + "|" + rest
		}
		if got != want {
			t.Errorf("Find(%q) = %q, want %q", in, got, want)
		}
	}
	for _, bad := range []string{"", "x", "=y", "x="} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) did not fail", bad)
		}
	}
}
