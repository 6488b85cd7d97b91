package forge

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSection(t *testing.T) {
	one := section{digest: "sha256:ab/c+d=", title: titleMark("t"), text: "the plan"}
	two := section{digest: "x", title: titleMark("t"), text: "another"}
	for name, c := range map[string]struct{ body, want string }{
		"empty":             {"", two.whole()},
		"ours":              {one.whole(), two.whole()},
		"between":           {"above\n\n" + one.whole() + "\n\nbelow", "above\n\n" + two.whole() + "\n\nbelow"},
		"CRLF":              {strings.ReplaceAll("above\n\n"+one.whole(), "\n", "\r\n"), "above\n\n" + two.whole()},
		"removed by hand":   {"I wrote this.\n", "I wrote this.\n\n" + two.whole()},
		"end edited away":   {"above\n" + strings.TrimSuffix(one.whole(), sectionEnd), "above\n" + two.whole()},
		"end inside a text": {section{digest: "x", title: titleMark("t"), text: "a " + sectionEnd + " b"}.whole(), two.whole()},
	} {
		if got := two.into(c.body); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got, ok := sectionOf("x\n" + one.whole()); !ok || got.digest != one.digest || got.title != one.title {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := sectionOf("<!-- leat:begin digest=a title=nonsense -->"); ok {
		t.Error("a broken mark passes")
	}
}

func TestClip(t *testing.T) {
	for name, s := range map[string]string{
		"short": "short", "lines": strings.Repeat("a line\n", 1000), "no line": strings.Repeat("é", 3000), "fence": "```\n" + strings.Repeat("x\n", 3000),
	} {
		got := clip(s, 1000)
		if len(got) > 1000 || !utf8.ValidString(got) || strings.Count(got, "```")%2 != 0 || len(s) <= 1000 && got != s {
			t.Errorf("%s: %d bytes: %q", name, len(got), got)
		}
	}
	if got := Describe(strings.Repeat("é", 200)); utf8.RuneCountInString(got) != MaxDescription {
		t.Errorf("a description has %d runes", utf8.RuneCountInString(got))
	}
}

func TestSetBy(t *testing.T) {
	me, other := User{ID: "1"}, User{ID: "2"}
	all := []Status{{Context: "a", State: Failure, Creator: me}, {Context: "a", State: Success, Creator: other}, {Context: "b", Creator: User{}}}
	if got := SetBy(all, me); len(got) != 1 || got[0].State != Failure {
		t.Errorf("got %+v", got)
	}
	if got := SetBy(all, User{}); len(got) != 0 {
		t.Errorf("nobody set %+v", got)
	}
}

func TestAddress(t *testing.T) {
	for api, want := range map[string]string{
		"":                                       "https://derived.example.com/api",
		"https://api.example.com/v3":             "https://api.example.com/v3",
		"https://leat:hunter2@api.example.com/3": "https://api.example.com/3",
		"api.example.com":                        "",
		"ssh://api.example.com":                  "",
	} {
		u, err := Config{API: api}.Address(&url.URL{Scheme: "https", Host: "derived.example.com", Path: "/api"})
		if err == nil && u.String() != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %v, %v; want %q", api, u, err, want)
		}
	}
}

func TestLocate(t *testing.T) {
	for url, want := range map[string]string{
		"https://git.example.com/team/fleet":         "team/fleet",
		"https://git.example.com/team/fleet.git/":    "team/fleet",
		"https://git.example.com/group/sub/fleet":    "group/sub/fleet",
		"https://user:word@git.example.com/t/f":      "t/f",
		"https://git.example.com/fleet":              "",
		"ssh://git@git.example.com/team/fleet":       "",
		"https://user:hunter2@git.example.com/fleet": "",
	} {
		at, err := Config{URL: url}.Locate()
		if got := at.Path(); want != "" && got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", url, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") || at.Base != nil && at.Base.User != nil {
			t.Errorf("%s: a password is shown or kept: %v", url, err)
		}
	}
}
