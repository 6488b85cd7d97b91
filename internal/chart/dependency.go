package chart

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Masterminds/semver/v3"
	helm "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/leat-dev/leat/internal/tree"
)

// Dependency is a subchart that is asked for and not there.
type Dependency struct {
	Name       string
	Range      string
	Repository string // normalised URL; "" for local ones
	Path       string // in the source, of local ones
	Alias      string
}

// Local tells whether the subchart stands in the source.
func (d Dependency) Local() bool { return d.Repository == "" }

// maxDependencies bounds what one chart may make its builder fetch.
const maxDependencies = 256

// Missing lists the dependencies of the chart in a directory that are not in its
// charts folder, as source-controller finds them (internal/helm/chart,
// DependencyManager): Chart.lock goes before Chart.yaml, and where there are as
// many subcharts as requirements nothing is missing.
func Missing(c *helm.Chart, dir string) ([]Dependency, error) {
	wanted := c.Metadata.Dependencies
	if c.Lock != nil {
		wanted = c.Lock.Dependencies
	}
	have := map[string]bool{}
	for _, sub := range c.Dependencies() {
		have[sub.Name()] = true
	}
	switch {
	case len(c.Dependencies()) == len(wanted):
		return nil, nil
	case len(wanted) > maxDependencies:
		return nil, fmt.Errorf("the chart has %d dependencies, more than %d", len(wanted), maxDependencies)
	}
	var out []Dependency
	at := map[string]int{} // in out, by the name in the chart
	for _, w := range wanted {
		if w == nil {
			return nil, errors.New("the dependencies hold an empty entry")
		}
		name := cmp.Or(w.Alias, w.Name)
		if have[name] {
			continue
		}
		d, err := dependency(w, dir)
		if err != nil {
			return nil, fmt.Errorf("dependency '%s': %w", w.Name, err)
		}
		if i, twice := at[name]; twice { // a lock knows no aliases: the last one counts
			out[i] = d
			continue
		}
		at[name] = len(out)
		out = append(out, d)
	}
	return out, nil
}

func dependency(w *helm.Dependency, dir string) (Dependency, error) {
	d := Dependency{Name: w.Name, Range: w.Version, Alias: w.Alias}
	local, isFile := strings.CutPrefix(w.Repository, "file://")
	var err error
	switch {
	case w.Repository == "":
		d.Path, err = tree.Join(dir, chartsDir, w.Name)
	case isFile:
		d.Path, err = tree.Join(dir, local)
	case strings.HasPrefix(w.Repository, "@"), strings.HasPrefix(w.Repository, "alias:"):
		err = fmt.Errorf("aliased repository dependency is not supported: %s; write its URL", w.Repository)
	default:
		d.Repository, err = Normalize(w.Repository)
	}
	return d, err
}

// Add puts a fetched subchart into a chart.
func (d Dependency) Add(c, sub *helm.Chart) error {
	if d.Local() {
		in, err := semver.NewConstraint(d.Range)
		if err != nil {
			return fmt.Errorf("invalid version/constraint format '%s': %w", d.Range, err)
		}
		v, err := semver.NewVersion(sub.Metadata.Version)
		if err != nil {
			return fmt.Errorf("read version %q: %w", sub.Metadata.Version, err)
		}
		if !in.Check(v) {
			return fmt.Errorf("can't get a valid version for constraint '%s': %s has %s", d.Range, d.Path, sub.Metadata.Version)
		}
	}
	if d.Alias != "" {
		sub.Metadata.Name = d.Alias
	}
	c.AddDependency(sub)
	order(c)
	return nil
}

// Normalize writes the URL of a repository so that equal ones read equal: http
// and https with one slash at the end, oci with none (source-controller
// internal/helm/repository, NormalizeURL). Other schemes are errors.
func Normalize(repository string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(repository))
	if err != nil || u.Host == "" {
		return "", errors.New("the URL of the repository cannot be read") // its text may hold a password
	}
	switch u.Scheme {
	case "oci":
		u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	case "http", "https":
		u.Path = strings.TrimRight(u.Path, "/") + "/"
		if u.RawPath != "" {
			u.RawPath = strings.TrimRight(u.RawPath, "/") + "/"
		}
	default:
		return "", fmt.Errorf("the URL of the repository has the scheme %.20q: want http://, https:// or oci://", u.Scheme)
	}
	return u.String(), nil
}

// IndexURL returns where the index of a repository is.
func IndexURL(repository string) (string, error) { return Resolve(repository, "index.yaml") }

// Resolve returns the address of a file that an index names: absolute ones as
// they are, others from the repository, with its query (Helm v4 pkg/repo/v1,
// ResolveReferenceURL).
func Resolve(repository, ref string) (string, error) {
	r, err := url.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("the index names an address that cannot be read: %.80q", ref)
	}
	if r.IsAbs() {
		return ref, nil
	}
	normal, err := Normalize(repository)
	if err != nil {
		return "", err
	}
	base, err := url.Parse(normal)
	if err != nil {
		return "", err
	}
	out := base.ResolveReference(r)
	out.RawQuery = r.RawQuery
	if out.Host == base.Host && out.RawQuery == "" { // it may hold a token
		out.RawQuery = base.RawQuery
	}
	return out.String(), nil
}
