package carry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	helmrepo "helm.sh/helm/v4/pkg/repo/v1"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

const indexFile = "index.yaml"

// charts packages the charts among the components into the repository of charts, with
// its index, each as one commit.
func (in Releasing) charts(ctx context.Context, cuts []Cut, did func(Step, error) error) error {
	if in.Flow.Release == nil || in.Flow.Release.Charts == nil {
		return nil
	}
	store := *in.Flow.Release.Charts
	r, err := in.Repos.Repository(ctx, store.Repository)
	if err != nil {
		return err
	}
	onto := Onto{Repo: r, Branch: store.Branch, Dir: store.Directory, Author: in.Fleet.Author}
	for _, c := range cuts {
		if c.makes()[flow.ChartPin] {
			if err := did(onto.pack(ctx, c)); err != nil {
				return err
			}
		}
	}
	return nil
}

// pack adds one chart.
func (o Onto) pack(ctx context.Context, c Cut) (Step, error) {
	step := Step{Repository: o.Repo.URL(), What: packaged(c)}
	err := again(ctx, o.Repo, func() error {
		name, head, err := branchOr(o.Repo, o.Branch)
		if err != nil {
			return err
		}
		files, err := o.Repo.Tree(ctx, head, o.Dir)
		if err != nil {
			return err
		}
		step.Branch, step.Commit = name, head
		changes, err := shelved(files, c, o.Author.When)
		if step.Done = len(changes) == 0; err != nil || step.Done {
			return err
		}
		step.Commit, err = o.commit(ctx, head, repo.Draft{Message: packaged(c) + "\n", Changes: o.below(changes)})
		return err
	})
	if err != nil {
		return step, fmt.Errorf("package the chart of %s: %w", c.Component.Name, err)
	}
	return step, nil
}

// shelved is what a repository of charts must gain to hold a release: the package and
// the index. Nothing where it is there: a version that was published is never replaced.
func shelved(files tree.Tree, c Cut, now time.Time) (map[string]*tree.Blob, error) {
	loaded, err := chart.LoadTree(c.tree, ".", chart.Limits{})
	if err != nil {
		return nil, err
	}
	loaded.Metadata.Version = c.Version.String()
	packed, err := chart.Package(loaded)
	if err != nil {
		return nil, err
	}
	file := chart.FileName(loaded.Name(), loaded.Metadata.Version)
	index := helmrepo.NewIndexFile()
	text, err := files.ReadFile(indexFile)
	if err == nil {
		err = yaml.Unmarshal(text, index)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", indexFile, err)
	}
	if index.Has(loaded.Name(), loaded.Metadata.Version) {
		return nil, nil
	}
	sum := sha256.Sum256(packed)
	if err := index.MustAdd(loaded.Metadata, file, "", hex.EncodeToString(sum[:])); err != nil {
		return nil, err
	}
	index.Entries[loaded.Name()][len(index.Entries[loaded.Name()])-1].Created = now.UTC()
	index.Generated = now.UTC()
	index.SortEntries()
	if text, err = yaml.Marshal(index); err != nil {
		return nil, err
	}
	return map[string]*tree.Blob{file: tree.BlobOf(packed), indexFile: tree.BlobOf(text)}, nil
}
