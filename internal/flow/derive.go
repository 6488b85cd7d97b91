package flow

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/words"
)

// Derive says what the names of pins mean, out of the objects in which they come out.
func Derive(pins []Pin, uses map[int][]Use) map[string]Component {
	out := map[string]Component{}
	for i, p := range pins {
		c := out[p.Component]
		c.Name = p.Component
		for _, u := range uses[i] {
			found := Component{}
			switch p.Kind {
			case BranchPin:
				found.Repository = u.Repository
			case ChartPin:
				found.Chart = u.Chart
			}
			c = Fill(c, found)
		}
		out[p.Component] = c
	}
	return out
}

// Fill takes from another what a component does not say.
func Fill(c, from Component) Component {
	c.Name = or(c.Name, from.Name)
	c.Repository = or(c.Repository, from.Repository)
	c.Image = or(c.Image, from.Image)
	if c.Chart == nil {
		c.Chart = from.Chart
	}
	return c
}

// Address is where what a pin of a kind names is kept; empty where nothing says it.
func (c Component) Address(k PinKind) string {
	switch {
	case k == BranchPin:
		return c.Repository
	case k == ChartPin && c.Chart != nil && strings.HasPrefix(c.Chart.Repository, "oci://"):
		return strings.TrimSuffix(c.Chart.Repository, "/") + "/" + c.Chart.Name
	case k == ChartPin && c.Chart != nil:
		return c.Chart.Repository
	case k == ImagePin && c.Image != "":
		return Registry(c.Image)
	}
	return ""
}

// Registry is the address of an image, of Docker Hub where it names no registry
// (distribution/reference, normalize.go: a first part without a dot, colon or the
// name localhost is no host).
func Registry(image string) string {
	host, rest, ok := strings.Cut(image, "/")
	switch {
	case !ok:
		return "oci://docker.io/library/" + image
	case strings.ContainsAny(host, ".:") || host == "localhost":
		return "oci://" + host + "/" + rest
	}
	return "oci://docker.io/" + image
}

// ImageOf is the image that a pin names, without its tag; empty for a tag alone.
func ImageOf(p Pin) string {
	if p.Kind != ImagePin {
		return ""
	}
	image, _ := splitImage(p.Value)
	return image
}

// IsRange tells whether a version of a chart is a range, which always chooses among
// what there is.
func IsRange(value string) bool {
	return strings.ContainsAny(value, "*<>=~^|, ") || versionOf(value) == nil
}

// Dangles says that what is pinned does not exist.
func (k PinKind) Dangles(there []string) string {
	what := map[PinKind]string{BranchPin: "branch", ChartPin: "version", ImagePin: "tag"}[k]
	if len(there) == 0 {
		return "there is no " + what + " at all"
	}
	return fmt.Sprintf("there is no such %s; there is %s", what, words.Some(there))
}

// Consumed answers for the pins of a probe whether something consumes them. A value
// that comes out nowhere is no proof where what may read it was not rendered: the
// units made of the component's own repository, or any where nothing is known of it.
func (p Probe) Consumed(r fleet.Rendered, pins []Pin, uses map[int][]Use) map[int]Fact {
	out := map[int]Fact{}
	for i := range p.marks {
		if len(uses[i]) > 0 {
			f := Fact{Consumed: Yes}
			for _, u := range uses[i] {
				f.By = append(f.By, u.Object.String())
			}
			out[i] = f
			continue
		}
		if open := p.open(r, pins, i); open == "" {
			out[i] = Fact{Consumed: No, Why: map[State]string{Orphan: "no object that is rendered has it"}}
		}
	}
	return out
}

// open names a unit that was not rendered and may consume a pin; empty where there is
// none.
func (p Probe) open(r fleet.Rendered, pins []Pin, i int) string {
	for _, u := range r.Units {
		switch {
		case u.State == fleet.Ready || u.State == fleet.Suspended || len(u.Objects) > 0:
		case reads(u, pins[i].File) || pins[i].Kind != BranchPin && related(u.Key.Name, pins[i].Component):
			return u.Key.String()
		}
	}
	return ""
}

// reads tells whether a release composes its values from a file of pins: a ConfigMap
// that is called as the file is.
func reads(u fleet.Unit, file string) bool {
	if u.Key.Kind != "HelmRelease" || u.Object == nil {
		return false
	}
	from, _, _ := unstructured.NestedSlice(u.Object.Object, "spec", "valuesFrom")
	base := strings.TrimSuffix(file[strings.LastIndex(file, "/")+1:], ".yaml")
	return slices.ContainsFunc(from, func(v any) bool {
		m, _ := v.(map[string]any)
		return m["name"] == base
	})
}

// related tells whether a unit's name speaks of a component: iac-flux-keycloak of
// keycloak, or of the first word of a name of several.
func related(unit, component string) bool {
	a, b := plain(unit), plain(component)
	return strings.Contains(a, b) || strings.Contains(b, a)
}

// Live are the versions that run of a pin, as the objects that consume it say them.
// read returns an object of the cluster; nil where it has none.
func Live(p Pin, uses []Use, read func(object.Key) map[string]any) []string {
	var out []string
	for _, u := range uses {
		if v := liveOf(p, u.Object, read(u.Object)); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

func liveOf(p Pin, k object.Key, o map[string]any) string {
	text := func(fields ...string) string {
		v, _, _ := unstructured.NestedString(o, fields...)
		return v
	}
	switch {
	case o == nil:
		return ""
	case k.Kind == "GitRepository" || k.Kind == "OCIRepository" || k.Kind == "HelmChart":
		return text("status", "artifact", "revision")
	case k.Kind == "HelmRelease" && p.Kind == ChartPin:
		history, _, _ := unstructured.NestedSlice(o, "status", "history")
		if len(history) > 0 {
			if first, ok := history[0].(map[string]any); ok {
				v, _ := first["chartVersion"].(string)
				return v
			}
		}
		return text("status", "lastAppliedRevision")
	case p.Kind == ImagePin:
		image, _ := splitImage(p.Value)
		return imageIn(o["spec"], image)
	}
	return ""
}

// imageIn finds the image of a name in a workload.
func imageIn(v any, image string) string {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if found := imageIn(item, image); found != "" {
				return found
			}
		}
	case map[string]any:
		if text, ok := v["image"].(string); ok {
			if name, _ := splitImage(text); image != "" && name == image {
				return text
			}
		}
		for _, item := range v {
			if found := imageIn(item, image); found != "" {
				return found
			}
		}
	}
	return ""
}
