package words

import (
	"strings"
	"testing"
)

func TestSome(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "nothing",
		"a":                   "a",
		"a b c":               "a, b, c",
		"a b c d e f g h":     "a, b, c, d, e, f, g, h",
		"a b c d e f g h i j": "a, b, c, d, e, f, g, h and 2 more",
	} {
		if got := Some(strings.Fields(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSteers(t *testing.T) {
	if got := strings.Map(func(r rune) rune {
		if Steers(r) {
			return '.'
		}
		return r
	}, "a\x1b[1m\u202eb\u2066c\u2028d\ne é 👩\u200d🚒"); got != "a.[1m.b.c.d.e é 👩\u200d🚒" {
		t.Errorf("got %q", got)
	}
}

func TestPlain(t *testing.T) {
	if got := Plain("a\x1b[2J\u202eb\r\tc\nd é"); got != "a\ufffd[2J\ufffdb\ufffd\tc\nd é" {
		t.Errorf("got %q", got)
	}
}
