// Package chart knows what a Helm chart and the index of a chart repository
// are: it reads both from hostile bytes, finds versions, merges values files,
// says which dependencies are missing, and packages.
//
//	x, err := chart.ReadIndex(data, chart.IndexOptions{})
//	v, err := x.Find("podinfo", "^6.0.0")
//	c, err := chart.Load(archive, chart.Limits{})
//	data, err := chart.Package(c)
//
// It is pure: what must be fetched it names, and the caller fetches it. It must
// never read a byte beyond its limits, follow a link, or take a name that leads
// out of the chart. Rules and limits are those of Flux (source-controller v1.9,
// internal/helm) and Helm (v4, pkg/chart/v2).
package chart

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	helm "helm.sh/helm/v4/pkg/chart/v2"
)

// Limits bound what is taken of a chart. Zero fields stand for the defaults.
type Limits struct {
	Packed int64 // bytes of an archive (--helm-chart-max-size)
	File   int64 // bytes of one file (--helm-chart-file-max-size)
	Bytes  int64 // bytes of all files, unpacked
	Files  int   // number of files, those of subcharts included
}

// The default limits. MaxPacked and MaxFile are those of source-controller
// (internal/helm/helm.go), MaxBytes is Helm's (pkg/chart/loader/archive).
const (
	MaxPacked = 10 << 20
	MaxFile   = 5 << 20
	MaxBytes  = 100 << 20
	MaxFiles  = 20_000

	maxDepth = 16 // archives within archives
)

func (l Limits) withDefaults() Limits {
	if l.Packed == 0 {
		l.Packed = MaxPacked
	}
	if l.File == 0 {
		l.File = MaxFile
	}
	if l.Bytes == 0 {
		l.Bytes = MaxBytes
	}
	if l.Files == 0 {
		l.Files = MaxFiles
	}
	return l
}

// The names of files that mean something.
const (
	chartFile        = "Chart.yaml"
	lockFile         = "Chart.lock"
	valuesFile       = "values.yaml"
	schemaFile       = "values.schema.json"
	requirementsFile = "requirements.yaml"
	chartsDir        = "charts"
)

// FileName returns the name of a packaged chart's file, <name>-<version>.tgz. The name
// of a chart in a registry may be a path.
func FileName(name, version string) string { return path.Base(name) + "-" + version + ".tgz" }

var validName = regexp.MustCompile(`^([-a-z0-9]+/?\.?)+$`)

// maxName bounds the name and the version of a chart together, in bytes, so that
// they make the name of a file.
const maxName = 200

// CheckName refuses what cannot be the name of a chart in a repository.
func CheckName(name string) error {
	if len(name) > maxName || !validName.MatchString(name) {
		return fmt.Errorf("invalid chart name '%.200s': want lower case letters, digits, '-', '.' and '/'", name)
	}
	return nil
}

// WithMetadata returns a version with build metadata: "1.2.3" and "5" give
// "1.2.3+5". Empty metadata leaves the version as it is written.
func WithMetadata(version, metadata string) (string, error) {
	if metadata == "" {
		return version, nil
	}
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", fmt.Errorf("read chart version %q: %w", version, err)
	}
	next, err := v.SetMetadata(metadata)
	if err != nil {
		return "", fmt.Errorf("set metadata %q on chart version %q: %w", metadata, version, err)
	}
	return next.String(), nil
}

// shortRevision is how much of a revision stands in a version: labels are short.
const shortRevision = 12

// RevisionMetadata returns the build metadata of a chart that follows its
// source's revision: twelve digits of the commit, or of the digest.
func RevisionMetadata(revision string) string {
	hex := revision[strings.LastIndexByte(revision, '@')+1:]
	hex = hex[strings.IndexByte(hex, ':')+1:]
	return hex[:min(len(hex), shortRevision)]
}

// Summary says in Flux's words what was made of a chart (source-controller
// internal/helm/chart, Build.Summary).
func Summary(c Built) string {
	verb := "pulled"
	if c.Packaged {
		verb = "packaged"
	}
	text := fmt.Sprintf("%s '%s' chart with version '%s'", verb, c.Name, c.Version)
	if len(c.ValuesFiles) > 0 {
		text += fmt.Sprintf(" and merged values files %v", c.ValuesFiles)
	}
	return text
}

// Built is a chart that is ready to be stored.
type Built struct {
	Name, Version string
	Data          []byte // the archive; nil where the stored one is kept
	Packaged      bool   // made here, not taken as it came
	ValuesFiles   []string
}

// validated returns the metadata of a chart when it is sound.
func validated(m *helm.Metadata) (*helm.Metadata, error) {
	if m == nil {
		return nil, errors.New("there is no " + chartFile)
	}
	if m.APIVersion == "" {
		m.APIVersion = helm.APIVersionV1
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if len(m.Name)+len(m.Version) > maxName {
		return nil, fmt.Errorf("name and version have more than %d bytes", maxName)
	}
	if path.Base(m.Name) != m.Name || strings.ContainsAny(m.Name+m.Version, "/\\\x00") {
		return nil, fmt.Errorf("the name %q or the version %q cannot name a file", m.Name, m.Version)
	}
	return m, nil
}
