package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/repo"
)

// PlanFix says what a commit does to every environment that follows the branch which it
// is meant for, as Markdown with a section each. An environment that cannot be planned
// says why.
func (c *Carrying) PlanFix(ctx context.Context, cfg PreviewConfig, at carry.Running, commit repo.Hash) string {
	var b strings.Builder
	for _, e := range at.Followers {
		text, err := c.planFix(ctx, cfg, at, fix{e, commit})
		if err != nil {
			text = fmt.Sprintf("What it does there could not be planned: %s\n", present.Prose(err.Error()))
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s", e.Name, text)
	}
	return b.String()
}

// fix is a commit for an environment.
type fix struct {
	of     flow.Environment
	commit repo.Hash
}

func (c *Carrying) planFix(ctx context.Context, cfg PreviewConfig, at carry.Running, f fix) (string, error) {
	if at.Pin.File == "" {
		return planBetween(ctx, PlanConfig{Previews: cfg, Revisions: Revisions{Dir: c.cfg.Dir}}, f.of, [2]repo.Hash{at.Head, f.commit})
	}
	head, err := c.Head(ctx, f.of.Branch)
	if err != nil {
		return "", err
	}
	side := Revision{Snapshot: head.snapshot(), Name: f.of.Branch}
	o := entry.Options{Path: cmp.Or(f.of.Cluster, f.of.Directory, ".")}
	var sides [2]rendering
	var last *Previews
	for i, commit := range []repo.Hash{at.Head, f.commit} {
		folder, err := served(ctx, at, commit)
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(folder)
		with := cfg
		with.Mirrors = append([]mirror.Mirror{{Prefix: mirror.Normalize(c.addressOf(at)), Target: folder}}, cfg.Mirrors...)
		previews, err := NewPreviews(with)
		if err != nil {
			return "", err
		}
		defer previews.Close()
		sides[i], last = previews.render(ctx, o, side), previews
	}
	one, err := last.compared(ctx, sides)
	if err != nil {
		return "", err
	}
	return lasting(present.Plan{Entries: []present.Entry{one}}), nil
}

// addressOf is how the fleet calls the repository of a component.
func (c *Carrying) addressOf(at carry.Running) string {
	if declared, known := c.Flow.Component(at.Pin.Component); known && declared.Repository != "" {
		return declared.Repository
	}
	return at.Repo.URL()
}

// served is a folder for mirrors in which the branch that is followed holds a commit; it
// is the caller's to remove.
func served(ctx context.Context, at carry.Running, commit repo.Hash) (string, error) {
	files, err := at.Repo.Tree(ctx, commit, "")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "leat-fix-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(filepath.Join(dir, mirror.Folder(at.Branch)), files.FS()); err != nil {
		return "", errors.Join(fmt.Errorf("lay out %s: %w", commit, err), os.RemoveAll(dir))
	}
	return dir, nil
}
