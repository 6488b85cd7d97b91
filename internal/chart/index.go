package chart

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/leat-dev/leat/internal/words"
)

// Version is one version of one chart in a repository's index.
type Version struct {
	Name       string
	Version    string
	AppVersion string
	URLs       []string // absolute, or relative to the repository
	Digest     string   // SHA-256 of the archive in 64 hexadecimal digits; "" where the index has none
	Created    time.Time
	Deprecated bool
}

// Index is what a repository offers, without the texts. It is immutable and may
// be shared.
type Index struct {
	entries map[string][]Version // newest first
}

// NewIndex makes an index of versions.
func NewIndex(versions []Version) *Index {
	x := &Index{entries: map[string][]Version{}}
	for _, v := range versions {
		x.entries[v.Name] = append(x.entries[v.Name], v)
	}
	x.sort()
	return x
}

// Charts returns the names of all charts, sorted.
func (x *Index) Charts() []string { return slices.Sorted(maps.Keys(x.entries)) }

// Versions returns the versions of a chart, newest first. The caller must not
// change them.
func (x *Index) Versions(name string) []Version { return x.entries[name] }

// Len returns the number of versions of all charts.
func (x *Index) Len() (n int) {
	for _, list := range x.entries {
		n += len(list)
	}
	return n
}

// sort orders the versions of every chart: newest first, of equal ones the one
// created last, and what is no version at the end.
func (x *Index) sort() {
	for _, list := range x.entries {
		parsed := make(map[string]*semver.Version, len(list))
		for _, v := range list {
			if p, err := semver.NewVersion(v.Version); err == nil {
				parsed[v.Version] = p
			}
		}
		slices.SortStableFunc(list, func(a, b Version) int {
			pa, pb := parsed[a.Version], parsed[b.Version]
			if pa == nil || pb == nil {
				return 0
			}
			if c := pb.Compare(pa); c != 0 {
				return c
			}
			return b.Created.Compare(a.Created)
		})
	}
}

// ErrNotFound says that an index has no such chart or version.
var ErrNotFound = errors.New("not in the repository")

// Find returns the version of a chart that a range means (source-controller
// v1.9, repository.ChartRepository.getChartVersion): the one that is written
// exactly so, else the newest in the range. An empty range, and "*", mean the
// newest that is no prerelease. The error names what is there.
func (x *Index) Find(name, want string) (Version, error) {
	list := x.entries[name]
	if len(list) == 0 {
		return Version{}, fmt.Errorf("there is no chart '%s': %w; it has %s", name, ErrNotFound, words.Some(x.Charts()))
	}
	for _, v := range list {
		if want != "" && v.Version == want {
			return v, nil
		}
	}
	i, err := Newest(list, want)
	if err != nil {
		return Version{}, fmt.Errorf("no '%s' chart with version matching '%s' found: %w; there are %s", name, want, err, words.Some(versionsOf(list)))
	}
	return list[i], nil
}

// Newest returns the position of the first version in a range; the list must be
// sorted, newest first.
func Newest(list []Version, want string) (int, error) {
	if want == "" {
		want = "*"
	}
	if len(want) > maxRange {
		return 0, fmt.Errorf("the range has more than %d bytes", maxRange)
	}
	in, err := semver.NewConstraint(want)
	if err != nil {
		return 0, err
	}
	for i, v := range list {
		if p, ok := threePart(v.Version); ok && in.Check(p) {
			return i, nil
		}
	}
	return 0, ErrNotFound
}

// maxRange bounds the text of a range, in bytes.
const maxRange = 1024

// threePart reads what a range may match: a version of three parts, perhaps after
// a v. A part may begin with a zero, as in 2026.01.15 (fluxcd/pkg/version v0.16.0,
// ParseVersion).
func threePart(text string) (*semver.Version, bool) {
	if strings.Count(text, ".") < 2 {
		return nil, false
	}
	v, err := semver.NewVersion(text)
	return v, err == nil
}

func versionsOf(list []Version) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.Version
	}
	return out
}

// usable tells whether an entry of an index can be a chart's version.
func (v Version) usable() bool {
	if v.Name == "" || v.Version == "" || len(v.Name)+len(v.Version) > maxName || path.Base(v.Name) != v.Name || v.Name == "." || v.Name == ".." {
		return false
	}
	_, err := semver.NewVersion(v.Version)
	return err == nil
}
