package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

// maxSubmoduleDepth bounds submodules of submodules, as go-git's default does;
// maxSubmodules those of one repository.
const (
	maxSubmoduleDepth = 10
	maxSubmodules     = 100
)

// withSubmodules puts the trees of submodules into a checkout. They are fetched
// with the credential of the repository that names them, if they are on its
// host, and with none elsewhere.
func (r *Remote) withSubmodules(ctx context.Context, out Checkout, modules []module, depth int) (Checkout, error) {
	if depth >= maxSubmoduleDepth {
		return Checkout{}, unsafe("submodules are nested deeper than %d", maxSubmoduleDepth)
	}
	if len(modules) > maxSubmodules {
		return Checkout{}, &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf("%d submodules, more than %d", len(modules), maxSubmodules)}
	}
	text, err := out.Tree.ReadFile(".gitmodules")
	if err != nil {
		return Checkout{}, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("submodule %s: there is no .gitmodules that says where it is", modules[0].path)}
	}
	urls, err := parseModules(text)
	if err != nil {
		return Checkout{}, err
	}
	for _, m := range modules {
		sub, err := r.submodule(ctx, m, urls[m.path], depth)
		if err != nil {
			return Checkout{}, fmt.Errorf("submodule %s: %w", m.path, err)
		}
		for _, n := range sub.Notes {
			out.Notes = append(out.Notes, m.path+": "+n)
		}
		if out.Tree, err = out.Tree.WithTree(m.path, sub.Tree); err != nil {
			return Checkout{}, err
		}
	}
	out.Notes = out.Notes[:min(len(out.Notes), maxNotes)]
	return out, nil
}

func (r *Remote) submodule(ctx context.Context, m module, rawURL string, depth int) (Checkout, error) {
	if rawURL == "" {
		return Checkout{}, &fault.Error{Class: fault.Invalid, Err: errors.New(".gitmodules does not say where it is")}
	}
	of, err := r.related(rawURL)
	if err != nil {
		return Checkout{}, err
	}
	c, err := of.Resolve(ctx, Ref{Commit: m.commit.String()}, r.pool.o.Now())
	if err != nil {
		return Checkout{}, err
	}
	out, err := of.checkout(ctx, c, TreeOptions{Submodules: true}, depth+1)
	return out, of.at(err)
}

// related returns the remote that a URL in .gitmodules means.
func (r *Remote) related(raw string) (*Remote, error) {
	u, err := r.moduleURL(raw)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		return r.pool.Local(u.Path)
	}
	cred := r.cred
	if u.Scheme != r.url.Scheme || !strings.EqualFold(u.Host, r.url.Host) {
		cred = Credential{CA: r.cred.CA, Proxy: r.cred.Proxy}
		if u.Scheme == "ssh" {
			return nil, &fault.Error{Class: fault.Auth, Err: fmt.Errorf("it is at ssh://%s, for which there is no credential", u.Host)}
		}
	}
	u.User = nil // a URL in a repository is no place for a credential
	return r.pool.RemoteBy(r.door, u.String(), cred)
}

// moduleURL makes an address of what .gitmodules says: relative to the
// repository, in scp's form, or absolute with a scheme that Flux allows.
func (r *Remote) moduleURL(raw string) (*url.URL, error) {
	refuse := &fault.Error{Class: fault.Unsafe, Err: fmt.Errorf("its address %.80q is refused: want https://, http://, ssh:// or a relative path", stripped(raw))}
	if strings.HasPrefix(raw, "-") || strings.ContainsFunc(raw, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, refuse
	}
	if strings.HasPrefix(raw, "./") || strings.HasPrefix(raw, "../") {
		u := *r.url
		u.RawPath = ""
		if u.Path = path.Join(r.url.Path, raw); !strings.HasPrefix(u.Path, "/") || u.Path == "/" || climbs(r.url.Path, raw) {
			return nil, refuse
		}
		return &u, nil
	}
	if host, p, ok := strings.Cut(raw, ":"); ok && !strings.Contains(host, "/") && !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, ":") {
		raw = "ssh://" + host + "/" + p // git@host:path
	}
	u, err := url.Parse(raw)
	allowed := []string{"http", "https", "ssh"}
	if r.url.Scheme == "file" {
		allowed = append(allowed, "file")
	}
	if err != nil || !slices.Contains(allowed, u.Scheme) || u.Scheme != "file" && u.Hostname() == "" {
		return nil, refuse
	}
	return u, nil
}

// climbs tells whether a relative address leaves the host's root.
func climbs(base, rel string) bool {
	depth := len(strings.FieldsFunc(base, func(c rune) bool { return c == '/' }))
	for elem := range strings.SplitSeq(rel, "/") {
		switch elem {
		case "..":
			if depth--; depth < 0 {
				return true
			}
		case "", ".":
		default:
			depth++
		}
	}
	return false
}

// stripped returns a URL without user information, for messages.
func stripped(raw string) string {
	at := strings.LastIndex(raw, "@")
	scheme := strings.Index(raw, "://")
	if at < 0 || scheme < 0 || at < scheme {
		return raw
	}
	return raw[:scheme+3] + raw[at+1:]
}

// parseModules reads path and url of every section of a .gitmodules, which has
// the syntax of git-config(1): sections in brackets, key = value lines.
func parseModules(text []byte) (map[string]string, error) {
	out := map[string]string{}
	var p, u string
	done := func() error {
		if p == "" {
			return nil
		}
		clean, err := tree.Clean(p)
		if err != nil || clean != strings.TrimSuffix(p, "/") || clean == "." {
			return unsafe(".gitmodules names the path %q", p)
		}
		for elem := range strings.SplitSeq(clean, "/") {
			if isDotGit(elem) {
				return unsafe(".gitmodules names the path %q", p)
			}
		}
		out[clean] = u
		return nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			if err := done(); err != nil {
				return nil, err
			}
			p, u = "", ""
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "path":
			p = value
		case "url":
			u = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, unsafe(".gitmodules: %w", err)
	}
	return out, done()
}
