package helm

import (
	"fmt"
	"maps"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of rendering. Helm itself ends includes that nest deeper than 1000.
const (
	// maxRepeat bounds the bytes that one call of repeat returns.
	maxRepeat = 8 << 20
	// maxSteps bounds the numbers that one call of until, untilStep or seq
	// returns.
	maxSteps = 1_000_000
	// maxChart bounds the bytes of all templates and files of a chart with its
	// subcharts.
	maxChart = 64 << 20
	// maxTemplates bounds the number of its templates.
	maxTemplates = 20_000
)

// functions returns the template functions that are ours instead of Helm's.
// env, expandenv and the DNS functions are none of them: Helm takes those away.
func (r *run) functions() template.FuncMap {
	until := sprig.TxtFuncMap()["until"].(func(int) []int)
	step := sprig.TxtFuncMap()["untilStep"].(func(int, int, int) []int)
	funcs := textFunctions()
	maps.Copy(funcs, template.FuncMap{
		tick:       r.guard.tick,
		handOver:   func(top map[string]any) (string, error) { return r.guard.remote.handOver(top) },
		handedBack: func(name string) (string, error) { return r.guard.remote.back(name) },
		"lookup":   r.lookup,
		"repeat":   repeat,
		"until": func(n int) ([]int, error) {
			if err := steps(0, n, 1); err != nil {
				return nil, err
			}
			return until(n), nil
		},
		"untilStep": func(from, to, by int) ([]int, error) {
			if err := steps(from, to, by); err != nil {
				return nil, err
			}
			return step(from, to, by), nil
		},
	})
	return funcs
}

// repeat is sprig's, bounded.
func repeat(count int, s string) (string, error) {
	if count < 0 {
		return "", fmt.Errorf("repeat %d: must not be negative", count)
	}
	if len(s) > 0 && count > maxRepeat/len(s) {
		return "", fmt.Errorf("repeat %d: would make more than %d bytes", count, maxRepeat)
	}
	return fmt.Sprint(sprig.TxtFuncMap()["repeat"].(func(int, string) string)(count, s)), nil
}

func steps(from, to, by int) error {
	if by == 0 {
		return nil // sprig returns no numbers then
	}
	if n := (to - from) / by; n > maxSteps || n < -maxSteps {
		return fmt.Errorf("count from %d to %d: more than %d steps", from, to, maxSteps)
	}
	return nil
}

// lookup finds objects as the identity of the run. What does not exist is empty;
// what the identity may not see is an error, as in Helm.
func (r *run) lookup(apiVersion, kind, namespace, name string) (map[string]any, error) {
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	mapping, err := r.cluster.kinds.mapping(gvk)
	if err != nil {
		return map[string]any{}, fmt.Errorf("look up %s %s: %w", apiVersion, kind, err)
	}
	client, err := r.restClient(mapping.GroupVersionKind.GroupVersion())
	if err != nil {
		return map[string]any{}, err
	}
	helper := resource.NewHelper(client, mapping)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		namespace = ""
	}
	obj, err := find(helper, namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		return map[string]any{}, nil
	case err != nil:
		return map[string]any{}, err
	}
	return obj, nil
}

func find(helper *resource.Helper, namespace, name string) (map[string]any, error) {
	if name == "" {
		list, err := helper.List(namespace, "", &metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		return list.(*unstructured.UnstructuredList).UnstructuredContent(), nil
	}
	obj, err := helper.Get(namespace, name)
	if err != nil {
		return nil, err
	}
	return obj.(*unstructured.Unstructured).UnstructuredContent(), nil
}

// tooHeavy refuses charts beyond the bounds before anything is rendered.
func (r *run) tooHeavy() error {
	if r.job.Chart == nil {
		return nil
	}
	size, templates := weigh(r.job.Chart)
	switch {
	case size > maxChart:
		return fmt.Errorf("render chart %s: it has more than %d bytes", r.job.Chart.Name(), maxChart)
	case templates > maxTemplates:
		return fmt.Errorf("render chart %s: it has more than %d templates", r.job.Chart.Name(), maxTemplates)
	}
	return nil
}

func weigh(c *chart.Chart) (size, templates int) {
	for _, f := range c.Templates {
		size += len(f.Data)
	}
	for _, f := range c.Files {
		size += len(f.Data)
	}
	templates = len(c.Templates)
	for _, sub := range c.Dependencies() {
		s, t := weigh(sub)
		size, templates = size+s, templates+t
	}
	return size, templates
}
