package fluxcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/flux"
)

func logLineOf(at, message string) string {
	return fmt.Sprintf(`{"ts":%q,"level":"info","msg":%q,"controllerKind":"Kustomization","name":"apps","namespace":"flux-system"}`+"\n", at, message)
}

func logFileOf(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.log")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The file of a leat up is read as the log of a pod is.
func TestLogOfAFile(t *testing.T) {
	now := time.Now().UTC()
	path := logFileOf(t, logLineOf(now.Add(-2*time.Hour).Format(time.RFC3339Nano), "one"), "no JSON\n",
		logLineOf(now.Add(-time.Minute).Format(time.RFC3339Nano), "two"), strings.TrimSuffix(logLineOf(now.Format(time.RFC3339Nano), "three"), "\n"))
	for want, f := range map[string]logFlags{
		"one two three": {tail: -1}, "three": {tail: 1}, "two three": {tail: 3}, "": {tail: 0},
		"two three ": {tail: -1, since: time.Hour}, "three ": {tail: -1, sinceTime: now.Add(-time.Second).Format(time.RFC3339)},
		"one two three ": {tail: 9},
	} {
		out := &bytes.Buffer{}
		p := &program{Env: Env{Out: out, Err: io.Discard, Now: time.Now}}
		if err := p.fileLog(t.Context(), path, &f, flux.LogFilter{}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			fields := strings.Fields(line)
			got = append(got, fields[len(fields)-1])
		}
		if strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%+v: got %v, want %s", f, got, want)
		}
	}
}

// With -f, what is written later is shown, also in pieces.
func TestFileIsFollowed(t *testing.T) {
	path := logFileOf(t, logLineOf("2026-01-01T00:00:00Z", "one"))
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	p := &program{Env: Env{Out: write, Err: io.Discard, Now: time.Now}}
	done := make(chan error, 1)
	go func() {
		done <- errors.Join(p.fileLog(ctx, path, &logFlags{tail: -1, follow: true}, flux.LogFilter{}), write.Close())
	}()
	expect := func(want string) {
		t.Helper()
		line := make([]byte, 200)
		n, err := read.Read(line)
		if err != nil || !strings.Contains(string(line[:n]), want) {
			t.Fatalf("got %q, %v, want %s", line[:n], err, want)
		}
	}
	expect(" one ")
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	two := logLineOf("2026-01-01T00:00:01Z", "two")
	for _, part := range []string{two[:20], two[20:], logLineOf("2026-01-01T00:00:02Z", "three")} {
		if _, err := io.WriteString(file, part); err != nil {
			t.Fatal(err)
		}
	}
	expect(" two ")
	expect(" three ")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
