package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// texts holds the project's own wording: the description of every field and
// the message of every CEL rule. Everything in it must be used, and everything
// that needs a text must find one.
type texts struct {
	// Everywhere maps a path to its text for every kind that has the path.
	Everywhere map[string]text `json:"everywhere"`
	// Structs are groups of fields that recur; paths are relative to them.
	Structs map[string]map[string]text `json:"structs"`
	// Kinds maps a kind and a path in it to its text. Path "." is the kind.
	Kinds map[string]map[string]text `json:"kinds"`

	Messages map[string]string `json:"-"` // CEL rule → message

	used map[string]bool
}

// A text is a description. It is written as a string, or as [text, struct]
// when the fields below are those of a named struct; "" as the text means that
// only the fields are given.
type text struct {
	Words  string
	Struct string
}

func (t *text) UnmarshalJSON(b []byte) error {
	if err := yaml.Unmarshal(b, &t.Words); err == nil {
		return nil
	}
	var pair []string
	if err := yaml.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return fmt.Errorf("want a text or [text, struct], got %s", b)
	}
	t.Words, t.Struct = pair[0], pair[1]
	return nil
}

func readTexts(descriptions, messages string) (*texts, error) {
	t := &texts{used: map[string]bool{}}
	if err := readYAML(descriptions, t); err != nil {
		return nil, err
	}
	var list []struct{ Rule, Message string }
	if err := readYAML(messages, &list); err != nil {
		return nil, err
	}
	t.Messages = map[string]string{}
	for _, m := range list {
		t.Messages[m.Rule] = m.Message
	}
	return t, nil
}

func readYAML(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(b, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

// message returns our message for an upstream CEL rule.
func (t *texts) message(rule string) (string, error) {
	m, ok := t.Messages[rule]
	if !ok {
		return "", fmt.Errorf("messages.yaml has no message for rule %s", rule)
	}
	t.used["rule "+rule] = true
	return m, nil
}

// describe sets the description of every field of a kind.
func (t *texts) describe(kind string, schema *props) error {
	own, ok := t.Kinds[kind]
	if !ok {
		return fmt.Errorf("descriptions.yaml: no kind %s", kind)
	}
	top := scope{{"kind " + kind, own, ""}, {"everywhere", t.Everywhere, ""}}
	found, ok := top.find(t, ".")
	if !ok {
		return fmt.Errorf("descriptions.yaml: %s: no text for path .", kind)
	}
	schema.Description = found.Words
	var missing []string
	t.fields(schema, "", top, &missing)
	if len(missing) > 0 {
		sort.Strings(missing)
		return fmt.Errorf("descriptions.yaml: %s: no text for\n  %s", kind, strings.Join(missing, "\n  "))
	}
	return nil
}

// fields describes everything below a node at the given path.
func (t *texts) fields(n *props, path string, in scope, missing *[]string) {
	for name, child := range n.Properties {
		childPath := strings.TrimPrefix(path+"."+name, ".")
		if childPath != "metadata" { // the API server knows it, and allows no text
			t.field(&child, childPath, in, missing)
		}
		n.Properties[name] = child
	}
	for _, element := range []*props{itemsOf(n), valuesOf(n)} {
		if element != nil {
			t.fields(element, path, in, missing)
		}
	}
}

func (t *texts) field(f *props, path string, in scope, missing *[]string) {
	found, ok := in.find(t, path)
	if !ok {
		*missing = append(*missing, path)
		return
	}
	f.Description = found.Words
	if found.Struct != "" {
		group := layer{"struct " + found.Struct, t.Structs[found.Struct], path + "."}
		t.used["struct "+found.Struct] = true
		in = append(in[:len(in):len(in)], group)
	}
	t.fields(f, path, in, missing)
}

// A scope is the list of places where the text of a path is looked up.
type scope []layer

// A layer is one group of texts; its paths are relative to base.
type layer struct {
	name  string
	texts map[string]text
	base  string
}

func (s scope) find(t *texts, path string) (text, bool) {
	for _, l := range s {
		relative := strings.TrimPrefix(path, l.base)
		if found, ok := l.texts[relative]; ok && strings.HasPrefix(path, l.base) {
			t.used[l.name+" "+relative] = true
			return found, true
		}
	}
	return text{}, false
}

// unused fails for texts that nothing needed.
func (t *texts) unused() error {
	var names []string
	note := func(group string, paths map[string]text) {
		for path := range paths {
			names = append(names, group+" "+path)
		}
	}
	note("everywhere", t.Everywhere)
	for name, group := range t.Structs {
		names = append(names, "struct "+name)
		note("struct "+name, group)
	}
	for kind, group := range t.Kinds {
		note("kind "+kind, group)
	}
	for rule := range t.Messages {
		names = append(names, "rule "+rule)
	}
	var unused []string
	for _, name := range names {
		if !t.used[name] {
			unused = append(unused, name)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	sort.Strings(unused)
	return fmt.Errorf("texts for nothing:\n  %s", strings.Join(unused, "\n  "))
}
