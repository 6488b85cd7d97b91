package release

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// digestChars is how much of a digest stands in a chart's version.
const digestChars = 12

// AtRevision returns the version under which a chart is released that came in an
// artifact of a revision with a digest ("6.5.0@sha256:…", "sha256:…"), and that
// digest: "6.5.0+1b2c3d4e5f60". So a tag that moves is another version
// (helm-controller v1.6.4 mutateChartWithSourceRevision). A tag that is a version
// must be the chart's.
func AtRevision(version, revision string) (string, string, error) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", "", fmt.Errorf("invalid chart version %s", version)
	}
	digest := revision
	if tag, after, found := strings.Cut(revision, "@"); found {
		// A tag cannot hold a plus sign; Helm writes an underscore.
		if tagged, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "+")); err == nil && !tagged.Equal(v) {
			return "", "", fmt.Errorf("artifact revision %s does not match chart version %s", tag, version)
		}
		digest = after
	}
	algorithm, hex, found := strings.Cut(digest, ":")
	if !found || algorithm == "" || len(hex) < digestChars || strings.Contains(hex, ":") {
		return "", "", fmt.Errorf("invalid artifact revision %s", revision)
	}
	marked, err := v.SetMetadata(hex[:digestChars])
	if err != nil {
		return "", "", fmt.Errorf("artifact revision %s: %w", revision, err)
	}
	return marked.String(), digest, nil
}
