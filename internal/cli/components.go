package cli

import (
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// componentOf is the controller of Flux that reconciles a kind.
func componentOf(k unit.Kind) string {
	switch k.Group {
	case object.GroupKustomize:
		return "kustomize-controller"
	case object.GroupHelm:
		return "helm-controller"
	case object.GroupSourceExtensions:
		return "source-watcher"
	default:
		return "source-controller"
	}
}

// componentKinds are the kinds to watch, of which only those of the components
// are reconciled; nil stands for all.
func componentKinds(components []string) ([]unit.Kind, error) {
	if len(components) == 0 {
		return nil, nil
	}
	for _, name := range components {
		if !slices.Contains(install.ComponentNames(), name) {
			return nil, usage("--components: there is no %q; there is %s", name, strings.Join(install.ComponentNames(), ", "))
		}
	}
	kinds := slices.Clone(unit.Kinds)
	for i, k := range kinds {
		kinds[i].Run = k.Run && slices.Contains(components, componentOf(k))
	}
	return kinds, nil
}

// leaseOf names the lock of a set of components, so that processes with
// different ones do not wait for each other.
func leaseOf(components []string) string {
	if len(components) == 0 {
		return "leat-leader-election"
	}
	sorted := slices.Sorted(slices.Values(components))
	return strings.Join(sorted, "-") + "-leader-election"
}
