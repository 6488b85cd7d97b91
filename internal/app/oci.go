package app

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/words"
)

// registries opens repositories: on this machine, or through a pool.
type registries struct {
	local   Local // may be nil
	pool    *oci.Pool
	offline bool
}

// Local implements engine.OCI.
func (r registries) Local(url string) bool { return r.local != nil && r.local.Local(url) }

// Open implements engine.OCI.
func (r registries) Open(req engine.OCIRequest) (oci.Reader, error) {
	if _, _, err := oci.ParseAddress(req.URL); err != nil {
		return nil, err
	}
	switch {
	case r.Local(req.URL):
		return r.local.OpenOCI(req.URL)
	case r.offline && r.local != nil:
		return nil, offline(report.ReasonPullFailed, req.URL)
	}
	access, err := oci.AccessOf(req.Secrets)
	if err != nil {
		return nil, fmt.Errorf("failed to get credential for '%s': %w", req.URL, err)
	}
	if req.Proxy != nil {
		proxy, err := git.ProxyFromSecret(req.Proxy)
		if err != nil {
			return nil, report.Retry(report.ReasonAuthFailed, fmt.Errorf("failed to get proxy address: %w", err))
		}
		access.Proxy = secret.Of(proxy.URL().String())
	}
	access.Transport = req.Transport
	return r.pool.Repository(req.URL, access)
}

// OpenOCI implements Local: charts and folders that stand for a repository.
func (l *LocalSources) OpenOCI(url string) (oci.Reader, error) {
	m, rest, ok := mirror.Find(l.Mirrors, url)
	if !ok {
		return nil, offline(report.ReasonPullFailed, url)
	}
	dir, err := l.ociFolder(m, rest, path.Base(mirror.Normalize(url)))
	if err != nil {
		return nil, report.Retry(report.ReasonPullFailed, err)
	}
	return &oci.Folder{Dir: dir, Name: path.Base(mirror.Normalize(url)), Read: l.readFolder}, nil
}

// ociFolder finds the folder for a repository: one of its path, or one with
// charts of its name on the way there.
func (l *LocalSources) ociFolder(m mirror.Mirror, rest, name string) (string, error) {
	var there []string
	for sub := rest; ; sub = path.Dir(sub) {
		if sub == "." || sub == "/" {
			sub = ""
		}
		dir := filepath.Join(m.Target, filepath.FromSlash(sub))
		entries, err := os.ReadDir(dir)
		if err == nil && (sub == rest || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return isChartOf(e, name) })) {
			return dir, nil
		}
		if err == nil && there == nil {
			there = ociNames(entries)
		}
		if sub == "" {
			break
		}
	}
	if _, err := os.Stat(m.Target); err != nil {
		return "", fmt.Errorf("--mirror %s: %w", m.Text, err)
	}
	return "", fmt.Errorf("--mirror %s: there is neither a folder %q nor a chart %s-<version>.tgz; there is %s", m.Text, rest, name, words.Some(there))
}

func isChartOf(e os.DirEntry, name string) bool {
	return strings.HasPrefix(e.Name(), name+"-") && strings.HasSuffix(e.Name(), ".tgz")
}

// ociNames lists what a folder offers: folders and packed charts.
func ociNames(entries []os.DirEntry) []string {
	out := dirsOf(entries)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tgz") {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out
}

func (l *LocalSources) readFolder(ctx context.Context, dir string) (tree.Tree, error) {
	r := l.reader(dir)
	if r == nil {
		return tree.Tree{}, fmt.Errorf("%s cannot be read", dir)
	}
	snap, err := r.Read(ctx)
	return snap.Tree, err
}
