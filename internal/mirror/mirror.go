// Package mirror says which folder on this machine stands for an address
// elsewhere: the rules of --mirror PREFIX=TARGET.
//
//	m, err := mirror.Parse("https://github.com/acme/=../acme")
//	m, rest, ok := mirror.Find(list, "ssh://git@github.com/acme/fleet.git") // rest: "fleet"
//
// It compares text and touches no file.
package mirror

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Mirror is one --mirror flag.
type Mirror struct {
	Prefix string // normalised
	Target string // a path, or a URL
	Text   string // as given, for messages
}

// Parse reads PREFIX=TARGET.
func Parse(text string) (Mirror, error) {
	prefix, target, ok := cut(text)
	if !ok || prefix == "" || target == "" {
		return Mirror{}, fmt.Errorf("--mirror %q: want PREFIX=TARGET, such as https://github.com/acme/=../acme", text)
	}
	return Mirror{Normalize(prefix), target, text}, nil
}

// cut splits at the first = that is not part of a URL's query.
func cut(text string) (prefix, target string, ok bool) {
	from := 0
	if q := strings.IndexByte(text, '?'); q >= 0 && q < strings.IndexByte(text, '=') {
		from = strings.IndexByte(text, '=') + 1
	}
	i := strings.IndexByte(text[from:], '=')
	if i < 0 {
		return "", "", false
	}
	return text[:from+i], text[from+i+1:], true
}

// Normalize writes an address so that all ways to reach the same repository
// read the same: host and path, without scheme, user, port of the scheme, .git
// and trailing slash. OCI addresses keep their scheme, because they name
// something else.
func Normalize(address string) string {
	if scp, ok := FromSCP(address); ok {
		address = scp
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return strings.TrimSuffix(strings.TrimRight(address, "/"), ".git")
	}
	host := strings.ToLower(u.Host)
	for _, port := range []string{":443", ":80", ":22"} {
		host = strings.TrimSuffix(host, port)
	}
	clean := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git")
	if clean != "" {
		clean = path.Clean(clean)
	}
	out := host + clean
	if u.RawQuery != "" {
		out += "?" + u.RawQuery
	}
	if strings.EqualFold(u.Scheme, "oci") {
		return "oci://" + out
	}
	return out
}

// FromSCP rewrites user@host:path, which is no URL, as ssh://user@host/path; false for
// anything else.
func FromSCP(address string) (string, bool) {
	if strings.Contains(address, "://") {
		return "", false
	}
	host, rest, ok := strings.Cut(address, ":")
	if !ok || strings.Contains(host, "/") || !strings.Contains(host, "@") {
		return "", false
	}
	return "ssh://" + host + "/" + strings.TrimLeft(rest, "/"), true
}

// Same tells whether two addresses name the same repository.
func Same(a, b string) bool { return Normalize(a) == Normalize(b) }

// Find returns the mirror with the longest prefix of an address, and what of
// the address follows it.
func Find(list []Mirror, address string) (m Mirror, rest string, ok bool) {
	want := Normalize(address)
	for _, candidate := range list {
		tail, has := strings.CutPrefix(want, candidate.Prefix)
		if !has || tail != "" && tail[0] != '/' && tail[0] != '?' && !strings.HasSuffix(candidate.Prefix, "/") {
			continue
		}
		if !ok || len(candidate.Prefix) > len(m.Prefix) {
			m, rest, ok = candidate, strings.Trim(tail, "/"), true
		}
	}
	return m, rest, ok
}

// Folder returns the name under which a branch or tag stands in a folder of
// branches: a slash is written as @.
func Folder(ref string) string { return strings.ReplaceAll(ref, "/", "@") }

// Branches turns the names of folders back into those of branches, sorted.
func Branches(folders []string) []string {
	out := make([]string, len(folders))
	for i, f := range folders {
		out[i] = strings.ReplaceAll(f, "@", "/")
	}
	slices.Sort(out)
	return out
}
