package app

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/tree"
)

// localBases brings the remote bases of kustomizations from mirrors.
type localBases struct{ local *LocalSources }

// Fetch implements build.RemoteFetcher.
func (b *localBases) Fetch(ctx context.Context, address string) (tree.Tree, hash.ID, error) {
	repo, ref := splitBase(address)
	m, rest, ok := mirror.Find(b.local.Mirrors, repo)
	if !ok {
		return tree.Tree{}, hash.ID{}, fmt.Errorf("%s is not on this machine and the network is not used; pass --mirror %s=FILE or FOLDER", address, repo)
	}
	file := filepath.Join(m.Target, filepath.FromSlash(rest))
	if rest == "" {
		file = m.Target
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		return single(file, path.Base(repo))
	}
	res, err := b.local.Fetch(ctx, engine.GitRequest{URL: repo, Ref: &sourcev1.GitRepositoryRef{Branch: ref}})
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	return res.Tree, res.Tree.Hash(), nil
}

// single is a tree of one file.
func single(file, name string) (tree.Tree, hash.ID, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	var b tree.Builder
	if err := b.Add(name, tree.BlobOf(data)); err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	t, err := b.Tree()
	return t, hash.Of(data), err
}

// splitBase takes a base's address apart: the repository or file, and the ref.
func splitBase(address string) (repo, ref string) {
	repo = address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		ref = u.Query().Get("ref")
		if ref == "" {
			ref = u.Query().Get("version")
		}
		u.RawQuery = ""
		repo = u.String()
	} else if before, query, ok := strings.Cut(address, "?"); ok {
		repo = before
		if values, err := url.ParseQuery(query); err == nil {
			ref = values.Get("ref")
		}
	}
	if scheme := strings.Index(repo, "://"); scheme >= 0 {
		if i := strings.Index(repo[scheme+3:], "//"); i >= 0 {
			repo = repo[:scheme+3+i]
		}
	}
	return strings.TrimSuffix(repo, "/"), ref
}

func sortedNames(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
