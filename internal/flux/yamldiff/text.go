package yamldiff

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// text writes a node as YAML for people: few quotes, lists as far left as their
// key (gonvenience/neat v1.3.16 output_yaml.go).
func text(n *yaml.Node) string {
	var out strings.Builder
	write(&out, "", n)
	return out.String()
}

// value is a node that stands alone.
func value(n *yaml.Node) string {
	if n.Tag == "!!null" {
		return "<nil>"
	}
	return text(n)
}

// write writes a node; its first line goes on where the writer stands in lists.
func write(out *strings.Builder, prefix string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				out.WriteString(prefix)
			}
			writeEntry(out, prefix, n.Content[i].Value, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if i > 0 {
				out.WriteString(prefix)
			}
			out.WriteString("- ")
			write(out, prefix+"  ", item)
		}
	default:
		writeScalar(out, prefix, n)
	}
}

func writeEntry(out *strings.Builder, prefix, key string, n *yaml.Node) {
	out.WriteString(key + ":")
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		out.WriteString(" {}\n")
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		out.WriteString(" []\n")
	case n.Kind == yaml.MappingNode:
		out.WriteString("\n" + prefix + "  ")
		write(out, prefix+"  ", n)
	case n.Kind == yaml.SequenceNode:
		out.WriteString("\n" + prefix)
		write(out, prefix, n)
	default:
		out.WriteString(" ")
		writeScalar(out, prefix+"  ", n)
	}
}

func writeScalar(out *strings.Builder, prefix string, n *yaml.Node) {
	lines := strings.Split(n.Value, "\n")
	switch {
	case len(lines) > 1:
		out.WriteString("|\n" + prefix + strings.Join(lines, "\n"+prefix))
	case quoted(n):
		out.WriteString(strconv.Quote(n.Value))
	default:
		out.WriteString(n.Value)
	}
	out.WriteString("\n")
}

func quoted(n *yaml.Node) bool {
	if n.Tag != "!!str" {
		return false
	}
	v := n.Value
	return v == "true" || v == "false" || v == "null" || strings.HasPrefix(v, "-") || strings.ContainsAny(v, " *&:,")
}

// maxLines bounds texts that are compared line by line; longer ones are shown as
// a whole.
const maxLines = 3000

// linesChange tells which lines of a text are gone and which are new.
func linesChange(from, to string) string {
	a, b := strings.SplitAfter(from, "\n"), strings.SplitAfter(to, "\n")
	var body strings.Builder
	inserts, deletions := 0, 0
	var gone, fresh []string
	flush := func() {
		if len(gone) > 0 {
			deletions++
			body.WriteString(continuous("- ", gone))
		}
		if len(fresh) > 0 {
			inserts++
			body.WriteString(continuous("+ ", fresh))
		}
		gone, fresh = nil, nil
	}
	for _, step := range align(a, b) {
		switch {
		case step.a >= 0 && step.b >= 0:
			flush()
		case step.a >= 0:
			gone = append(gone, a[step.a])
		default:
			fresh = append(fresh, b[step.b])
		}
	}
	flush()
	return fmt.Sprintf("± value change in multiline text (%s, %s)\n", plural(inserts, "insert", "inserts"), plural(deletions, "deletion", "deletions")) +
		body.String() + "\n"
}

// continuous puts a sign before every line.
func continuous(sign string, lines []string) string {
	block := strings.TrimSuffix(strings.Join(lines, ""), "\n")
	return sign + strings.ReplaceAll(block, "\n", "\n"+sign) + "\n"
}

// step is a line of either text, or of both where they are equal.
type step struct{ a, b int }

// align finds a longest common subsequence of lines.
func align(a, b []string) []step {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out []step
	for i := range head {
		out = append(out, step{i, i})
	}
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := range tail {
		out = append(out, step{len(a) - tail + i, len(b) - tail + i})
	}
	return out
}

func middle(a, b []string, at int) []step {
	if len(a) > maxLines || len(b) > maxLines {
		a, b = a[:len(a):len(a)], b[:len(b):len(b)]
		return apart(len(a), len(b), at)
	}
	best := make([][]int32, len(a)+1)
	for i := range best {
		best[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				best[i][j] = best[i+1][j+1] + 1
			} else {
				best[i][j] = max(best[i+1][j], best[i][j+1])
			}
		}
	}
	var out []step
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, step{at + i, at + j})
			i, j = i+1, j+1
		case best[i+1][j] >= best[i][j+1]:
			out = append(out, step{at + i, -1})
			i++
		default:
			out = append(out, step{-1, at + j})
			j++
		}
	}
	for ; i < len(a); i++ {
		out = append(out, step{at + i, -1})
	}
	for ; j < len(b); j++ {
		out = append(out, step{-1, at + j})
	}
	return out
}

// apart aligns nothing.
func apart(a, b, at int) []step {
	var out []step
	for i := range a {
		out = append(out, step{at + i, -1})
	}
	for j := range b {
		out = append(out, step{-1, at + j})
	}
	return out
}
