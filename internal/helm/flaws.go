package helm

import (
	"slices"
	"strings"
)

// schemaRefused begins what Helm says of values that a schema refuses (helm v4.2.4
// pkg/chart/common/util/values.go).
const schemaRefused = "values don't meet the specifications of the schema(s)"

// steady is an error of Helm in an order that does not change from one attempt to the
// next: a schema is walked in the order of a Go map.
func steady(err error) error {
	if err == nil || !strings.Contains(err.Error(), schemaRefused) {
		return err
	}
	lines := strings.Split(err.Error(), "\n")
	return &hidden{strings.Join(steadyLines(lines), "\n"), err}
}

// flaw begins a line that says what is wrong at a place, "- at '/replicas': …". What
// it consists of stands below it, further to the right.
const flaw = "- at '"

// steadyLines sorts flaws that stand beside each other, each with what is below it.
func steadyLines(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		if !isFlaw(lines[i]) {
			out = append(out, lines[i])
			i++
			continue
		}
		var blocks [][]string
		for first := i; i < len(lines) && isFlaw(lines[i]) && indent(lines[i]) == indent(lines[first]); {
			end := i + 1
			for end < len(lines) && indent(lines[end]) > indent(lines[first]) {
				end++
			}
			blocks = append(blocks, append([]string{lines[i]}, steadyLines(lines[i+1:end])...))
			i = end
		}
		slices.SortFunc(blocks, slices.Compare)
		out = append(out, slices.Concat(blocks...)...)
	}
	return out
}

func isFlaw(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " "), flaw) }

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
