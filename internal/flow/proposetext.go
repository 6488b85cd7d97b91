package flow

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// item is one thing that is proposed, as lines of the file below its section.
type item struct {
	section string
	lines   []string
	what    string // for people
}

// items are what a proposal consists of, in the order of the file.
func (p Proposal) items() []item {
	var out []item
	for _, e := range p.Flow.Environments {
		lines := []string{"- name: " + scalar(e.Name), "  branch: " + scalar(e.Branch)}
		for _, f := range [][2]string{{"directory", e.Directory}, {"cluster", e.Cluster}, {"follows", e.Follows}} {
			if f[1] != "" && (f[0] != "cluster" || e.Cluster != e.Directory) {
				lines = append(lines, "  "+f[0]+": "+scalar(f[1]))
			}
		}
		if e.Follows != "" {
			lines = append(lines, "  move: "+string(e.Move))
		}
		if why := p.Why[e.Name]; why != "" {
			lines[0] += "  # " + why
		}
		out = append(out, item{"environments", lines, "environment " + e.Name + " (" + label(e) + ")"})
	}
	for _, r := range p.Flow.Pins {
		line := fmt.Sprintf("- {file: %s, path: %s, kind: %s}", scalar(r.File), scalar(r.Path), r.Kind)
		out = append(out, item{"pins", []string{line}, fmt.Sprintf("pins of %s %s", r.File, r.Path)})
	}
	for _, s := range p.Flow.Stays {
		line := fmt.Sprintf("- files: [%s]", scalar(s.Files[0]))
		if s.Path != "" {
			line = fmt.Sprintf("- {files: [%s], path: %s}", scalar(s.Files[0]), scalar(s.Path))
		}
		out = append(out, item{"stays", []string{line}, "what stays: " + s.says(s.Files[0])})
	}
	for _, m := range p.Flow.Maps {
		lines := []string{"- name: " + scalar(m.Name)}
		if m.Path != "" {
			lines = append(lines, "  path: "+scalar(m.Path))
		}
		var pairs []string
		for _, name := range p.Flow.Names() {
			if v := m.Values[name]; v != "" {
				pairs = append(pairs, scalar(name)+": "+scalar(v))
			}
		}
		lines = append(lines, "  values: {"+strings.Join(pairs, ", ")+"}")
		out = append(out, item{"maps", lines, "map " + m.Name + " (" + strings.Join(pairs, ", ") + ")"})
	}
	return out
}

var plainForm = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./*-]*$|^\.[A-Za-z][A-Za-z0-9_.*-]*$`)

// scalar is a text in YAML, quoted where it must be.
func scalar(text string) string {
	var n yaml.Node
	if plainForm.MatchString(text) && yaml.Unmarshal([]byte(text), &n) == nil && n.Content[0].ShortTag() == "!!str" {
		return text
	}
	if strings.Contains(text, `"`) && !strings.ContainsAny(text, "'\n") {
		return "'" + text + "'"
	}
	return strconv.Quote(text)
}

// New is the proposal as a file of its own.
func (p Proposal) New() []byte {
	var b strings.Builder
	b.WriteString("# yaml-language-server: $schema=" + Schema + "\n")
	b.WriteString("# Proposed by leat init from the files of the fleet. Correct what is guessed; what\n")
	b.WriteString("# you write stays when it is run again.\n")
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\n", Version, Kind)
	section := ""
	for _, it := range p.items() {
		if it.section != section {
			section = it.section
			b.WriteString(section + ":\n")
		}
		for _, line := range it.lines {
			b.WriteString("  " + line + "\n")
		}
	}
	return []byte(b.String())
}

// maxProposed bounds how many things are added to a file at once.
const maxProposed = 500

// Into adds to a file that somebody keeps what it lacks, as comments at the end of
// the section in which it belongs: nothing that was written changes, and nothing
// takes effect before a person takes the # away. added says what, for people.
func (p Proposal) Into(name string, file []byte) (text []byte, added []string, err error) {
	have, err := Parse(name, file)
	if err != nil {
		return nil, nil, err
	}
	lines := strings.SplitAfter(string(file), "\n")
	ends := sectionEnds(file)
	more := map[string][]string{}
	for _, it := range p.items() {
		if p.known(it, have) || commented(file, it) || len(added) >= maxProposed {
			continue
		}
		for _, line := range it.lines {
			more[it.section] = append(more[it.section], "  # "+line+"\n")
		}
		added = append(added, it.what)
	}
	var b strings.Builder
	for i, line := range lines {
		b.WriteString(line)
		for _, section := range sections {
			if ends[section] == i+1 && len(more[section]) > 0 {
				if !strings.HasSuffix(line, "\n") {
					b.WriteString("\n")
				}
				b.WriteString(strings.Join(more[section], ""))
			}
		}
	}
	for _, section := range sections {
		if ends[section] == 0 && len(more[section]) > 0 {
			if text := b.String(); !strings.HasSuffix(text, "\n") {
				b.WriteString("\n")
			}
			b.WriteString("# " + section + ":\n" + strings.Join(more[section], ""))
		}
	}
	return []byte(b.String()), added, nil
}

var sections = []string{"environments", "pins", "stays", "maps"}

// sectionEnds are the last lines of the sections that a file has, from 1.
func sectionEnds(file []byte) map[string]int {
	out := map[string]int{}
	var doc yaml.Node
	if yaml.Unmarshal(file, &doc) != nil || len(doc.Content) == 0 {
		return out
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		end := len(strings.Split(strings.TrimRight(string(file), "\n"), "\n"))
		if i+2 < len(root.Content) {
			end = before(file, root.Content[i+2])
		}
		out[root.Content[i].Value] = end
	}
	return out
}

// before is the last line before a key that is neither empty nor a comment at the
// left, which belong to the key.
func before(file []byte, key *yaml.Node) int {
	lines := strings.Split(string(file), "\n")
	end := key.Line - 1
	for end > 0 && (strings.TrimSpace(lines[end-1]) == "" || strings.HasPrefix(lines[end-1], "#")) {
		end--
	}
	return end
}

// commented tells whether a file has an item in a comment already.
func commented(file []byte, it item) bool {
	return strings.Contains(string(file), "# "+it.lines[0]+"\n") || strings.HasSuffix(string(file), "# "+it.lines[0])
}

// known tells whether a file says already what an item would.
func (p Proposal) known(it item, have Flow) bool {
	switch it.section {
	case "environments":
		return slices.ContainsFunc(have.Environments, func(e Environment) bool {
			return strings.HasPrefix(it.what, "environment "+e.Name+" (") || strings.HasSuffix(it.what, " ("+label(e)+")")
		})
	case "pins":
		return slices.ContainsFunc(have.Pins, func(r PinRule) bool { return it.what == fmt.Sprintf("pins of %s %s", r.File, r.Path) })
	case "stays":
		return slices.ContainsFunc(have.Stays, func(s Stay) bool {
			return slices.ContainsFunc(s.Files, func(file string) bool { return it.what == "what stays: "+s.says(file) })
		})
	}
	return slices.ContainsFunc(have.Maps, func(m Map) bool { return strings.HasPrefix(it.what, "map "+m.Name+" (") })
}

// says is what stays, of one of its files.
func (s Stay) says(file string) string { return strings.TrimSpace(file + " " + s.Path) }

// What says in a line each what is proposed.
func (p Proposal) What() []string {
	out := []string{}
	for _, it := range p.items() {
		out = append(out, it.what)
	}
	return out
}
