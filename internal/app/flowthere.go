package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/git"
)

// there knows what could be pinned: the branches of components, the versions of
// charts, the tags of images. Each is asked once; what is neither on this machine nor
// may be fetched is an error.
type there struct {
	p     *Previews
	local *LocalSources
	known map[string]listing
	open  map[string]opened // copies of repositories, with their history
}

type opened struct {
	repo *repo.Repo
	err  error
}

type listing struct {
	values []string
	err    error
}

func newThere(p *Previews) *there {
	return &there{p: p, local: &LocalSources{Mirrors: p.cfg.Mirrors, Pool: p.pool}, known: map[string]listing{}, open: map[string]opened{}}
}

// Close lets go of the repositories that were read.
func (t *there) Close() {
	for _, o := range t.open {
		if o.repo != nil {
			_ = o.repo.Close() // it was only read
		}
	}
}

// of lists what a pin could be, written as the pin is.
func (t *there) of(ctx context.Context, p flow.Pin, c flow.Component) ([]string, error) {
	address := c.Address(p.Kind)
	if address != "" && !t.p.cfg.Fetch && !t.local.Local(address) {
		return nil, errAway
	}
	switch {
	case p.Kind == flow.BranchPin && c.Repository != "":
		return t.once("git "+c.Repository, func() ([]string, error) { return t.branches(ctx, c.Repository) })
	case p.Kind == flow.ChartPin && c.Chart != nil:
		return t.once("chart "+c.Chart.Repository+" "+c.Chart.Name, func() ([]string, error) { return t.charts(ctx, *c.Chart) })
	case p.Kind == flow.ImagePin && c.Image != "":
		tags, err := t.once("image "+c.Image, func() ([]string, error) { return t.tags(ctx, c.Image) })
		return asWritten(p.Value, tags), err
	}
	return nil, errUnknownComponent
}

var (
	errUnknownComponent = errors.New("nothing says where its versions are; name it under components")
	errAway             = errors.New("it is not on this machine, and the network is not used")
)

// asWritten writes tags as the pin is: with the image where it has one.
func asWritten(pinned string, tags []string) []string {
	i := strings.LastIndex(pinned, ":")
	if i < 0 {
		return tags
	}
	out := make([]string, len(tags))
	for n, tag := range tags {
		out[n] = pinned[:i+1] + tag
	}
	return out
}

func (t *there) once(what string, ask func() ([]string, error)) ([]string, error) {
	if have, ok := t.known[what]; ok {
		return have.values, have.err
	}
	values, err := ask()
	t.known[what] = listing{values, err}
	return values, err
}

func (t *there) branches(ctx context.Context, url string) ([]string, error) {
	remote, folders, err := t.repository(url)
	if err != nil || folders != nil {
		return folders, err
	}
	refs, err := remote.Refs(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range refs {
		if name, ok := strings.CutPrefix(r.Name, "refs/heads/"); ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// repository is a repository, or the branches of a folder that stands for one.
func (t *there) repository(url string) (*git.Remote, []string, error) {
	m, rest, ok := mirror.Find(t.p.cfg.Mirrors, url)
	if !ok {
		if !t.p.cfg.Fetch {
			return nil, nil, t.local.Offline(url)
		}
		r, err := t.p.pool.Remote(url, git.Credential{})
		return r, nil, err
	}
	dir, err := mirrored(m, rest)
	if err != nil {
		return nil, nil, err
	}
	if isRepository(dir) {
		r, err := t.p.pool.Local(dir)
		return r, nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	if folders := dirsOf(entries); len(folders) == len(entries) {
		return nil, mirror.Branches(folders), nil
	}
	return nil, nil, fmt.Errorf("the mirror of %s is one state of it, without branches", url)
}

// fixes are the commits that a branch of a component's repository has and its main
// branch lacks. A folder that stands for a repository has no history to tell them.
func (t *there) fixes(ctx context.Context, branch string, c flow.Component) ([]carry.Fix, error) {
	r, err := t.history(ctx, c.Repository)
	if err != nil || r == nil {
		return nil, err
	}
	main := cmp.Or(c.Branch, r.DefaultBranch())
	if main == "" || main == branch {
		return nil, nil
	}
	head, err := r.Branch(branch)
	if err != nil {
		return nil, err
	}
	return carry.MissingFixes(ctx, r, head, main)
}

// history is a copy of a repository; nil where there is none to be had.
func (t *there) history(ctx context.Context, url string) (*repo.Repo, error) {
	at := url
	if m, rest, ok := mirror.Find(t.p.cfg.Mirrors, url); ok {
		dir, err := mirrored(m, rest)
		if err != nil || !isRepository(dir) {
			return nil, err
		}
		at = dir
	} else if !t.p.cfg.Fetch {
		return nil, nil
	}
	if have, ok := t.open[at]; ok {
		return have.repo, have.err
	}
	r, err := repo.Clone(ctx, at, repo.Options{Dir: filepath.Join(t.p.cfg.CacheDir, "flow")})
	t.open[at] = opened{r, err}
	return r, err
}

func (t *there) charts(ctx context.Context, c flow.ChartRef) ([]string, error) {
	if strings.HasPrefix(c.Repository, "oci://") {
		tags, err := t.tags(ctx, strings.TrimSuffix(c.Repository, "/")+"/"+c.Name)
		for i := range tags {
			tags[i] = strings.ReplaceAll(tags[i], "_", "+")
		}
		return tags, err
	}
	port := chartRepositories{local: t.local, pool: t.p.charts, offline: !t.p.cfg.Fetch}
	index, err := port.Index(ctx, engine.ChartRequest{URL: c.Repository})
	if err != nil {
		return nil, err
	}
	read, err := chart.ReadIndex(index.Data, chart.IndexOptions{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range read.Versions(c.Name) {
		out = append(out, v.Version)
	}
	return out, nil
}

func (t *there) tags(ctx context.Context, image string) ([]string, error) {
	if !strings.HasPrefix(image, "oci://") {
		image = flow.Registry(image)
	}
	port := registries{local: t.local, pool: t.p.images, offline: !t.p.cfg.Fetch}
	r, err := port.Open(engine.OCIRequest{URL: image})
	if err != nil {
		return nil, err
	}
	tags, err := r.Tags(ctx, time.Time{})
	return slices.Clone(tags), err
}
