package change

import (
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
	same := before.Namespace == after.Namespace && before.Name == after.Name && before.Chart == after.Chart
	switch {
	case same && before.Version == after.Version && len(r.Values) == 0:
		return nil
	case before.Namespace != after.Namespace || before.Name != after.Name:
		r.Op = Replace // Helm knows a release by its name
	}
	return r
}
