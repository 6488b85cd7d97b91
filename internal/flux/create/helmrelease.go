package create

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// HelmRelease are the flags of create helmrelease.
type HelmRelease struct {
	ReleaseName                       string
	Source                            Reference // of SourceOfRelease
	Chart, ChartVersion, ChartRef     string
	ReconcileStrategy, CRDs           string
	ChartInterval                     time.Duration
	DependsOn, ValuesFrom             []string
	Values                            []ValuesFile
	TargetNamespace, StorageNamespace string
	CreateNamespace                   bool
	ServiceAccount                    string
	KubeConfigSecretRef               string
}

// ValuesFile is a file of --values.
type ValuesFile struct {
	Name    string
	Content []byte
}

// Object implements Maker.
func (f HelmRelease) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Chart == "" && f.ChartRef == "" {
		return nil, errors.New("chart or chart-ref is required; pass --chart with --source, or --chart-ref")
	}
	if f.Chart != "" && f.ChartRef != "" {
		return nil, errors.New("cannot use --chart in combination with --chart-ref")
	}
	d, err := m.object("helm.toolkit.fluxcd.io/v2", "HelmRelease")
	if err != nil {
		return nil, err
	}
	d.set("spec.releaseName", f.ReleaseName)
	d.keep("spec.interval", m.Interval)
	d.set("spec.targetNamespace", f.TargetNamespace)
	d.set("spec.storageNamespace", orElse(f.StorageNamespace, f.TargetNamespace))
	d.set("spec.dependsOn", dependencies(f.DependsOn))
	d.set("spec.kubeConfig.secretRef.name", f.KubeConfigSecretRef)
	d.set("spec.serviceAccountName", f.ServiceAccount)
	d.set("spec.install.createNamespace", f.CreateNamespace)
	if f.CRDs != "" {
		d.keep("spec.install.crds", "Create")
		d.keep("spec.upgrade.crds", f.CRDs)
	}
	return d.done(), errors.Join(f.chart(d), f.values(d), f.valuesFrom(d))
}

func (f HelmRelease) chart(d draft) error {
	if !slices.Contains([]string{"Revision", "ChartVersion"}, f.ReconcileStrategy) {
		return fmt.Errorf("'%s' is an invalid reconcile strategy(valid: Revision, ChartVersion)", f.ReconcileStrategy)
	}
	if f.ChartRef != "" {
		ref := parse(f.ChartRef)
		if !slices.Contains(chartRefs, ref.Kind) {
			return fmt.Errorf("chart reference kind '%s' is not supported, must be one of: %s", ref.Kind, strings.Join(chartRefs, ", "))
		}
		d.keep("spec.chartRef", ref.object())
		return nil
	}
	d.keep("spec.chart.spec.chart", f.Chart)
	d.set("spec.chart.spec.version", f.ChartVersion)
	d.keep("spec.chart.spec.reconcileStrategy", f.ReconcileStrategy)
	d.set("spec.chart.spec.interval", f.ChartInterval)
	ref := draft{}
	ref.set("kind", f.Source.Kind)
	ref.keep("name", f.Source.Name)
	ref.set("namespace", f.Source.Namespace)
	d.keep("spec.chart.spec.sourceRef", map[string]any(ref))
	return nil
}

// values merges the files of --values; later ones win.
func (f HelmRelease) values(d draft) error {
	merged := map[string]any{}
	for _, file := range f.Values {
		var values map[string]any
		if err := yaml.Unmarshal(file.Content, &values); err != nil {
			return fmt.Errorf("converting values to JSON from %s failed: %w", file.Name, err)
		}
		merged = merge(merged, values)
	}
	if len(f.Values) > 0 {
		d.keep("spec.values", merged)
	}
	return nil
}

func (f HelmRelease) valuesFrom(d draft) error {
	var out []any
	for _, text := range f.ValuesFrom {
		kind, name := cutKind(text)
		if kind == "" {
			return fmt.Errorf("invalid Kubernetes object reference '%s', must be in format <kind>/<name>", text)
		}
		ref, err := Reference{Kind: kind, Name: name}.among(valuesKinds, "reference kind")
		if err != nil {
			return err
		}
		out = append(out, ref.object())
	}
	d.set("spec.valuesFrom", out)
	return nil
}

// merge lays b over a: maps become one, all else of b replaces.
func merge(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		below, isMap := out[k].(map[string]any)
		over, alsoMap := v.(map[string]any)
		if isMap && alsoMap {
			v = merge(below, over)
		}
		out[k] = v
	}
	return out
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
