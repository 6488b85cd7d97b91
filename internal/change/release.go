package change

import (
	"cmp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
)

// release compares what a HelmRelease installs; nil where nothing of it differs.
// h is nil for a unit that is gone.
func (c *comparison) release(b, h *fleet.Unit) *Release {
	before, after := b.Release, (*fleet.Release)(nil)
	if h != nil {
		after = h.Release
	}
	if h != nil && b.Cluster != h.Cluster {
		before = nil // the one in the other cluster stays there
	}
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil:
		return &Release{
			Namespace: after.Namespace, Name: after.Name, Op: Create,
			Chart: [2]string{"", after.Chart}, Version: [2]string{"", after.Version},
		}
	case after == nil && h != nil:
		return nil // it was not installed yet; how the unit stands tells why
	case after == nil:
		r := &Release{
			Namespace: before.Namespace, Name: before.Name, Op: Delete,
			Chart: [2]string{before.Chart, ""}, Version: [2]string{before.Version, ""},
		}
		if isTrue(b.Object, "suspend") {
			r.Op = Orphan // the end of a suspended HelmRelease uninstalls nothing
		}
		return r
	}
	return c.upgrade(b, h)
}

func (c *comparison) upgrade(b, h *fleet.Unit) *Release {
	before, after := b.Release, h.Release
	r := &Release{
		Namespace: after.Namespace, Name: after.Name, Op: Change,
		Chart: [2]string{before.Chart, after.Chart}, Version: [2]string{before.Version, after.Version},
	}
	if !equal(before.Values, after.Values) {
		shown := [2]any{c.secrets.values(b), c.secrets.values(h)}
		r.Values = treesOf([2]any{before.Values, shown[0]}, [2]any{after.Values, shown[1]}, c.secrets.mask(h.Key))
	}
	switch {
	case c.reinstalled(h) != "":
		r.Op = Replace
	case before.Chart == after.Chart && before.Version == after.Version && len(r.Values) == 0:
		return nil
	}
	return r
}

// reinstalled says why the release of a unit is uninstalled and installed anew; empty
// where it is not (helm-controller v1.6 internal/action ReleaseTargetChanged).
func (c *comparison) reinstalled(h *fleet.Unit) string {
	b := c.base.units[h.Key]
	if h.Release == nil || b == nil || b.Release == nil || b.Cluster != h.Cluster {
		return ""
	}
	strategy, _, _ := unstructured.NestedString(h.Object.Object, "spec", "upgrade", "chartNameChangeStrategy")
	what := ""
	switch before, after := b.Release, h.Release; {
	case storageOf(b) != storageOf(h):
		what = "storage namespace"
	case before.Namespace != after.Namespace:
		what = "namespace"
	case before.Name != after.Name:
		what = "name"
	case before.Chart != after.Chart && strategy != "InPlaceUpdate":
		what = "chart"
	default:
		return ""
	}
	return "the release is uninstalled and installed anew: its " + what + " changes"
}

// storageOf is the namespace in which Helm keeps the release of a unit.
func storageOf(u *fleet.Unit) string {
	return cmp.Or(text(u.Object, "storageNamespace"), u.Key.Namespace)
}
