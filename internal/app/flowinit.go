package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/source/worktree"
)

// Initial is what a proposed leat.yaml says, and what of it is new.
type Initial struct {
	File  string   `json:"file"`
	New   bool     `json:"new"` // there was none
	Added []string `json:"added"`
	Text  string   `json:"text"`
}

// ProposeFlow reads the branches of a fleet's repository and proposes its leat.yaml,
// or what the one that is there lacks. It writes nothing.
func ProposeFlow(ctx context.Context, dir string) (Initial, error) {
	file, branches, err := branchesIn(ctx, dir)
	if err != nil {
		return Initial{}, err
	}
	p := flow.Propose(branches)
	out := Initial{File: file, Added: p.What()}
	have, err := os.ReadFile(file)
	switch {
	case err == nil:
		text, added, err := p.Into(file, have)
		out.Text, out.Added = string(text), added
		return out, err
	case !errors.Is(err, fs.ErrNotExist):
		return out, err
	case len(p.Flow.Environments) == 0:
		return out, fmt.Errorf("no environment was found in %d branches of %s: there is neither a cluster's entry nor a directory of Flux v1; docs/leat-yaml.md shows how to write %s by hand",
			len(branches), filepath.Dir(file), flow.FileName)
	}
	out.New, out.Text = true, string(p.New())
	if _, err := flow.Parse(file, []byte(out.Text)); err != nil {
		return out, fmt.Errorf("what is proposed is wrong, which is a fault of leat: %w", err)
	}
	return out, nil
}

// branchesIn reads the branches of a repository, or of a folder that has a folder for
// each branch and nothing else, as a mirror may be.
func branchesIn(ctx context.Context, dir string) (file string, all []flow.Branch, err error) {
	f, err := OpenFlowRepo(dir)
	if err == nil {
		defer f.Close()
		all, err = f.Branches(ctx)
		return f.File, all, err
	}
	entries, bad := os.ReadDir(dir)
	folders := dirsOf(entries)
	files := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() && e.Name() != flow.FileName })
	if bad != nil || files || !slices.ContainsFunc(mirror.Branches(folders), flow.Lasting) {
		return "", nil, err
	}
	for _, name := range folders {
		reader, err := worktree.Open(filepath.Join(dir, name))
		if err != nil {
			return "", nil, err
		}
		snap, err := reader.Read(ctx)
		if err != nil {
			return "", nil, err
		}
		all = append(all, flow.Branch{Name: mirror.Branches([]string{name})[0], Tree: snap.Tree})
	}
	slices.SortStableFunc(all, func(a, b flow.Branch) int { return usual(a.Name) - usual(b.Name) })
	return filepath.Join(dir, flow.FileName), all, nil
}

// usual sorts the names that default branches have before others.
func usual(branch string) int {
	if branch == "main" || branch == "master" {
		return 0
	}
	return 1
}

// Write writes the file as proposed, all or nothing.
func (i Initial) Write() error {
	temp, err := os.CreateTemp(filepath.Dir(i.File), ".leat-*.yaml")
	if err != nil {
		return fmt.Errorf("write %s: %w", i.File, err)
	}
	defer os.Remove(temp.Name())
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(i.File); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = temp.WriteString(i.Text)
	if err = errors.Join(err, temp.Chmod(mode), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), i.File)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", i.File, err)
	}
	return nil
}
