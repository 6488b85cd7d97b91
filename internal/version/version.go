// Package version finds the next version of a component from its history, as the
// release workflows of the field do: GitVersion 5 in mainline mode, where every
// change that reaches the main branch is a release.
//
//	next, err := version.Next(released, []version.Commit{{Message: "fix the proxy"}})
//
// Facts: gitversion.net, «Mainline mode» and «Version increments»; the directives
// in messages are GitVersion's defaults.
package version

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Initial is the version of what was never released.
const Initial = "0.1.0"

// ReleaseBranch is what a branch begins with that holds one version: release/1.2.3.
const ReleaseBranch = "release/"

// Commit is a change of the main branch: one that was made there or the merge that
// brought others.
type Commit struct {
	ID      string
	Message string
}

// Next is the version after those that were released, for the commits that the main
// branch gained since the highest of them, oldest first. Each raises the patch; a
// line +semver: minor, major or none in its message says otherwise (breaking,
// feature, fix, patch and skip are other words for them). No commit means that there
// is nothing to release.
func Next(released []*semver.Version, since []Commit) (*semver.Version, error) {
	base := Highest(released)
	if base == nil {
		first := semver.MustParse(Initial)
		if len(since) == 0 {
			return nil, fmt.Errorf("there is nothing to release: no commit")
		}
		return raised(first, since[1:]), nil
	}
	next := raised(base, since)
	if next.Equal(base) {
		return nil, fmt.Errorf("there is nothing to release since %s", base.Original())
	}
	return next, nil
}

// raised applies what each commit asks for, in turn.
func raised(v *semver.Version, commits []Commit) *semver.Version {
	for _, c := range commits {
		next := *v
		switch increment(c.Message) {
		case major:
			next = v.IncMajor()
		case minor:
			next = v.IncMinor()
		case patch:
			next = v.IncPatch()
		}
		v = &next
	}
	return v
}

const (
	none = iota
	patch
	minor
	major
)

var directive = regexp.MustCompile(`(?i)\+semver:\s?(breaking|major|feature|minor|fix|patch|none|skip)\b`)

var increments = map[string]int{"breaking": major, "major": major, "feature": minor, "minor": minor, "fix": patch, "patch": patch}

// increment is what a message asks for: the most of what it names, the patch where
// it names nothing.
func increment(message string) int {
	found := directive.FindAllStringSubmatch(message, -1)
	if len(found) == 0 {
		return patch
	}
	most := none
	for _, m := range found {
		most = max(most, increments[strings.ToLower(m[1])])
	}
	return most
}

// Highest is the highest of some versions; nil where there is none. What was never
// finished (1.2.3-rc.1) counts below what was.
func Highest(versions []*semver.Version) *semver.Version {
	if len(versions) == 0 {
		return nil
	}
	return slices.MaxFunc(versions, (*semver.Version).Compare)
}

// OfRef reads the version that a tag or a release branch names: v1.2.3, 1.2.3,
// release/1.2.3. Names that a version could be read out of only by guessing, as
// release/0.2.99-patched-20241010 is of somebody's hand, are versions with a
// suffix, and lie before 0.2.99.
func OfRef(name string) (*semver.Version, bool) {
	name = strings.TrimPrefix(name, ReleaseBranch)
	v, err := semver.StrictNewVersion(strings.TrimPrefix(name, "v"))
	return v, err == nil
}

// Released are the versions that names of tags and branches tell of, by version.
func Released(refs []string) []*semver.Version {
	var out []*semver.Version
	for _, ref := range refs {
		if v, is := OfRef(ref); is && v.Prerelease() == "" {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, (*semver.Version).Compare)
	return slices.CompactFunc(out, (*semver.Version).Equal)
}
