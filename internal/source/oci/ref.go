package oci

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/words"
)

// Media types of Helm (helm.sh/helm/v4 pkg/registry/constants.go).
const (
	ChartLayer       = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	chartLayerLegacy = "application/tar+gzip"
)

// Ref is what of a repository is wanted: a digest goes before a range of
// versions, that before a tag, and the zero Ref is the tag latest.
type Ref struct {
	Digest string
	SemVer string // a range of versions, over tags of three parts
	Filter string // an expression (RE2) that tags must match before versions are compared
	Tag    string
	// MediaType of the layer that is wanted: where it is ChartLayer, _ in a tag
	// stands for + in the version.
	MediaType string
	// Strict has tags that are versions as semver.org writes them go before others,
	// such as v2.0.0: Helm lists no others (helm.sh/helm/v4 v4.2.4 pkg/registry,
	// Client.Tags), and those may be images that lie beside the chart.
	Strict bool
}

// Revision is what a Ref means now.
type Revision struct {
	Tag    string // "" where the digest was given
	Digest string // of the manifest, "sha256:…"
}

// String returns the form in a status: "6.2.1@sha256:…" or "sha256:…".
func (r Revision) String() string {
	if r.Tag == "" {
		return r.Digest
	}
	return r.Tag + "@" + r.Digest
}

// ParseAddress checks an oci:// address and returns its registry and its path,
// or an InvalidURL.
func ParseAddress(address string) (host, repository string, err error) {
	repo, err := parseAddress(address, Checked)
	if err != nil {
		return "", "", err
	}
	return repo.RegistryStr(), repo.RepositoryStr(), nil
}

func parseAddress(address string, t Transport) (name.Repository, error) {
	rest, ok := strings.CutPrefix(address, "oci://")
	if !ok {
		return name.Repository{}, fail(fault.InvalidURL, "the URL must have the form oci://<domain>/<org>/<repo>")
	}
	rest = strings.TrimRight(rest, "/")
	if _, p, _ := strings.Cut(rest, "/"); strings.ContainsAny(p, ":@") {
		at := strings.IndexAny(p, ":@")
		return name.Repository{}, fail(fault.InvalidURL, "the URL must not contain a tag or a digest; remove '%s' and name it in spec.ref", p[at:])
	}
	if slices.ContainsFunc(strings.Split(rest, "/"), func(part string) bool { return part == "." || part == ".." }) {
		return name.Repository{}, fail(fault.InvalidURL, "the URL cannot be used: its path goes upwards")
	}
	var opts []name.Option
	if t == Insecure {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(rest, opts...)
	if err != nil {
		return repo, fail(fault.InvalidURL, "the URL cannot be used: %w", err)
	}
	return repo, nil
}

func parseDigest(text string) (v1.Hash, error) {
	h, err := v1.NewHash(text)
	if err != nil {
		return h, fail(fault.Invalid, "the digest %.100q cannot be used, want sha256: and 64 hexadecimal digits: %w", text, err)
	}
	return h, nil
}

func parseTag(repo name.Repository, text string) (name.Tag, error) {
	tag, err := name.NewTag(repo.Name() + ":" + text)
	if err != nil {
		return name.Tag{}, fail(fault.Invalid, "the tag %.100q cannot be used: %w", text, err)
	}
	return repo.Tag(tag.TagStr()), nil
}

// Choose returns the tag with the highest version in the range of want.
func Choose(tags []string, want Ref) (string, error) {
	in, err := semver.NewConstraint(want.SemVer)
	if err != nil {
		return "", fail(fault.Invalid, "semver %q cannot be read: %w", want.SemVer, err)
	}
	filter, err := regexp.Compile(want.Filter)
	if err != nil {
		return "", fail(fault.Invalid, "semverFilter %q cannot be read: %w", want.Filter, err)
	}
	var best *semver.Version
	var tag string
	rank := func(t string) int {
		if _, err := semver.StrictNewVersion(ChartVersion(t)); want.Strict && err == nil {
			return 1
		}
		return 0
	}
	left, each := maxFilter, instructions(want.Filter)
	for _, t := range tags {
		v, err := versionOf(t, want.MediaType)
		if err != nil || !in.Check(v) {
			continue
		}
		if left -= each * len(t); left < 0 {
			return "", fail(fault.Invalid, "semverFilter %.100q is too much work for %d tags; write it shorter, without {n} and nested repetitions", want.Filter, len(tags))
		}
		if !filter.MatchString(t) {
			continue
		}
		if best == nil || cmp.Or(rank(t)-rank(tag), v.Compare(best), strings.Compare(t, tag)) > 0 {
			best, tag = v, t
		}
	}
	if best == nil {
		return "", fail(fault.NotFound, "no match found for semver: %s%s; tags: %s", want.SemVer, filterText(want), some(tags))
	}
	return tag, nil
}

// maxFilter bounds the instructions of a filter times the bytes that it reads: some
// forty nanoseconds each at worst.
const maxFilter = 250_000_000

// instructions returns into how many an expression is compiled.
func instructions(expr string) int {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return 0 // it was not compiled either
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

func filterText(want Ref) string {
	if want.Filter == "" {
		return ""
	}
	return fmt.Sprintf(" among tags that match %q", want.Filter)
}

// versionOf takes versions of three parts, with or without a v before them.
func versionOf(tag, mediaType string) (*semver.Version, error) {
	if mediaType == ChartLayer {
		tag = ChartVersion(tag)
	}
	if strings.Count(tag, ".") < 2 {
		return nil, errors.New("not a version of three parts")
	}
	return semver.NewVersion(tag)
}

// ChartTag returns the tag under which Helm keeps a version of a chart,
// ChartVersion the version that a tag means: tags may hold no +.
func ChartTag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// ChartVersion is described at ChartTag.
func ChartVersion(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

// ChartRef returns what a chart's version asks for: an exact version is a tag,
// anything else a range, and nothing is the newest that is no pre-release.
func ChartRef(version string) Ref {
	if _, err := versionOf(version, ""); err == nil {
		return Ref{Tag: ChartTag(version), MediaType: ChartLayer}
	}
	if version == "" {
		version = "*"
	}
	return Ref{SemVer: version, MediaType: ChartLayer, Strict: true}
}

// some lists names for a message, the last ones first.
func some(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	slices.Reverse(names)
	return words.Some(names)
}
