package create

import (
	"fmt"
	"slices"
	"strings"
)

// Reference is an object that a flag names: [kind/]name[.namespace].
type Reference struct{ Kind, Name, Namespace string }

// The kinds that references may have, as upstream lists them.
var (
	kustomizationSources = []string{"OCIRepository", "GitRepository", "Bucket"}
	chartSources         = []string{"HelmRepository", "GitRepository", "Bucket"}
	chartRefs            = []string{"OCIRepository", "HelmChart"}
	valuesKinds          = []string{"Secret", "ConfigMap"}
	healthKinds          = []string{"Deployment", "DaemonSet", "StatefulSet", "HelmRelease"}
)

// SourceOfKustomization reads --source of create kustomization; without a kind
// a GitRepository is meant.
func SourceOfKustomization(text string) (Reference, error) {
	if strings.TrimSpace(text) == "" {
		return Reference{}, fmt.Errorf("no Kustomization source given, please specify [<kind>/]<name>[.<namespace>], where kind must be one of: (%s)", strings.Join(kustomizationSources, ", "))
	}
	r := parse(text)
	switch {
	case r.Name == "":
		return r, fmt.Errorf("no name given for source of kind '%s'", r.Kind)
	case r.Kind == "" && slices.Contains(kustomizationSources, r.Name):
		return r, fmt.Errorf("no kind specified for source '%s'; write <kind>/<name>", r.Name)
	case r.Kind == "":
		r.Kind = "GitRepository"
	}
	return r.among(kustomizationSources, "source kind")
}

// SourceOfRelease reads --source of create helmrelease.
func SourceOfRelease(text string) (Reference, error) {
	return chartSource(text, parse(text), "'<kind>/<name>.<namespace>'")
}

// SourceOfChart reads --source of create source chart, which cannot lead into
// another namespace.
func SourceOfChart(text string) (Reference, error) {
	kind, name := cutKind(text)
	return chartSource(text, Reference{Kind: kind, Name: name}, "'<kind>/<name>'")
}

func chartSource(text string, r Reference, format string) (Reference, error) {
	if strings.TrimSpace(text) == "" {
		return r, fmt.Errorf("no helm chart source given, please specify source that contains the chart in the format %s, where kind must be one of: (%s)", format, strings.Join(chartSources, ", "))
	}
	if r.Kind == "" || r.Name == "" {
		return r, fmt.Errorf("invalid helm chart source '%s', must be in format <kind>/<name>", text)
	}
	return r.among(chartSources, "source kind")
}

// String is what a flag shows.
func (r Reference) String() string {
	if r.Name == "" {
		return ""
	}
	return r.Kind + "/" + r.Name
}

// among checks the kind, in any case of letters, and writes it properly.
func (r Reference) among(kinds []string, what string) (Reference, error) {
	i := slices.IndexFunc(kinds, func(k string) bool { return strings.EqualFold(k, r.Kind) })
	if i < 0 {
		return r, fmt.Errorf("%s '%s' is not supported, must be one of: %s", what, r.Kind, strings.Join(kinds, ", "))
	}
	r.Kind = kinds[i]
	return r, nil
}

// parse takes kind/name.namespace apart; names may hold dots.
func parse(text string) Reference {
	kind, name := cutKind(text)
	if i := strings.LastIndex(name, "."); i >= 0 {
		return Reference{kind, name[:i], name[i+1:]}
	}
	return Reference{Kind: kind, Name: name}
}

// cutKind takes kind/name apart; with more than one slash all is the name.
func cutKind(text string) (kind, name string) {
	if strings.Count(text, "/") != 1 {
		return "", text
	}
	kind, name, _ = strings.Cut(text, "/")
	return kind, name
}

// dependencies reads --depends-on: [namespace/]name[@expression]. Upstream reads
// the expression (fluxcd/pkg/apis/meta v1.30.2 MakeDependsOn) and then loses it;
// here it becomes readyExpr.
func dependencies(in []string) []any {
	out := make([]any, 0, len(in))
	for _, text := range in {
		text, ready, _ := strings.Cut(text, "@")
		d := draft{}
		d.set("readyExpr", ready)
		if namespace, name, ok := strings.Cut(text, "/"); ok {
			d.set("namespace", namespace)
			d.keep("name", name)
		} else {
			d.keep("name", text)
		}
		out = append(out, map[string]any(d))
	}
	return out
}

// object is the reference as a field.
func (r Reference) object() map[string]any {
	d := draft{}
	d.keep("kind", r.Kind)
	d.keep("name", r.Name)
	d.set("namespace", r.Namespace)
	return d
}
