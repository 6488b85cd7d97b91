package install

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Labels of every object of an installation. Tools select by the first two; the
// last tells what Leat brought from what Flux did.
const (
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelInstance  = "app.kubernetes.io/instance" // the namespace
	LabelVersion   = "app.kubernetes.io/version"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	PartOf    = "flux"
	ManagedBy = "leat"
)

// Manager is the field manager of an installation.
const Manager = "leat-install"

// labelControl is on Deployments and Services of Flux; patches of fleets select by it.
const labelControl = "control-plane"

// labelApp is what Services, NetworkPolicies and people select pods by.
const labelApp = "app"

// labels returns the labels of an object of a component, or of all.
func (o Options) labels(component string) map[string]string {
	l := map[string]string{
		LabelPartOf: PartOf, LabelInstance: o.Namespace, LabelVersion: o.Version, LabelManagedBy: ManagedBy,
	}
	if component != "" {
		l[LabelComponent] = component
	}
	return l
}

// checkNames refuses what the API server would, with the name of the option.
func (o Options) checkNames() error {
	checks := []struct {
		option, value string
		problems      []string
	}{
		{"namespace", o.Namespace, validation.IsDNS1123Label(o.Namespace)},
		{"version", o.Version, validation.IsValidLabelValue(o.Version)},
		{"cluster domain", o.ClusterDomain, validation.IsDNS1123Subdomain(o.ClusterDomain)},
	}
	if s := o.ImagePullSecret; s != "" {
		checks = append(checks, struct {
			option, value string
			problems      []string
		}{"image pull secret", s, validation.IsDNS1123Subdomain(s)})
	}
	for _, c := range checks {
		if len(c.problems) > 0 {
			return fmt.Errorf("%s %q: %s", c.option, c.value, c.problems[0])
		}
	}
	return nil
}
