package present

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// maxLines bounds the lines of one value or manifest that are shown; JSON has
// all of them.
const maxLines = 200

// valueLines writes a value as YAML: one line for a scalar, a block for what is
// longer. A text of several lines is written as it is.
func valueLines(value json.RawMessage) []string {
	if len(value) == 0 {
		return nil
	}
	if plainScalar.Match(value) && !reserved[strings.ToLower(string(value))] {
		return []string{strings.Trim(string(value), `"`)}
	}
	if text, ok := multiline(value); ok {
		return textLines(text)
	}
	out, err := yaml.JSONToYAML(value)
	if err != nil {
		return []string{string(value)}
	}
	return textLines(string(out))
}

// plainScalar are the values that are the same in YAML but for the quotes, which
// is most of them; reserved are texts that need theirs.
var (
	plainScalar = regexp.MustCompile(`^(-?[1-9][0-9]{0,14}|0|true|false|null|"[A-Za-z][A-Za-z0-9._/@-]*(:[A-Za-z0-9._/@-]+)*")$`)
	reserved    = map[string]bool{`"y"`: true, `"n"`: true, `"yes"`: true, `"no"`: true, `"on"`: true, `"off"`: true, `"true"`: true, `"false"`: true, `"null"`: true}
)

// textLines cuts a text into lines; of a long one the first are kept.
func textLines(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if more := len(lines) - maxLines; more > 0 {
		lines = append(lines[:maxLines:maxLines], fmt.Sprintf("… %d more lines", more))
	}
	return lines
}

// multiline returns a value that is a text of several lines.
func multiline(value json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(value, &text) != nil || !strings.Contains(text, "\n") {
		return "", false
	}
	return text, true
}

// edit is a line of a difference: ' ' for one that stays, '-' and '+', and '…'
// for lines that are left out.
type edit struct {
	sign rune
	text string
}

// context is how many lines that stay are shown around those that do not.
const context = 2

// fieldEdits returns how a value changes, line by line.
func fieldEdits(f Field) []edit {
	return condense(diffLines(valueLines(f.Before), valueLines(f.After)))
}

// condense leaves out what stays, but for a little around what does not.
func condense(all []edit) []edit {
	near := make([]bool, len(all))
	for i, e := range all {
		if e.sign == ' ' {
			continue
		}
		for j := max(i-context, 0); j <= min(i+context, len(all)-1); j++ {
			near[j] = true
		}
	}
	var out []edit
	for i := 0; i < len(all); {
		if near[i] {
			out = append(out, all[i])
			i++
			continue
		}
		from := i
		for i < len(all) && !near[i] {
			i++
		}
		out = append(out, edit{'…', count(i-from, "line") + " the same"})
	}
	return out
}

// diffLines returns a shortest way from a to b. Both are bounded by maxLines, so
// that the quadratic table of common subsequences is small.
func diffLines(a, b []string) []edit {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, edit{'-', a[i]})
			i++
		default:
			out = append(out, edit{'+', b[j]})
			j++
		}
	}
	return out
}

// where is where a field or an object was written: the file that decided, and
// what it came from, «apps/web/patch.yaml:12 ← base/deployment.yaml:9». Files that
// only bring others in are left to the JSON.
func (o Origin) where() string {
	at := o.At()
	if at == "" {
		return ""
	}
	parts := []string{at}
	for i := len(o.Chain) - 1; i >= 0; i-- {
		link := o.Chain[i]
		step := Origin{File: link.File, Line: link.Line}.At()
		if step == "" {
			step = link.Note
		}
		if step != "" && link.File != o.File && !includes[link.Note] && !slices.Contains(parts, step) {
			parts = append(parts, step)
		}
	}
	return strings.Join(parts, " ← ")
}

// includes are the fields of a kustomization.yaml that bring other files in and
// change nothing.
var includes = map[string]bool{"resources": true, "bases": true, "components": true, "crds": true}
