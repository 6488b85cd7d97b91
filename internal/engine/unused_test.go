package engine

import (
	"slices"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
)

func TestUnusedValues(t *testing.T) {
	type texts map[string]string
	of := func(templates texts, values map[string]any, more ...func(*helmchart.Chart)) *helmchart.Chart {
		c := &helmchart.Chart{Metadata: &helmchart.Metadata{Name: "web"}, Values: values}
		for name, text := range templates {
			c.Templates = append(c.Templates, &common.File{Name: name, Data: []byte(text)})
		}
		for _, edit := range more {
			edit(c)
		}
		return c
	}
	given := map[string]any{"host": "a", "typo": "b"}
	plain := texts{"a.yaml": "host: {{ .Values.host }}"}
	for name, c := range map[string]struct {
		chart *helmchart.Chart
		want  []string
	}{
		"used by a template":         {of(plain, nil), []string{"typo"}},
		"a default":                  {of(plain, map[string]any{"typo": nil}), nil},
		"the values as a whole":      {of(texts{"a.yaml": "{{ toYaml .Values }}{{ .Values.host }}"}, nil), nil},
		"by another name":            {of(texts{"a.yaml": `{{ get $ "Values" }}`}, nil), nil},
		"an index":                   {of(texts{"a.yaml": `{{ index .Values "typo" }}`}, nil), nil},
		"a longer name is not used":  {of(texts{"a.yaml": "{{ .Values.hosts }}{{ $.Values.typos }}"}, nil), []string{"host", "typo"}},
		"a template in a default":    {of(plain, map[string]any{"url": "http://{{ .Values.typo }}"}), nil},
		"a schema":                   {of(plain, nil, func(c *helmchart.Chart) { c.Schema = []byte(`{"properties": {"typo": {}}}`) }), nil},
		"a schema with a reference":  {of(plain, nil, func(c *helmchart.Chart) { c.Schema = []byte(`{"$ref": "#/x"}`) }), nil},
		"the name of a dependency":   {of(plain, nil, needs(&helmchart.Dependency{Name: "typo"})), nil},
		"an alias":                   {of(plain, nil, needs(&helmchart.Dependency{Name: "db", Alias: "typo"})), nil},
		"a condition":                {of(plain, nil, needs(&helmchart.Dependency{Name: "db", Condition: "db.enabled,typo.enabled"})), nil},
		"a template of a dependency": {of(plain, nil, func(c *helmchart.Chart) { c.SetDependencies(of(texts{"_l.tpl": "{{ .Values.typo }}"}, nil)) }), nil},
		"a file for tpl": {of(plain, nil, func(c *helmchart.Chart) {
			c.Files = []*common.File{{Name: "x.conf", Data: []byte("{{ .Values.typo }}")}}
		}), nil},
	} {
		if got := unusedValues(c.chart, given); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := unusedValues(of(plain, nil), map[string]any{"global": 1, "tags": 1}); got != nil {
		t.Errorf("got %q, want nothing", got)
	}
}

func needs(d *helmchart.Dependency) func(*helmchart.Chart) {
	return func(c *helmchart.Chart) { c.Metadata.Dependencies = append(c.Metadata.Dependencies, d) }
}
