package present

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/hash"
)

// The parts of SARIF 2.1.0 that a plan uses (OASIS, section 3: sarifLog, run,
// tool, reportingDescriptor, result, location, suppression).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
		Columns string        `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Home    string      `json:"informationUri"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string      `json:"id"`
		Short   sarifText   `json:"shortDescription"`
		Full    sarifText   `json:"fullDescription"`
		Default sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule         string             `json:"ruleId"`
		Index        int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Baseline     string             `json:"baselineState"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"` // inSource for an annotation, external for a file
		Justification string `json:"justification,omitempty"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// levels are those of SARIF by severity.
var levels = map[string]string{"danger": "error", "warning": "warning", "info": "note"}

// SARIF returns the findings as SARIF 2.1.0, for code scanning. Its rules are
// the given ones; a finding of another rule brings it along. Findings of several
// clusters are told once.
func (d Document) SARIF(rules []finding.Rule) ([]byte, error) {
	name, version, _ := strings.Cut(d.Tool, " ")
	run := sarifRun{
		Columns: "unicodeCodePoints", Results: []sarifResult{},
		Tool: sarifTool{sarifDriver{Name: cmp.Or(name, "leat"), Version: version, Home: "https://github.com/leat-dev/leat", Rules: []sarifRule{}}},
	}
	index := map[string]int{}
	for _, r := range rules {
		index[r.Name] = len(run.Tool.Driver.Rules)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(r.Name, r.Doc, r.Severity.String()))
	}
	for _, f := range findingSignals(d) {
		at, known := index[f.Of.Rule]
		if !known {
			at = len(run.Tool.Driver.Rules)
			index[f.Of.Rule] = at
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(f.Of.Rule, f.Of.Rule, f.Of.Severity))
		}
		run.Results = append(run.Results, sarifResultOf(f, at))
	}
	return encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifRuleOf(name, doc, severity string) sarifRule {
	short, _, _ := strings.Cut(doc, ". ")
	return sarifRule{ID: name, Short: sarifText{strings.TrimSuffix(short, ".") + "."}, Full: sarifText{doc}, Default: sarifConfig{levels[severity]}}
}

func sarifResultOf(f signal[Finding], rule int) sarifResult {
	text := f.Of.text()
	if in := f.in(); in != "" {
		text += " (" + in + ")"
	}
	out := sarifResult{
		Rule: f.Of.Rule, Index: rule, Level: levels[f.Of.Severity], Message: sarifText{text}, Baseline: "new",
		Fingerprints: map[string]string{"leat/v1": f.Of.fingerprint()},
	}
	if location := sarifLocationOf(f.Of); location.Physical != nil || location.Logical != nil {
		out.Locations = []sarifLocation{location}
	}
	if f.Of.Old {
		out.Baseline = "unchanged"
	}
	if f.Of.Allowed {
		out.Suppressions = []sarifSuppression{suppression(f.Of)}
	}
	return out
}

func suppression(f Finding) sarifSuppression {
	if f.AllowedBy == "" || f.AllowedBy == finding.Allow {
		return sarifSuppression{Kind: "inSource"}
	}
	return sarifSuppression{"external", f.AllowedBy}
}

// fingerprint is the same for a finding that moves to another line.
func (f Finding) fingerprint() string {
	return hash.OfString(strings.Join([]string{f.Rule, f.Unit.String(), f.Object.String(), f.Field, f.File}, "\x00")).Hex()[:32]
}

func sarifLocationOf(f Finding) sarifLocation {
	var out sarifLocation
	if f.File != "" {
		out.Physical = &sarifPhysical{Artifact: sarifArtifact{fileURI(f.File)}}
		if f.Line > 0 {
			out.Physical.Region = &sarifRegion{f.Line}
		}
	}
	for _, name := range slices.Compact([]string{f.Object.String(), f.Unit.String()}) {
		if name != "" {
			out.Logical = append(out.Logical, sarifLogical{name, "resource"})
		}
	}
	return out
}

// fileURI is a path as a relative reference of RFC 3986.
func fileURI(file string) string { return (&url.URL{Path: file}).String() }
