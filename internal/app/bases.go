package app

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/bases"
	"github.com/leat-dev/leat/internal/tree"
)

// localBases brings the remote bases of kustomizations from mirrors.
type localBases struct {
	local  *LocalSources
	remote build.RemoteFetcher // nil: the network is not used
}

// Fetch implements build.RemoteFetcher.
func (b *localBases) Fetch(ctx context.Context, address string) (tree.Tree, hash.ID, error) {
	repo, ref, isRepository := build.SplitRemote(address)
	if !isRepository {
		repo = address
	}
	m, rest, ok := mirror.Find(b.local.Mirrors, repo)
	if !ok && b.remote != nil {
		return b.remote.Fetch(ctx, address)
	}
	if !ok {
		return tree.Tree{}, hash.ID{}, report.RetryOn(report.ReasonBuildFailed,
			fmt.Errorf("not on this machine, and the network is not used; pass --mirror %s=FILE or FOLDER", repo), report.Remedy(repo))
	}
	file := filepath.Join(m.Target, filepath.FromSlash(rest))
	if rest == "" {
		file = m.Target
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		data, err := os.ReadFile(file)
		if err != nil {
			return tree.Tree{}, hash.ID{}, err
		}
		t, err := bases.Single(path.Base(repo), data)
		return t, hash.Of(data), err
	}
	res, err := b.local.Fetch(ctx, engine.GitRequest{URL: repo, Ref: &sourcev1.GitRepositoryRef{Branch: ref}})
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	return res.Tree, res.Tree.Hash(), nil
}

func sortedNames(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
