package yamldiff

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// width is that of the terminal that the report is written for.
const width = 80

// entries tells of entries that are gone or new, before the entries themselves.
func entries(sign rune, what string, n *yaml.Node) string {
	head := plural(len(n.Content), "list entry", "list entries")
	if n.Kind == yaml.MappingNode {
		head = plural(len(n.Content)/2, "map entry", "map entries")
	}
	indent := 0
	if sign == '+' {
		indent = 2
	}
	return fmt.Sprintf("%c %s %s:\n", sign, head, what) + beside(indent, text(arranged(n)))
}

func typeChange(a, b *yaml.Node) string {
	head := fmt.Sprintf("± type change from %s to %s\n", typeOf(a), typeOf(b))
	return head + prefixed("- ", strings.TrimRight(value(a), "\n")) + prefixed("+ ", strings.TrimRight(value(b), "\n"))
}

func typeOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "map"
	case n.Kind == yaml.SequenceNode:
		return "list"
	case n.Tag == "!!str":
		return "string"
	case n.Tag == "!!null":
		return "<nil>"
	}
	return strings.TrimPrefix(n.Tag, "!!")
}

func valueChange(a, b *yaml.Node) string {
	from, to := a.Value, b.Value
	switch {
	case a.Tag != "!!str":
		return "± value change\n" + prefixed("- ", from) + prefixed("+ ", to)
	case certificate(from) != nil && certificate(to) != nil:
		return "± certificate change\n" + beside(0, prefixed("- ", summary(certificate(from))), prefixed("+ ", summary(certificate(to))))
	case strings.Trim(from, " \n") == strings.Trim(to, " \n"):
		return "± whitespace only change\n" + beside(0, prefixed("- ", visible(from)), prefixed("+ ", visible(to)))
	case strings.Contains(from, "\n") || strings.Contains(to, "\n"):
		return linesChange(from, to)
	}
	return "± value change\n" + prefixed("- ", from) + prefixed("+ ", to)
}

func visible(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", "↵\n"), " ", "·")
}

// orderChange is nil where the order is the same.
func orderChange(a, b []string) []string {
	if slices.Equal(a, b) {
		return nil
	}
	length := func(list []string) int {
		return utf8.RuneCountInString(strings.Join(list, ", "))
	}
	head := "⇆ order changed\n"
	if max(length(a), length(b)) < width/2 {
		return []string{head + "- " + strings.Join(a, ", ") + "\n+ " + strings.Join(b, ", ") + "\n"}
	}
	return []string{head + columns(" ", 2, strings.Join(a, "\n"), strings.Join(b, "\n"))}
}

// beside puts texts next to each other, or below where that is too wide.
func beside(indent int, blocks ...string) string {
	const gap = "   "
	wide := indent + (len(blocks)-1)*len(gap)
	for _, block := range blocks {
		wide += widest(block)
	}
	if wide <= width {
		return columns(gap, indent, blocks...)
	}
	var out strings.Builder
	for _, block := range blocks {
		for line := range strings.SplitSeq(block, "\n") {
			out.WriteString(strings.Repeat(" ", indent) + line + "\n")
		}
	}
	return out.String()
}

func widest(block string) int {
	out := 0
	for line := range strings.SplitSeq(block, "\n") {
		out = max(out, utf8.RuneCountInString(line))
	}
	return out
}

func columns(gap string, indent int, blocks ...string) string {
	rows := 0
	lines := make([][]string, len(blocks))
	for i, block := range blocks {
		lines[i] = strings.Split(block, "\n")
		rows = max(rows, len(lines[i]))
	}
	out := make([]string, rows)
	for r := range out {
		cells := make([]string, len(blocks))
		for i, block := range blocks {
			line := ""
			if r < len(lines[i]) {
				line = lines[i][r]
			}
			cells[i] = strings.Repeat(" ", indent) + line + strings.Repeat(" ", widest(block)-utf8.RuneCountInString(line))
		}
		out[r] = strings.TrimRight(strings.Join(cells, gap), " ")
	}
	return strings.Join(out, "\n")
}

// prefixed puts a sign before the first line and indents the others.
func prefixed(sign, block string) string {
	return sign + strings.ReplaceAll(block, "\n", "\n"+strings.Repeat(" ", len(sign))) + "\n"
}

func plural(n int, one, many string) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
	number := strconv.Itoa(n)
	if n < len(words) {
		number = words[n]
	}
	if n == 1 {
		return number + " " + one
	}
	return number + " " + many
}

// orders are keys that stand first, where a mapping has some of them
// (gonvenience/ytbx v1.4.7 restructure.go): the first order with the most of them.
var orders = [][]string{
	{"name", "director_uuid", "releases", "instance_groups", "networks", "resource_pools", "compilation"},
	{"name", "url", "version", "sha1"}, {"jobs", "resources", "resource_types"}, {"name", "type", "source"},
	{"get"}, {"put"}, {"task"}, {"releases", "instance_groups", "configuration", "variables"}, {"auth", "templates"},
	{"name"}, {"key"}, {"id"},
}

// arranged is a node with the keys of its mappings in the order for people.
func arranged(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = slices.Clone(n.Content)
	if n.Kind == yaml.MappingNode {
		out.Content = reorder(n)
		for i := 1; i < len(out.Content); i += 2 {
			out.Content[i] = arranged(out.Content[i])
		}
		return &out
	}
	for i, c := range out.Content {
		out.Content[i] = arranged(c)
	}
	return &out
}

func reorder(n *yaml.Node) []*yaml.Node {
	var best []string
	for _, order := range orders {
		var common []string
		for _, key := range order {
			if lookup(n, key) != nil {
				common = append(common, key)
			}
		}
		if len(common) > len(best) {
			best = common
		}
	}
	if best == nil {
		return slices.Clone(n.Content)
	}
	var rest []string
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i].Value; !slices.Contains(best, key) {
			rest = append(rest, key)
		}
	}
	sort.SliceStable(rest, func(i, j int) bool { return depth(lookup(n, rest[i])) < depth(lookup(n, rest[j])) })
	var out []*yaml.Node
	for _, key := range append(best, rest...) {
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				out = append(out, n.Content[i], n.Content[i+1])
			}
		}
	}
	return out
}

func depth(n *yaml.Node) int {
	out := 0
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			out = max(out, 1+depth(c))
		}
	}
	return out
}

func certificate(s string) *x509.Certificate {
	block, _ := pem.Decode([]byte(s))
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// summary tells what people look for in a certificate.
func summary(c *x509.Certificate) string {
	const day = "Jan 2 15:04:05 2006 MST"
	join := func(list []string) string { return strings.Join(list, " ") }
	return fmt.Sprintf("Subject:\n  Common Name: %s\n  Organization: %s\n  Organization Unit: %s\n  Locality: %s\n  State: %s\n  Country: %s\n"+
		"Validity Period:\n  NotBefore: %s\n  NotAfter: %s\nIssuer: %s, %s\nSerial Number: %d (%#x)\n",
		c.Subject.CommonName, join(c.Subject.Organization), join(c.Subject.OrganizationalUnit), join(c.Subject.Locality),
		join(c.Subject.Province), join(c.Subject.Country), c.NotBefore.Format(day), c.NotAfter.Format(day),
		c.Issuer.CommonName, join(c.Issuer.Organization), c.SerialNumber, c.SerialNumber)
}
