package build

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The bounds of a file that kustomize parses as YAML: far above what people
// write, far below what takes a process down.
const (
	maxYAMLBytes = 16 << 20
	maxYAMLDepth = 200
	maxYAMLDocs  = 10_000
	maxYAMLItems = 1_000_000 // lines and commas, which bound the nodes of a file, and of all that one build reads
	maxYAMLNodes = 1_000_000 // with every alias replaced by what it stands for
)

// The bounds of what one build reads. A base that is included along many ways
// is read and built once for each, so a few files can make very many objects.
const (
	maxReads     = 30_000    // files
	maxSameReads = 1_000     // of one file
	maxReadBytes = 512 << 20 // with every read counted
)

func (p *port) count(name string, data []byte) error {
	p.reads[name]++
	p.readBytes += int64(len(data))
	switch {
	case p.reads[name] > maxSameReads:
		return fmt.Errorf("read %s: it is included more than %d times in one build", display(name), maxSameReads)
	case len(p.reads) > maxReads:
		return fmt.Errorf("read %s: more than %d files in one build", display(name), maxReads)
	case p.readBytes > maxReadBytes:
		return fmt.Errorf("read %s: more than %d bytes in one build", display(name), maxReadBytes)
	}
	return nil
}

// guard refuses a file that would cost kustomize too much. Syntax errors are
// not its business: kustomize reports them and explain finds the line.
func guard(name string, data []byte) error {
	if len(data) > maxYAMLBytes {
		return fmt.Errorf("read %s: %d bytes of YAML are more than the limit of %d", name, len(data), maxYAMLBytes)
	}
	if items := itemsOf(data); items > maxYAMLItems {
		return fmt.Errorf("read %s: %d lines and list entries of YAML are more than the limit of %d", name, items, maxYAMLItems)
	}
	if !suspicious(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for docs := 0; ; docs++ {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return nil // the end, or a syntax error
		}
		if docs == maxYAMLDocs {
			return fmt.Errorf("read %s:%d: more than %d documents in one file", name, doc.Line, maxYAMLDocs)
		}
		w := weigher{weights: make(map[*yaml.Node]int)}
		if _, err := w.weigh(&doc, 0); err != nil {
			return fmt.Errorf("read %s:%d: %w", name, w.line, err)
		}
	}
}

// itemsOf counts lines and commas.
func itemsOf(data []byte) int {
	return bytes.Count(data, []byte{'\n'}) + bytes.Count(data, []byte{','})
}

// suspicious tells whether a file can break a bound at all, from its text
// alone: it has anchors, or indentation, brackets or documents beyond what is
// common.
func suspicious(data []byte) bool {
	if bytes.Count(data, []byte("\n---")) >= maxYAMLDocs || bytes.IndexByte(data, '\r') >= 0 && bytes.Count(data, []byte("---")) >= maxYAMLDocs {
		return true
	}
	var indent, dashes, open, deepest int
	start := true
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '\n', '\r':
			indent, dashes, start = 0, 0, true
			continue
		case ' ', '\t':
			if start {
				indent++
			}
			continue
		case '-', '?':
			if start {
				dashes++
			}
		case '&':
			if i+1 < len(data) && data[i+1] > ' ' && data[i+1] != '&' {
				return true
			}
			start = false
		case '[', '{':
			open++
			deepest = max(deepest, open)
			start = false
		case ']', '}':
			open = max(0, open-1)
			start = false
		default:
			start = false
		}
		if indent+dashes+deepest >= maxYAMLDepth {
			return true
		}
	}
	return false
}

// weigher counts the nodes of a document as if aliases were copies.
type weigher struct {
	weights map[*yaml.Node]int
	line    int
}

func (w *weigher) weigh(n *yaml.Node, depth int) (int, error) {
	if known, ok := w.weights[n]; ok {
		return known, nil
	}
	w.line = n.Line
	if depth > maxYAMLDepth {
		return 0, fmt.Errorf("YAML is nested more than %d levels deep", maxYAMLDepth)
	}
	if n.Kind == yaml.AliasNode {
		known, ok := w.weights[n.Alias]
		if !ok {
			return 0, fmt.Errorf("YAML anchor %s contains itself", n.Value)
		}
		return known, nil
	}
	total := 1
	for _, c := range n.Content {
		sub, err := w.weigh(c, depth+1)
		if err != nil {
			return 0, err
		}
		if total += sub; total > maxYAMLNodes {
			w.line = c.Line
			return 0, fmt.Errorf("YAML aliases expand to more than %d nodes", maxYAMLNodes)
		}
	}
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode || n.Anchor != "" {
		w.weights[n] = total
	}
	return total, nil
}

// syntaxError finds the first YAML syntax error of a file, in the form
// name:line: what.
func syntaxError(name string, data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			text := strings.TrimPrefix(err.Error(), "yaml: ")
			if rest, ok := strings.CutPrefix(text, "line "); ok {
				if line, what, ok := strings.Cut(rest, ": "); ok {
					return fmt.Errorf("%s:%s: %s", name, line, what)
				}
			}
			return fmt.Errorf("%s: %s", name, text)
		}
	}
}
