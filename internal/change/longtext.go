package change

import (
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/plan"
)

// Of long texts of several lines, such as a file in a ConfigMap, a field tells the lines
// that differ and a few around them: a value that is cut at its size (plan.ValueOf)
// would not reach them.

// around is how many lines.
const around = 3

// narrowed are two texts without most of the lines that they begin and end with alike;
// values that are no long texts are as they were.
func narrowed(before, after any) (any, any) {
	was, ok := before.(string)
	is, both := after.(string)
	if !ok || !both || !plan.Cuts(was) && !plan.Cuts(is) {
		return before, after
	}
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	start, end := 0, 0
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	for end < min(len(a), len(b))-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	start, end = max(start-around, 0), max(end-around, 0)
	return window(a, start, end), window(b, start, end)
}

// window is a text without its first and its last lines.
func window(lines []string, start, end int) string {
	out := lines[start : len(lines)-end]
	if start > 0 {
		out = append([]string{theSame(start)}, out...)
	}
	if end > 0 {
		out = append(out[:len(out):len(out)], theSame(end))
	}
	return strings.Join(out, "\n")
}

func theSame(lines int) string {
	if lines == 1 {
		return "… 1 line the same"
	}
	return fmt.Sprintf("… %d lines the same", lines)
}
