// Package fleet makes fleets of any size for measurements: a Git repository
// with a directory per app, and the Flux objects that deliver it.
//
//	f := fleet.New(fleet.Options{Apps: 500})
//	repo, err := fleet.CreateRepository(dir, f)
//	for _, o := range f.Objects(url) { apply(o) }
//	commit, err := repo.Commit(f.SetMessage(7, "2"))
//
// An app is what Flux's public benchmark uses: a Deployment with zero replicas,
// a ServiceAccount, a Service and an Ingress. The same Options always give the
// same bytes, and so the same commit ids. It must never read a clock, the
// environment or the network.
package fleet

import (
	"fmt"
	"time"
)

// Shape says how the units of a fleet hang together.
type Shape string

const (
	// OneSource is one GitRepository that all Kustomizations read.
	OneSource Shape = "one-source"
	// SourceEach is a GitRepository for each Kustomization, all of one remote.
	SourceEach Shape = "source-each"
	// RegistryEach is an OCIRepository for each Kustomization, all of one artifact.
	RegistryEach Shape = "registry-each"
	// Chain is one GitRepository, and each Kustomization depends on the one before.
	Chain Shape = "chain"
	// Releases is a HelmRelease for each app, all of one chart of one HelmRepository.
	Releases Shape = "releases"
)

// Options describe a fleet; zero fields take the default that is named.
type Options struct {
	Apps       int           // number of apps, one unit each; 1
	Shape      Shape         // OneSource
	Namespaces int           // number of namespaces the apps are spread over; 10, at most Apps
	Interval   time.Duration // spec.interval of every source and unit; 1m
	Timeout    time.Duration // spec.timeout of every unit; 5m
}

// Fleet is a set of apps. It is immutable.
type Fleet struct{ o Options }

// System is the namespace of the sources and Kustomizations.
const System = "flux-system"

// Source is the name of the GitRepository in the shapes that have one.
const Source = "fleet"

// New completes the options.
func New(o Options) Fleet {
	o.Apps = max(o.Apps, 1)
	if o.Shape == "" {
		o.Shape = OneSource
	}
	if o.Namespaces <= 0 {
		o.Namespaces = 10
	}
	o.Namespaces = min(o.Namespaces, o.Apps)
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	return Fleet{o}
}

// Size is the number of apps.
func (f Fleet) Size() int { return f.o.Apps }

// App is the name of app i, of its objects and of its Kustomization.
func (f Fleet) App(i int) string { return fmt.Sprintf("app-%04d", i) }

// Namespace is where the objects of app i go.
func (f Fleet) Namespace(i int) string { return fmt.Sprintf("apps-%02d", i%f.o.Namespaces) }

// Namespaces are all that Namespace returns.
func (f Fleet) Namespaces() []string {
	var all []string
	for i := range f.o.Namespaces {
		all = append(all, f.Namespace(i))
	}
	return all
}

// each tells whether every app has a source of its own.
func (s Shape) each() bool { return s == SourceEach || s == RegistryEach }

// SourceKind is the kind of the sources.
func (f Fleet) SourceKind() string {
	switch f.o.Shape {
	case RegistryEach:
		return "OCIRepository"
	case Releases:
		return "HelmChart"
	}
	return "GitRepository"
}

// UnitKind is the kind of the units: Kustomization or HelmRelease.
func (f Fleet) UnitKind() string {
	if f.o.Shape == Releases {
		return "HelmRelease"
	}
	return "Kustomization"
}

// SourceOf is the name of the source that app i reads.
func (f Fleet) SourceOf(i int) string {
	switch {
	case f.o.Shape == Releases:
		return System + "-" + f.App(i) // the engine makes it
	case f.o.Shape.each():
		return f.App(i)
	}
	return Source
}

// Sources are the names of all sources.
func (f Fleet) Sources() []string {
	if f.SourceOf(0) == Source {
		return []string{Source}
	}
	var all []string
	for i := range f.o.Apps {
		all = append(all, f.SourceOf(i))
	}
	return all
}
