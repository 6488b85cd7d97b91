package plugin

import (
	"strings"
	"testing"
)

const sum = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestReadManifest(t *testing.T) {
	const good = "apiVersion: cli.fluxcd.io/v1beta1\nkind: Plugin\nname: x\nbin: flux-x\n"
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"v1beta1", "v2", "unsupported apiVersion"},
		{"kind: Plugin", "kind: PluginCatalog", "unexpected kind"},
		{"bin: flux-x", "bin: x", "invalid bin"},
		{"bin: flux-x", "bin: flux-../../x", "invalid bin"},
		{"bin: flux-x", "bin: flux-x/y", "invalid bin"},
		{"bin: flux-x", "bin: flux-operator", "no other plugin can own"},
		{"name: x", "name: operator", "no other plugin can own"},
		{"kind", "\tkind", "failed to parse"},
	} {
		_, err := ReadManifest("x", []byte(strings.Replace(good, c.old, c.new, 1)))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q for %q: got %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

func TestPick(t *testing.T) {
	linux, other := Platform{OS: "linux", Arch: "arm64", Checksum: sum}, Platform{OS: "darwin", Arch: "arm64", Checksum: "md5:1"}
	m := Manifest{Name: "x", Versions: []Version{{"2.0.0", []Platform{other}}, {"1.0.0", []Platform{linux, other}}}}
	for _, c := range []struct{ ref, os, want string }{
		{"1.0.0", "linux", "1.0.0"},
		{sum, "linux", "1.0.0"},
		{sum, "darwin", "not found for plugin"},
		{"", "linux", "v2.0.0 has no binary for linux/arm64"},
		{"3.0.0", "linux", `version "3.0.0" not found`},
		{"", "darwin", "want sha256:"},
	} {
		pick, err := m.Pick(c.ref, Machine{c.os, "arm64"})
		got := pick.Version
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s on %s: got %s, want %s", c.ref, c.os, got, c.want)
		}
	}
}
