package access

import (
	"strings"
	"testing"
	"unicode"
)

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"alice":                       "alice",
		"alice@example.com":           "alice@example.com",
		"system:serviceaccount:a:b":   "system:serviceaccount:a:b",
		"@here":                       `"\u0040here"`,
		"":                            `""`,
		"the shop is down":            `"the shop is down"`,
		"größer als ß":                `"größer als ß"`,
		"<!channel> <https://e.x|ok>": `"\u003c!channel\u003e \u003chttps://e.x\u007cok\u003e"`,
		"a\nApproved by carol":        `"a\u000aApproved by carol"`,
		"\x1b[31mred":                 `"\u001b\u005b31mred"`,
		"\u202egnp.exe":               `"\u202egnp.exe"`,
		`say "no" \`:                  `"say \"no\" \\"`,
		"**[x](y)** `z`":              `"\u002a\u002a\u005bx\u005d(y)\u002a\u002a \u0060z\u0060"`,
		"\xff":                        `"\xff"`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%q): got %s, want %s", text, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\u202e<@U1>\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := Quote(text)
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: something does not print", got)
		}
		if got != text && strings.ContainsAny(got, marks) {
			t.Errorf("%q: a mark is left", got)
		}
	})
}

func TestSeal(t *testing.T) {
	public, private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Seal("the token", public)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(sealed, public, private); err != nil || got != "the token" {
		t.Errorf("got %q, %v", got, err)
	}
	otherPublic, other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(sealed, otherPublic, other); err == nil {
		t.Errorf("another key opens it: %q", got)
	}
	if _, err := Seal("the token", "c2hvcnQ="); err == nil {
		t.Error("a short key is taken")
	}
}
