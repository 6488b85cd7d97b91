package version

import (
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		refs, messages string // each on a line
		want           string
	}{
		"the first":             {messages: "begin", want: "0.1.0"},
		"the first, with more":  {messages: "begin\nmore\n+semver: minor", want: "0.2.0"},
		"a change":              {refs: "release/0.1.24\nrelease/0.1.3", messages: "fix", want: "0.1.25"},
		"several at once":       {refs: "release/0.1.24", messages: "a\nb\nc", want: "0.1.27"},
		"tags count too":        {refs: "release/0.1.24\nv0.2.0", messages: "a", want: "0.2.1"},
		"a feature":             {refs: "0.1.24", messages: "a\nb +semver: feature\nc", want: "0.2.1"},
		"a break":               {refs: "0.1.24", messages: "b +semver:breaking", want: "1.0.0"},
		"the most that is said": {refs: "0.1.24", messages: "+semver: patch, no: +semver: major", want: "1.0.0"},
		"nothing to say":        {refs: "0.1.24", messages: "docs +semver: none\na", want: "0.1.25"},
		"only words":            {refs: "0.1.24", messages: "docs +semver: skip", want: "error"},
		"no commit":             {refs: "0.1.24", want: "error"},
		"never anything":        {want: "error"},
		"numbers, not letters":  {refs: "release/0.2.9\nrelease/0.2.114\nrelease/0.2.99-patched-20241010", messages: "a", want: "0.2.115"},
		"unicode digits":        {refs: "release/0.1.٣\nrelease/0.1.2", messages: "a", want: "0.1.3"},
		"leading zeros":         {refs: "release/0.1.09\nrelease/0.1.2", messages: "a", want: "0.1.3"},
		"another branch":        {refs: "release/next\nhotfix/9.9.9\nrelease/0.1.2", messages: "a", want: "0.1.3"},
	} {
		t.Run(name, func(t *testing.T) {
			var since []Commit
			for _, m := range lines(c.messages) {
				since = append(since, Commit{Message: m})
			}
			got, err := Next(Released(lines(c.refs)), since)
			if (err != nil) != (c.want == "error") {
				t.Fatal(err)
			}
			if err == nil && got.String() != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
