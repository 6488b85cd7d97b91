package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// canary is what no verb may print; it is long enough not to occur by chance.
const canary = "canary-5d0b7e21aa"

// Secrets in Git and from outside, as they stand, as data, substituted into objects
// and in values of a chart, changed, removed and new, are in no output of a verb that
// renders fleets: neither on stdout nor on stderr, in none of its formats. The verbs
// that ask a cluster are held to the same in embedded/fluxtest (every transcript),
// drift in embedded/e2e, the engine with its log, events, statuses and files in
// embedded/e2e (case 38).
func TestCanaryInEveryOutput(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/canary.txtar")
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(canary))
	dir := t.TempDir()
	for _, f := range archive.Files {
		file := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("$CANARY", canary, "$BASE64", encoded).Replace(string(f.Data))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("HOME", dir)
	lines := strings.Split(strings.TrimSpace(string(archive.Comment)), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var out, errs bytes.Buffer
		Main(context.Background(), strings.Fields(line), Env{In: strings.NewReader(""), Out: &out, Err: &errs})
		if out.Len() == 0 {
			t.Errorf("leat %s printed nothing: %s", line, errs.String())
		}
		for _, form := range []string{canary, encoded, strings.TrimRight(encoded, "=")} {
			for where, text := range map[string]string{"stdout": out.String(), "stderr": errs.String()} {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("leat %s: a secret on %s: …%s…", line, where, text[max(0, at-150):min(len(text), at+40)])
				}
			}
		}
	}
}
