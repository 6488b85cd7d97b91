package chart

import (
	"errors"
	"fmt"
	"path"

	helm "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/tree"
)

// InSource returns where a path that a HelmChart names leads in its source: above the root
// there is nothing, so ".." stays there (source-controller v1.9.5 joins chart and values
// files to the source by filepath-securejoin).
func InSource(p string) (string, error) { return tree.Clean(path.Clean("/" + p)) }

// ValuesFiles is what a HelmChart says about values.
type ValuesFiles struct {
	Files         []string // in order, later ones win
	IgnoreMissing bool
}

// Custom returns the files that replace a chart's values: none where the only
// one is the chart's own.
func (v ValuesFiles) Custom() []string {
	if len(v.Files) == 1 && path.Clean(v.Files[0]) == valuesFile {
		return nil
	}
	return v.Files
}

// FromChart merges files of the chart itself into its values, and returns those
// that were there. The chart's own values are always.
func (v ValuesFiles) FromChart(c *helm.Chart) ([]string, error) {
	return v.merge(c, func(p string) (map[string]any, bool, error) {
		clean := path.Clean(p)
		if clean == valuesFile {
			return c.Values, true, nil
		}
		for _, f := range c.Files {
			if f.Name == clean {
				values, err := valuesOf(p, f.Data)
				return values, true, err
			}
		}
		return nil, false, nil
	})
}

// FromTree merges files of the source, by their paths from its root, into the
// values of a chart, and returns those that were there.
func (v ValuesFiles) FromTree(c *helm.Chart, t tree.Tree, l Limits) ([]string, error) {
	l = l.withDefaults()
	return v.merge(c, func(p string) (map[string]any, bool, error) {
		clean, err := InSource(p)
		if err != nil {
			return nil, false, unreadable(p, err)
		}
		e := t.Lookup(clean)
		switch {
		case e.Kind == tree.Missing:
			return nil, false, nil
		case e.Kind == tree.Dir:
			return nil, false, unreadable(p, errors.New("it is a directory"))
		case e.Blob.Size > l.File:
			return nil, false, unreadable(p, fmt.Errorf("%d bytes are more than the limit of %d for one file", e.Blob.Size, l.File))
		}
		text, err := t.ReadFile(clean)
		if err != nil {
			return nil, false, unreadable(p, err)
		}
		values, err := valuesOf(p, text)
		return values, true, err
	})
}

func unreadable(p string, err error) error {
	return fmt.Errorf("could not read values from file '%s': %w", p, err)
}

// valuesOf reads the first document of a values file: in Flux others do not count.
func valuesOf(p string, text []byte) (values map[string]any, err error) {
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("unmarshaling values from '%s' failed: %w", p, err)
	}
	return values, nil
}

func (v ValuesFiles) merge(c *helm.Chart, read func(string) (map[string]any, bool, error)) ([]string, error) {
	if len(v.Custom()) == 0 {
		return nil, nil
	}
	merged, used := map[string]any{}, []string{}
	for _, p := range v.Files {
		values, there, err := read(p)
		switch {
		case err != nil:
			return nil, err
		case !there && v.IgnoreMissing:
			continue
		case !there:
			return nil, fmt.Errorf("no values file found at path '%s'", p)
		}
		merged, used = loader.MergeMaps(merged, values), append(used, p)
	}
	return used, setValues(c, merged)
}

// setValues replaces the values of a chart.
func setValues(c *helm.Chart, values map[string]any) error {
	var text []byte
	if len(values) > 0 {
		var err error
		if text, err = yaml.Marshal(values); err != nil {
			return fmt.Errorf("write merged values: %w", err)
		}
	}
	if len(text) > MaxBytes {
		return fmt.Errorf("the merged values have %d bytes, more than the limit of %d", len(text), MaxBytes)
	}
	for _, f := range c.Raw {
		if f.Name == valuesFile {
			f.Data, c.Values = text, values
			return nil
		}
	}
	return fmt.Errorf("failed to locate values file: %s: the chart has none to replace", valuesFile)
}
