package fleet

// Object is a Kubernetes object as decoded JSON.
type Object = map[string]any

// Setup are the namespaces of the fleet.
func (f Fleet) Setup() []Object {
	all := []Object{namespace(System)}
	for _, name := range f.Namespaces() {
		all = append(all, namespace(name))
	}
	return all
}

// Objects are the sources and units in the order in which they are to be
// applied; url is where the repository is served, or the artifact, or the chart.
func (f Fleet) Objects(url string) []Object {
	var all []Object
	if f.o.Shape == Releases {
		all = append(all, f.chartRepository(url))
		for i := range f.o.Apps {
			all = append(all, f.release(i))
		}
		return all
	}
	if !f.o.Shape.each() {
		all = append(all, f.source(Source, url))
	}
	for i := range f.o.Apps {
		if f.o.Shape.each() {
			all = append(all, f.source(f.App(i), url))
		}
		all = append(all, f.kustomization(i))
	}
	return all
}

func namespace(name string) Object {
	return Object{"apiVersion": "v1", "kind": "Namespace", "metadata": Object{"name": name}}
}

func (f Fleet) source(name, url string) Object {
	spec := Object{
		"interval": f.o.Interval.String(),
		"timeout":  "60s",
		"url":      url,
		"ref":      Object{"branch": Branch},
	}
	if f.o.Shape == RegistryEach {
		spec["ref"], spec["insecure"] = Object{"tag": Branch}, true
	}
	return Object{
		"apiVersion": "source.toolkit.fluxcd.io/v1",
		"kind":       f.SourceKind(),
		"metadata":   Object{"name": name, "namespace": System},
		"spec":       spec,
	}
}

func (f Fleet) kustomization(i int) Object {
	spec := Object{
		"interval":  f.o.Interval.String(),
		"timeout":   f.o.Timeout.String(),
		"path":      "./" + f.Dir(i),
		"prune":     true,
		"wait":      true,
		"sourceRef": Object{"kind": f.SourceKind(), "name": f.SourceOf(i)},
	}
	if f.o.Shape == Chain && i > 0 {
		spec["dependsOn"] = []any{Object{"name": f.App(i - 1)}}
	}
	return Object{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1",
		"kind":       "Kustomization",
		"metadata":   Object{"name": f.App(i), "namespace": System},
		"spec":       spec,
	}
}
