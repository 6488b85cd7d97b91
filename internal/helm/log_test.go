package helm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestLinesAreFewAndCounted(t *testing.T) {
	l := &lines{share: &ring{}}
	logger := slog.New(l).With("a", 1)
	for i := range 20 {
		logger.Info(fmt.Sprint("line ", i), "b", 2)
	}
	for range 3 {
		logger.Warn("again")
	}
	got := strings.Split(l.String(), "\n")
	if len(got) != maxLines+1 || !strings.Contains(got[0], `line 11: {"a":"1","b":"2"}`) || !strings.HasSuffix(got[10], `warning: again: {"a":"1"} (1 duplicates omitted)`) {
		t.Errorf("got %d lines:\n%s", len(got), strings.Join(got, "\n"))
	}
	logger.Info(strings.Repeat("x", 2*maxLine))
	if n := len(l.share.last[maxLines-1].text); n > maxLine+len("…") {
		t.Errorf("a line has %d bytes", n)
	}
}

func TestMaskHidesSecrets(t *testing.T) {
	const secret = "hunter2\nand \"more\""
	m := newMask([]string{"hunter2", secret, ""})
	for _, text := range []string{
		secret, "x " + secret + " y", "data: " + base64.StdEncoding.EncodeToString([]byte(secret)), `{"k":"hunter2\nand \"more\""}`,
	} {
		if got := m.text(text); strings.Contains(got, "hunter2") || strings.Contains(got, "more") || strings.Contains(got, "aHVudGVyMg") {
			t.Errorf("%q shows as %q", text, got)
		}
	}
	err := m.err(fmt.Errorf("cannot use hunter2: %w", context.Canceled))
	if strings.Contains(err.Error(), "hunter2") || !errors.Is(err, context.Canceled) || errors.Unwrap(err) != nil {
		t.Errorf("got %v, which wraps %v", err, errors.Unwrap(err))
	}
	if plain := errors.New("nothing"); m.err(plain) != plain || m.err(nil) != nil {
		t.Error("an error without secrets is changed")
	}
}
