package git

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// id makes a hash of one repeated digit.
func id(digit string) Hash {
	h, err := wire.ParseHash(strings.Repeat(digit, 40))
	if err != nil {
		panic(err)
	}
	return h
}

// The revisions that Flux gives to refs (flux-v2.md 1.2; pkg/git Commit.String
// and AbsoluteReference).
func TestChoose(t *testing.T) {
	refs := []AdvertisedRef{
		{Name: "HEAD", Hash: id("1")},
		{Name: "refs/heads/main", Hash: id("1")},
		{Name: "refs/heads/master", Hash: id("2")},
		{Name: "refs/heads/team/x", Hash: id("3")},
		{Name: "refs/pull/7/head", Hash: id("4")},
		{Name: "refs/tags/v1.0.0", Hash: id("5")},
		{Name: "refs/tags/v1.1.0", Hash: id("6"), Peeled: id("7")},
		{Name: "refs/tags/2.0.0-rc.1", Hash: id("8")},
		{Name: "refs/tags/v1.2", Hash: id("9")},
		{Name: "refs/tags/nightly", Hash: id("a")},
		{Name: "refs/tags/v0.9.0+b1", Hash: id("b")},
		{Name: "refs/tags/v0.9.0+b2", Hash: id("c")},
	}
	rev := func(label, digit string) string {
		if label != "" {
			label += "@"
		}
		return label + "sha1:" + strings.Repeat(digit, 40)
	}
	commit := strings.Repeat("d", 40)
	cases := map[string]struct {
		want  Ref
		rev   string
		class fault.Class
		err   string
	}{
		"nothing asked":          {want: Ref{}, rev: rev("master", "2")},
		"branch":                 {want: Ref{Branch: "main"}, rev: rev("main", "1")},
		"branch with a slash":    {want: Ref{Branch: "team/x"}, rev: rev("team/x", "3")},
		"light tag":              {want: Ref{Tag: "v1.0.0"}, rev: rev("v1.0.0", "5")},
		"annotated tag":          {want: Ref{Tag: "v1.1.0"}, rev: rev("v1.1.0", "7")},
		"tag before branch":      {want: Ref{Tag: "nightly", Branch: "main"}, rev: rev("nightly", "a")},
		"semver":                 {want: Ref{SemVer: ">=1.0.0"}, rev: rev("v1.1.0", "7")},
		"semver before tag":      {want: Ref{SemVer: "1.0.x", Tag: "nightly"}, rev: rev("v1.0.0", "5")},
		"pre-release":            {want: Ref{SemVer: ">=1.0.0-0"}, rev: rev("2.0.0-rc.1", "8")},
		"three parts only":       {want: Ref{SemVer: "1.2.x"}, class: fault.NotFound, err: `semver "1.2.x" is not there; tags: 2.0.0-rc.1, nightly, v0.9.0+b1, v0.9.0+b2, v1.0.0, v1.1.0, v1.2`},
		"semver: nonsense":       {want: Ref{SemVer: "latest please"}, class: fault.Invalid, err: "semver"},
		"name of a branch":       {want: Ref{Name: "refs/heads/main"}, rev: rev("refs/heads/main", "1")},
		"name of a pull request": {want: Ref{Name: "refs/pull/7/head", SemVer: "*"}, rev: rev("refs/pull/7/head", "4")},
		"name of a tag":          {want: Ref{Name: "refs/tags/v1.1.0"}, rev: rev("refs/tags/v1.1.0", "7")},
		"name, peeled":           {want: Ref{Name: "refs/tags/v1.1.0^{}"}, rev: rev("refs/tags/v1.1.0^{}", "7")},
		"name, peeled light tag": {want: Ref{Name: "refs/tags/v1.0.0^{}"}, rev: rev("refs/tags/v1.0.0^{}", "5")},
		"HEAD":                   {want: Ref{Name: "HEAD"}, rev: rev("HEAD", "1")},
		"commit":                 {want: Ref{Commit: commit, Tag: "v1.0.0"}, rev: rev("", "d")},
		"commit in capitals":     {want: Ref{Commit: strings.ToUpper(commit)}, rev: rev("", "d")},
		"commit and branch":      {want: Ref{Commit: commit, Branch: "main"}, rev: rev("main", "d")},
		"commit and no branch":   {want: Ref{Commit: commit, Branch: "gone"}, class: fault.NotFound, err: `branch "gone" is not there; branches: main, master, team/x`},
		"short commit":           {want: Ref{Commit: "abc"}, class: fault.Invalid, err: "40 hexadecimal digits"},
		"no such branch":         {want: Ref{Branch: "mian"}, class: fault.NotFound, err: `branch "mian" is not there; branches: main, master, team/x`},
		"no such tag":            {want: Ref{Tag: "main"}, class: fault.NotFound, err: `tag "main" is not there; tags:`},
		"no such name":           {want: Ref{Name: "refs/pull/8/head"}, class: fault.NotFound, err: `ref "refs/pull/8/head" is not there`},
		"name with ..":           {want: Ref{Name: "refs/heads/../../etc"}, class: fault.Invalid, err: "no valid name"},
		"name with control":      {want: Ref{Name: "refs/heads/a\x1b[31m"}, class: fault.Invalid, err: `"refs/heads/a\x1b[31m" is no valid name`},
		"name with slash":        {want: Ref{Name: "/refs/heads/main"}, class: fault.Invalid, err: "no valid name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Choose(refs, c.want)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || fault.ClassOf(err) != c.class {
					t.Errorf("got %v (%s), want %s with %q", err, fault.ClassOf(err), c.class, c.err)
				}
				return
			}
			if err != nil || got.Revision() != c.rev {
				t.Errorf("got %s, %v, want %s", got.Revision(), err, c.rev)
			}
		})
	}
	tie, err := Choose(refs, Ref{SemVer: "0.9.x"})
	if err != nil || len(tie.Ties) != 2 {
		t.Errorf("tags that differ by build metadata: got %+v, %v", tie, err)
	}
}

func TestErrorNamesFew(t *testing.T) {
	var refs []AdvertisedRef
	for i := range 200 {
		refs = append(refs, AdvertisedRef{Name: heads + strings.Repeat("b", i+1)})
	}
	_, err := Choose(refs, Ref{})
	if err == nil || !strings.HasSuffix(err.Error(), "and 192 more") {
		t.Errorf("got %v", err)
	}
}

func TestValidNames(t *testing.T) {
	for name, want := range map[string]bool{
		"HEAD": true, "refs/heads/a": true, "refs/heads/ünï": true, "refs/heads/a@b": true, "refs/heads/a.b": true,
		"": false, "@": false, "refs/heads/": false, "refs//a": false, "refs/heads/.a": false, "refs/heads/a..b": false, "refs/heads/a.lock": false,
		"refs/heads/a.lock/b": false, "refs/heads/a b": false, "refs/heads/a~1": false, "refs/heads/a^": false, "refs/heads/a:b": false, "refs/heads/a?": false,
		"refs/heads/a*": false, "refs/heads/a[": false, `refs/heads/a\b`: false, "refs/heads/a@{0}": false, "refs/heads/a\x00b": false, "refs/heads/a\x7f": false, "refs/heads/a.": false,
	} {
		if got := wire.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v", name, got)
		}
	}
}
