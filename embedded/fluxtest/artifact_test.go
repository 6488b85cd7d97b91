package fluxtest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/embedded/registrytest"
	"github.com/leat-dev/leat/internal/fluxcli"
)

// Artifacts go to a registry and come back, through a login.
func TestArtifacts(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{User: "u", Password: "canary"})
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"m/a.yaml": "a: 1\n", "m/sub/b.yaml": "b: 2\n", "m/picture.jpg": "x", "out/.keep": ""} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := reg.URL("acme/apps")
	flux := func(code int, want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		got := fluxcli.Main(context.Background(), append(args, "--creds=u:canary"), fluxcli.Env{Out: &out, Err: &out, Version: "dev"})
		if got != code || !strings.Contains(out.String(), want) {
			t.Errorf("flux %s: exit %d, want %d and %q, got\n%s", strings.Join(args, " "), got, code, want, out.String())
		}
		if strings.Contains(out.String(), "canary") {
			t.Errorf("flux %s prints the password", strings.Join(args, " "))
		}
	}
	about := []string{"--source=https://example.com/apps", "--revision=main@sha1:abc", "--reproducible"}
	flux(0, "artifact successfully pushed to", append([]string{"push", "artifact", url + ":v1.0.0", "-f", "m"}, about...)...)
	flux(0, `"tag": "v1.1.0"`, append([]string{"push", "artifact", url + ":v1.1.0", "-f", "m/a.yaml", "-o", "json"}, about...)...)
	flux(0, "artifact tagged as", "tag", "artifact", url+":v1.0.0", "--tag", "latest")
	flux(0, "main@sha1:abc", "list", "artifacts", url)
	flux(0, ":v1.1.0", "list", "artifacts", url, "--filter-semver", ">=1.1.0")
	flux(0, "no changes detected", "diff", "artifact", url+":latest", "--path", "m")
	flux(0, "artifact content extracted to out", "pull", "artifact", url+":latest", "-o", "out")
	for name, want := range map[string]string{"out/a.yaml": "a: 1\n", "out/sub/b.yaml": "b: 2\n"} {
		if got, err := os.ReadFile(name); string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat("out/picture.jpg"); err == nil {
		t.Error("what is left out by default was packed")
	}
	if err := os.WriteFile("m/a.yaml", []byte("a: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flux(1, "the remote artifact contents differs from the local one", "diff", "artifact", url+":latest", "--path", "m")
	flux(1, "MANIFEST_UNKNOWN", "pull", "artifact", url+":nothing", "-o", "out")
	flux(1, "is not in this program", "list", "artifacts", url, "--provider", "aws")
}
