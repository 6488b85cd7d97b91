package build

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/resmap"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// maxRemotes bounds the remote bases of one build.
const maxRemotes = 64

// wish is a remote that a kustomization refers to.
type wish struct {
	url  string
	from string // the directory of the kustomization
}

// isRemote tells whether kustomize would go outside for target. A file of the
// tree whose name looks like a git URL is a file, as for kustomize.
func (p *port) isRemote(dir string, t takes, target string) bool {
	if isHTTP(target) {
		return true
	}
	if !t.directories() {
		return false
	}
	repo, ok := parseRepo(target)
	if !ok || repo.local() {
		return false
	}
	if t != dirOnly {
		if kind, _ := p.kind(path.Join(dir, target)); kind == tree.File {
			return false
		}
	}
	return true
}

// rewriteRemote replaces a remote reference by the path of its mount, or asks
// for the mount.
func (p *port) rewriteRemote(dir string, r ref, key, target string) (bool, error) {
	if r.field == "openapi.path" {
		return false, fmt.Errorf("%s: a schema must be a file of the source", redact(target))
	}
	if !p.remotes {
		return false, fmt.Errorf("%s: remote bases are disabled", redact(target))
	}
	for i, m := range p.mounts {
		if m.url == target {
			name := path.Join(mountPath(i), entry(m))
			p.note(dir, name, r.takes)
			*r.at = relative(dir, name)
			if key != "" {
				*r.at = key + "=" + *r.at
			} else if r.keyed() {
				*r.at = path.Base(target) + "=" + *r.at
			}
			return true, nil
		}
	}
	if len(p.mounts)+len(p.want) >= maxRemotes {
		return false, fmt.Errorf("%s: more than %d remote bases in one build", redact(target), maxRemotes)
	}
	p.want = append(p.want, wish{target, display(dir)})
	return false, errAgain
}

func (p *port) wanted() bool { return p.fault == nil && len(p.want) > 0 }

// fetch mounts what the last attempt asked for.
func (p *port) fetch(ctx context.Context, remote RemoteFetcher) error {
	for _, w := range p.want {
		if p.mounted(w.url) {
			continue
		}
		t, id, err := remote.Fetch(ctx, w.url)
		if err != nil {
			p.rec.Note(record.Read{Space: record.Remote, Key: w.url, Answer: record.Miss})
			return fmt.Errorf("fetch remote base %s of %s: %w", redact(w.url), w.from, err)
		}
		p.rec.Note(record.Read{Space: record.Remote, Key: w.url, Answer: id})
		p.mounts = append(p.mounts, mount{w.url, t})
	}
	p.want = nil
	return nil
}

func (p *port) mounted(url string) bool {
	for _, m := range p.mounts {
		if m.url == url {
			return true
		}
	}
	return false
}

// entry is the path inside a mount that its URL names: the subdirectory of a
// repository, or the only file.
func entry(m mount) string {
	repo, ok := parseRepo(m.url)
	entries, _ := m.tree.ReadDir(".")
	if len(entries) == 1 && entries[0].Kind == tree.File && isHTTP(m.url) {
		u, err := url.Parse(m.url)
		if !ok || err == nil && path.Base(u.Path) == entries[0].Name {
			return entries[0].Name
		}
	}
	return repo.sub
}

// relative writes the path from dir to name; both are absolute and clean.
func relative(dir, name string) string {
	return strings.Repeat("../", strings.Count(dir, "/")) + strings.TrimPrefix(name, "/")
}

// contained holds what stands in a remote base to kustomize's rule for clones:
// files at or below the kustomization that names them.
func (p *port) contained(dir string, t takes, target string) error {
	if rootOf(dir) == sourceRoot {
		return nil
	}
	name := path.Join(dir, target)
	if _, ok := below(dir, name); ok {
		return nil
	}
	if kind, _ := p.kind(name); t == file || t == content || kind == tree.File {
		return fmt.Errorf("%s: a remote base may name only files below its directory", target)
	}
	return nil
}

// fixOrigins writes the origin annotations of what came from a remote base the
// way kustomize does for one it fetched itself.
func (p *port) fixOrigins(dir string, m resmap.ResMap) error {
	if len(p.mounts) == 0 {
		return nil
	}
	for _, res := range m.Resources() {
		origin, err := res.GetOrigin()
		if err != nil || origin == nil {
			continue
		}
		repo, rel, ok := p.originOf(path.Join(dir, origin.Path))
		if origin.Path == "" || !ok {
			continue
		}
		origin.Repo, origin.Ref, origin.Path = repo.clone, repo.ref, rel
		if err := res.SetOrigin(origin); err != nil {
			return err
		}
	}
	return nil
}

// originOf tells which repository, and which path in it, name comes from.
func (p *port) originOf(name string) (repo, string, bool) {
	for i, m := range p.mounts {
		rel, ok := below(mountPath(i), name)
		if !ok {
			continue
		}
		repo, known := parseRepo(m.url)
		switch single := entry(m) == rel && rel != repo.sub; {
		case !known:
			return repo, path.Clean(m.url), true
		case single:
			return repo, repo.sub, true
		}
		return repo, rel, true
	}
	return repo{}, "", false
}

// redact leaves the password out of a URL.
func redact(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		return u.Redacted()
	}
	return s
}

// repo is a git URL in kustomize's notation, taken apart.
type repo struct {
	clone string // what git would clone
	sub   string // the directory inside, without a leading slash
	ref   string // branch, tag or commit; empty for the default branch
}

func (r repo) local() bool { return strings.HasPrefix(r.clone, "file://") }

var userPart = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*@`)

// parseRepo reads git URLs the way kustomize tells them from paths
// (kustomize/api v0.21.1 internal/git/repospec.go): with a scheme, in the form
// user@host:path, or beginning with github.com.
func parseRepo(s string) (repo, bool) {
	if path.IsAbs(s) {
		return repo{}, false
	}
	s, query, _ := strings.Cut(s, "?")
	host, rest, ok := splitHost(s)
	if !ok {
		return repo{}, false
	}
	clone, sub, ok := splitRepo(rest, host == "file://")
	if !ok || clone == "" {
		return repo{}, false
	}
	sub = strings.TrimPrefix(sub, "/")
	if first, _, _ := strings.Cut(path.Clean(sub), "/"); first == ".." {
		return repo{}, false
	}
	return repo{clone: host + clone, sub: sub, ref: queryRef(query)}, true
}

// SplitRemote takes a reference of a kustomization apart: the repository that
// git would clone and the ref, "" for its default branch. It is false for what
// can only be a file: no git URL, or an address without a ref that ends like a
// manifest.
func SplitRemote(reference string) (clone, ref string, ok bool) {
	r, ok := parseRepo(reference)
	if !ok {
		return "", "", false
	}
	if isHTTP(reference) && r.ref == "" {
		if u, err := url.Parse(reference); err == nil {
			switch strings.ToLower(path.Ext(u.Path)) {
			case ".yaml", ".yml", ".json":
				return "", "", false
			}
		}
	}
	return r.clone, r.ref, true
}

func queryRef(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	if ref := values.Get("ref"); ref != "" {
		return ref
	}
	return values.Get("version")
}

func splitHost(s string) (host, rest string, ok bool) {
	if hasPrefixFold(s, "git::") {
		s = s[len("git::"):]
	}
	scheme := ""
	for _, prefix := range []string{"ssh://", "https://", "http://", "file://"} {
		if hasPrefixFold(s, prefix) {
			scheme, s = prefix, s[len(prefix):]
			break
		}
	}
	if scheme == "file://" {
		return scheme, s, true
	}
	user := userPart.FindString(s)
	s = s[len(user):]
	github := hasPrefixFold(s, "github.com/") || hasPrefixFold(s, "github.com:")
	scp := scheme == "" && (user != "" || github)
	if scheme == "" && !scp {
		return "", "", false
	}
	host = s
	if at := separator(s, scp); at >= 0 {
		host, rest = s[:at+1], s[at+1:]
	}
	if github {
		if scheme == "ssh://" || user != "" {
			return user + "github.com:", rest, true
		}
		return "https://github.com/", rest, true
	}
	return scheme + user + host, rest, host != ""
}

func separator(s string, scp bool) int {
	slash := strings.Index(s, "/")
	if scp {
		if colon := strings.Index(s, ":"); slash == -1 || colon > 0 && colon < slash {
			return colon
		}
	}
	return slash
}

func splitRepo(s string, whole bool) (clone, sub string, ok bool) {
	if i := strings.Index(s, "_git/"); i >= 0 {
		name, sub, _ := strings.Cut(s[i+len("_git/"):], "/")
		return s[:i+len("_git/")] + name, sub, true
	}
	if clone, sub, ok := strings.Cut(s, "//"); ok {
		return clone, sub, true
	}
	if i := strings.Index(s, ".git"); i >= 0 {
		return s[:i+len(".git")], s[i+len(".git"):], true
	}
	if whole {
		return s, "", true
	}
	parts := strings.SplitN(s, "/", 3)
	switch len(parts) {
	case 1:
		return "", "", false
	case 2:
		return s, "", true
	default:
		return parts[0] + "/" + parts[1], parts[2], true
	}
}

func hasPrefixFold(s, prefix string) bool {
	return len(prefix) <= len(s) && strings.EqualFold(s[:len(prefix)], prefix)
}
