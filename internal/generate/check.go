package generate

import (
	"fmt"
	"strings"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// MaxArtifacts bounds the artifacts of one generator.
const MaxArtifacts = 1000

// Check says what in a spec contradicts itself, whatever the sources hold; nil
// if nothing does.
func Check(spec swapi.ArtifactGeneratorSpec) error {
	aliases := map[string]bool{}
	for _, src := range spec.Sources {
		if aliases[src.Alias] {
			return fmt.Errorf("duplicate source alias '%s' found", src.Alias)
		}
		aliases[src.Alias] = true
	}
	names := map[string]bool{}
	for _, a := range spec.OutputArtifacts {
		if names[a.Name] {
			return fmt.Errorf("duplicate artifact name '%s' found", a.Name)
		}
		names[a.Name] = true
		if spec.PathPattern == "" {
			if err := checkName(a.Name); err != nil {
				return err
			}
		}
		if alias := unmark(a.Revision); alias != "" && !aliases[alias] {
			return fmt.Errorf("artifact %s revision source alias '%s' not found", a.Name, alias)
		}
	}
	return nil
}

func checkName(name string) error {
	if why := validation.IsDNS1123Subdomain(name); len(why) > 0 {
		return fmt.Errorf("artifact name %q is not a valid Kubernetes object name: %s", name, strings.Join(why, "; "))
	}
	return nil
}

// unmark returns the alias of "@alias".
func unmark(text string) string { return strings.TrimPrefix(text, "@") }
