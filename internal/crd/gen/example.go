package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// A variant is one example object of a kind: all fields but those that cannot
// stand together with others.
type variant struct {
	name string
	set  map[string]string // path → value, where the first valid one will not do
	drop []string          // paths
}

// variants lists the kinds that need more than one example, or values that
// fit together.
var variants = map[string][]variant{
	"HelmRelease": {
		{name: "chart", set: helmStrategies, drop: []string{"spec.chartRef", "spec.kubeConfig.configMapRef"}},
		{name: "chartref", set: helmStrategies, drop: []string{"spec.chart", "spec.kubeConfig.secretRef"}},
	},
	"Kustomization": {
		{name: "secret", drop: []string{"spec.kubeConfig.configMapRef"}},
		{name: "configmap", drop: []string{"spec.kubeConfig.secretRef"}},
	},
	"Bucket": {
		{name: "ldap", set: map[string]string{"spec.provider": "generic", "spec.sts.provider": "ldap"},
			drop: []string{"spec.serviceAccountName"}},
		{name: "aws", set: map[string]string{"spec.provider": "aws", "spec.sts.provider": "aws"},
			drop: []string{"spec.secretRef", "spec.sts.secretRef", "spec.sts.certSecretRef"}},
	},
	"Receiver": {
		{name: "secret", drop: []string{"spec.oidcProviders"}},
		{name: "oidc", set: map[string]string{"spec.type": "generic-oidc"}, drop: []string{"spec.secretRef"}},
	},
	"GitRepository": {{name: "all", set: map[string]string{"spec.provider": "azure"}}},
	"HelmChart":     {{name: "all", set: map[string]string{"spec.sourceRef.kind": "HelmRepository"}}},
	"ImagePolicy":   {{name: "all", set: map[string]string{"spec.digestReflectionPolicy": "Always"}}},
	"Provider":      {{name: "all", set: map[string]string{"spec.type": "github"}}},
}

var helmStrategies = map[string]string{
	"spec.install.strategy.name": "RetryOnFailure",
	"spec.upgrade.strategy.name": "RetryOnFailure",
}

// samples gives a value for each pattern in upstream's schemas.
var samples = map[string]string{
	`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`:                                                                        "Example",
	`^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$`:                                                                 "sha256:0123abcd",
	`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`: "Ready",
	`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`:                                                                                "1h30m",
	`^([0-9]+(\.[0-9]+)?(ms|s|m))+$`:                                                                                  "1m30s",
	`^(http|https|ssh)://.*$`:                                                                                         "https://example.com/repo",
	`^(http|https|oci)://.*$`:                                                                                         "https://example.com/charts",
	`^(http|https)://.*$`:                                                                                             "https://example.com",
	`^(http|https)://`:                                                                                                "https://example.com",
	`^https?://`:                                                                                                      "https://example.com",
	`^oci://.*$`:                                                                                                      "oci://example.com/app",
	`^$|^[^+:]`:                                                                                                       "refs/heads/main:refs/heads/update",
	`^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$`:                                                                         "image.tag",
	`^[\-._a-zA-Z0-9]+$`:                                                                                              "values.yaml",
	`^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$`:                                                                        "@app/*.yaml",
	`^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$`:                                                                             "@app",
	`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$`:                                                                                "app",
	`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`:                                                                                 "app",
	`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`:                                                                                 "apps",
	`^@artifact/([^/]{0,1}|[^./][^/]|[.][^./]|[^/]{3,})(/([^/]{0,1}|[^./][^/]|[.][^./]|[^/]{3,}))*$`: "@artifact/app/",
}

// writeExamples stores, for each version, objects with all fields that the
// version itself had. The tests of the package store them as the newest.
func (k *kind) writeExamples(dir string) error {
	own, err := k.ownSchemas()
	if err != nil {
		return err
	}
	name := k.Latest.Spec.Names.Kind
	list := variants[name]
	if list == nil {
		list = []variant{{name: "all"}}
	}
	for _, v := range k.versions() {
		seen := map[string]bool{}
		for _, e := range list {
			b, err := e.render(k.Latest.Spec.Group, v, name, own[v])
			if err != nil {
				return fmt.Errorf("example %s %s: %w", name, v, err)
			}
			if seen[string(b)] || e.impossible(own[v]) {
				continue // old versions lack the fields that make variants differ
			}
			seen[string(b)] = true
			file := strings.ToLower(fmt.Sprintf("%s_%s_%s.yaml", name, v, e.name))
			if err := os.WriteFile(filepath.Join(dir, file), b, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// impossible reports that the variant leaves out a required field, or sets a
// value that the version did not know.
func (e variant) impossible(schema *props) bool {
	for _, path := range e.drop {
		parent, field := lookup(schema, path)
		if parent != nil && contains(parent.Required, field) {
			return true
		}
	}
	for path, value := range e.set {
		if parent, field := lookup(schema, path); parent != nil {
			p, ok := parent.Properties[field]
			if ok && !strings.Contains(enumList(p.Enum), `"`+value+`"`) {
				return true
			}
		}
	}
	return false
}

// lookup returns the object that holds a field, or nil.
func lookup(schema *props, path string) (*props, string) {
	fields := strings.Split(path, ".")
	for _, f := range fields[:len(fields)-1] {
		p, ok := schema.Properties[f]
		if !ok {
			return nil, ""
		}
		schema = &p
	}
	return schema, fields[len(fields)-1]
}

func (e variant) render(group, version, kind string, schema *props) ([]byte, error) {
	object, err := e.value(schema, "")
	if err != nil {
		return nil, err
	}
	fields := object.(map[string]any)
	fields["apiVersion"], fields["kind"] = group+"/"+version, kind
	fields["metadata"] = map[string]any{"name": "example", "namespace": "default"}
	b, err := yaml.Marshal(fields)
	return append([]byte(header), b...), err
}

// value makes a valid value for a schema, with every field in it.
func (e variant) value(s *props, path string) (any, error) {
	if v, ok := e.set[path]; ok {
		return v, nil
	}
	switch {
	case len(s.Enum) > 0:
		var v any
		return v, json.Unmarshal(s.Enum[len(s.Enum)-1].Raw, &v)
	case s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields || s.Type == "":
		return map[string]any{"any": "thing"}, nil
	case s.Type == "object":
		return e.object(s, path)
	case s.Type == "array":
		item, err := e.value(s.Items.Schema, path)
		return []any{item}, err
	case s.Type == "string":
		return sampleString(s, path)
	case s.Type == "boolean":
		return true, nil
	case s.Type == "integer":
		return 1, nil
	}
	return nil, fmt.Errorf("%s: no sample for type %s", path, s.Type)
}

func (e variant) object(s *props, path string) (any, error) {
	object := map[string]any{}
	if values := valuesOf(s); values != nil {
		v, err := e.value(values, path)
		object["key"] = v
		return object, err
	}
	var names []string
	for name := range s.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		p := s.Properties[name]
		childPath := strings.TrimPrefix(path+"."+name, ".")
		if contains(e.drop, childPath) {
			continue
		}
		v, err := e.value(&p, childPath)
		if err != nil {
			return nil, err
		}
		object[name] = v
	}
	return object, nil
}

func sampleString(s *props, path string) (any, error) {
	if s.Format == "date-time" {
		return "2024-02-29T12:00:00Z", nil
	}
	if s.Pattern == "" {
		return "example", nil
	}
	if sample, ok := samples[s.Pattern]; ok {
		return sample, nil
	}
	return nil, fmt.Errorf("%s: samples has no value for pattern %s", path, s.Pattern)
}
