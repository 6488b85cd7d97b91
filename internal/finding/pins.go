package finding

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
)

var pinRules = []Rule{
	{
		Name: "chart-floats", Severity: Warning, Practice: semanticVersions,
		Doc: "A chart has no version, or a range: the next release of the chart is deployed without a commit, and no review sees it. Pin a version; a bot can raise " +
			"it.",
		Check: standing(chartFloats),
	},
	{
		Name: "remote-base-floats", Severity: Warning, Practice: semanticVersions,
		Doc:   "A kustomization takes files from a URL that names no release or commit: what is built changes without a commit here.",
		Check: perUnit(remoteBases),
	},
	{
		Name: "source-floats", Severity: Info, Practice: semanticVersions,
		Doc: "A source other than the fleet's own follows a branch, the tag latest or a range: what it brings changes without a commit here. Pin a tag or a commit " +
			"where production reads it.",
		Check: standing(sourceFloats),
	},
}

// chartFloats looks at what HelmReleases and HelmCharts ask for. The HelmChart of
// a HelmRelease says the same again; a chart in a folder has the version that it
// has.
func chartFloats(r fleet.Rendered) []Finding {
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		var field []string
		switch {
		case u.Key.Kind == unit.HelmReleaseKind && at(u.Object, "spec", "chart") != nil:
			field = []string{"spec", "chart", "spec"}
		case u.Key.Kind == unit.HelmChartKind && u.Parent.IsZero():
			field = []string{"spec"}
		default:
			continue
		}
		spec := asMap(at(u.Object, field...))
		if in(spec, "sourceRef", "kind") != unit.HelmRepositoryKind {
			continue
		}
		asked, _ := spec["version"].(string)
		chart, _ := spec["chart"].(string)
		if pinned(asked) {
			continue
		}
		f := ofUnit(u, "the chart %s %s", chart, howAsked(asked))
		f.Field = "/" + strings.Join(field, "/") + "/version"
		out = append(out, f)
	}
	return append(out, warned(r, floating)...)
}

// pinned tells whether a version is exactly one.
func pinned(version string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(version, "v"))
	return err == nil
}

func howAsked(version string) string {
	if version == "" || version == "*" {
		return "has no version: the newest is installed"
	}
	return fmt.Sprintf("is asked for as %q: the newest that matches is installed", version)
}

// exact tells whether a reference names one state for ever: a commit, or a
// release.
var exact = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64}|(.*[/-])?v?[0-9]+\.[0-9]+(\.[0-9]+)?([-+].*)?)$`)

// remoteBases looks at what a build read from outside.
func remoteBases(u *fleet.Unit) []Finding {
	var out []Finding
	for _, read := range u.Reads.In(record.Remote) {
		address, pinned := remote(read.Key)
		if !pinned {
			out = append(out, ofUnit(u, "it is built from %s, which names no release or commit", address))
		}
	}
	return out
}

// remote returns an address without a password, and whether it is pinned: by ref,
// or by a part of its path.
func remote(address string) (string, bool) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "a remote address", false
	}
	parsed.User = nil
	query := parsed.Query()
	ref := query.Get("ref") + query.Get("version")
	if exact.MatchString(ref) {
		return parsed.String(), true
	}
	if ref == "" {
		for step := range strings.SplitSeq(parsed.Path, "/") {
			if step != "" && exact.MatchString(step) {
				return parsed.String(), true
			}
		}
	}
	parsed.RawQuery = ""
	if ref != "" {
		parsed.RawQuery = "ref=" + ref
	}
	return parsed.String(), false
}

// sourceFloats looks at what sources follow, but for those of the fleet itself:
// what units that nothing made build from.
func sourceFloats(r fleet.Rendered) []Finding {
	own := map[object.Key]bool{}
	for i := range r.Units {
		if u := &r.Units[i]; u.Parent.IsZero() || u.Parent == u.Key {
			own[u.Source] = true
		}
	}
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		if own[u.Key] {
			continue
		}
		if how := follows(u); how != "" {
			f := ofUnit(u, "the source %s", how)
			f.Field = "/spec/ref"
			out = append(out, f)
		}
	}
	return out
}

// follows says what a source follows; empty where it is pinned.
func follows(u *fleet.Unit) string {
	ref := func(field string) string { return textAt(u.Object, "spec", "ref", field) }
	switch u.Key.Kind {
	case unit.GitRepositoryKind:
		switch {
		case ref("commit") != "" || ref("tag") != "" || strings.HasPrefix(ref("name"), "refs/tags/"):
			return ""
		case ref("semver") != "":
			return semverRange(ref("semver"))
		case ref("name") != "":
			return "follows " + ref("name")
		case ref("branch") != "":
			return "follows the branch " + ref("branch")
		}
		return "follows the branch master"
	case unit.OCIRepositoryKind:
		switch {
		case ref("digest") != "":
			return ""
		case ref("semver") != "":
			return semverRange(ref("semver"))
		case ref("tag") == "" || ref("tag") == "latest":
			return "follows the tag latest"
		}
	}
	return ""
}

func semverRange(text string) string {
	if pinned(text) {
		return ""
	}
	return fmt.Sprintf("follows the range %q", text)
}
