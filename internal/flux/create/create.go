// Package create turns the flags of `flux create …` into objects: the same
// fields, in the same YAML, as the flux command line v2.9 prints with --export.
//
//	m := create.Meta{Name: "podinfo", Namespace: "flux-system", Interval: time.Minute}
//	obj, err := create.GitRepository{URL: "https://…/podinfo", Branch: "main"}.Object(m)
//	text, err := create.YAML(obj)
//
// One type per kind; its fields are the verb's flags. The texts of errors are
// those of upstream (cmd/flux, v2.9.5), which scripts look for, followed by what
// to do. It is pure: what flags name by file is read by the caller, and a random
// token is the caller's too. It must never talk to a cluster.
package create

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// Meta is what every verb knows of its object.
type Meta struct {
	Name, Namespace string
	Interval        time.Duration
	Labels          []string // of --label, each key=value
}

// Maker makes an object of its flags.
type Maker interface {
	Object(m Meta) (*unstructured.Unstructured, error)
}

var objectName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$`)

// CheckName refuses what upstream refuses as the name of an object.
func CheckName(name string) error {
	if objectName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("name '%s' is invalid, it should adhere to standard defined in RFC 1123, the name can only contain alphanumeric characters or '-'; use two to 63 lower case letters, digits and dashes", name)
}

// YAML prints an object as --export does: a separator, then sorted keys.
func YAML(obj *unstructured.Unstructured) (string, error) {
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		return "", fmt.Errorf("write %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return "---\n" + string(bytes.TrimSpace(text)) + "\n", nil
}

// draft is an object that is being written.
type draft map[string]any

// object begins an object with its metadata.
func (m Meta) object(apiVersion, kind string) (draft, error) {
	labels, err := m.labels()
	if err != nil {
		return nil, err
	}
	d := draft{"apiVersion": apiVersion, "kind": kind}
	d.set("metadata.name", m.Name)
	d.set("metadata.namespace", m.Namespace)
	d.set("metadata.labels", labels)
	return d, nil
}

// set writes a field unless it is the zero of its type. Path elements are
// separated by dots.
func (d draft) set(path string, value any) {
	if !empty(value) {
		d.keep(path, value)
	}
}

// keep writes a field, be it zero or not.
func (d draft) keep(path string, value any) {
	into := map[string]any(d)
	elements := strings.Split(path, ".")
	for _, name := range elements[:len(elements)-1] {
		next, ok := into[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			into[name] = next
		}
		into = next
	}
	if t, ok := value.(time.Duration); ok {
		value = t.String()
	}
	into[elements[len(elements)-1]] = value
}

func (d draft) done() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: d}
}

func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case time.Duration:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return value == nil
}

func (m Meta) labels() (map[string]any, error) {
	out := map[string]any{}
	for _, label := range m.Labels {
		key, value, ok := strings.Cut(label, "=")
		if !ok || strings.Contains(value, "=") {
			return nil, fmt.Errorf("invalid label format '%s', must be key=value", label)
		}
		if wrong := validation.IsQualifiedName(key); len(wrong) > 0 {
			return nil, fmt.Errorf("invalid label '%s': %v", key, wrong)
		}
		if wrong := validation.IsValidLabelValue(value); len(wrong) > 0 {
			return nil, fmt.Errorf("invalid label value '%s': %v", value, wrong)
		}
		out[key] = value
	}
	return out, nil
}

// texts is a list of strings as an object holds it.
func texts(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}
