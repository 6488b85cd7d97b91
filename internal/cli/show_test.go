package cli

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
)

// A small terminal shows both: which units failed, and why the first ones did; never
// more lines or columns than it has.
func TestLiveFitsTheScreen(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	var board screen.Board
	for i := range 40 {
		name := fmt.Sprintf("web-%02d", i)
		board.Rows = append(board.Rows, screen.Row{
			Key: object.Key{Kind: "HelmRelease", Namespace: "apps", Name: name}, Kind: "HelmRelease", Space: "apps", Name: name,
			State: screen.Failed, Message: strings.Repeat("the value of the chart is wrong ", 6),
		})
	}
	for _, size := range [][2]int{{80, 22}, {200, 60}, {20, 10}, {80, 100}} {
		lines := live(board, size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines[:len(lines)-1] { // the last one is cut by nobody
			if utf8.RuneCountInString(line) > size[0] {
				t.Errorf("%v: too wide: %q", size, line)
			}
		}
		text := strings.Join(lines, "\n")
		if size[0] >= 80 && (!strings.Contains(text, "✗ HelmRelease/apps/web-00 (failed)") || !strings.Contains(text, "0 of 40 ready")) {
			t.Errorf("%v: no cause is told:\n%s", size, text)
		}
	}
}

func TestWrapped(t *testing.T) {
	for _, tc := range []struct {
		line  string
		width int
		want  string
	}{
		{"    one two three four", 16, "    one two|    three four"},
		{"averylongwordthathasnoblank", 10, "averylongw|    ordtha|    thasno|    blank"},
		{"short", 10, "short"},
	} {
		if got := strings.Join(wrapped([]string{tc.line}, tc.width, 9), "|"); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
