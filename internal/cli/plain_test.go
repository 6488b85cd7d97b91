package cli

import (
	"bytes"
	"strings"
	"testing"
)

// Errors quote what repositories say.
func TestErrorsDoNotSteerTheTerminal(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Main(t.Context(), []string{"init", "no\x1b[2Jsu\u202ech"}, Env{In: strings.NewReader(""), Out: &out, Err: &errs}); code == 0 {
		t.Errorf("exit %d", code)
	}
	if text := errs.String(); !strings.Contains(text, "no�[2Jsu�ch") || strings.Contains(text, "\x1b") || !strings.HasSuffix(text, "\n") {
		t.Errorf("got %q", text)
	}
}
