package preview

import (
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// Alike takes out of two renderings what differs and would change nothing:
//
//   - a release that has the same spec, chart, version and values at both sides is
//     not upgraded, whatever its templates draw at random or read from a clock: at
//     head it holds what it held at base;
//   - where the version of a chart ends in the commit that it was packed from
//     (spec.chart.spec.reconcileStrategy: Revision), both sides show that of head.
//
// It changes neither argument.
func Alike(base, head fleet.Rendered) (b, h fleet.Rendered) {
	from, to := shortCommit(base.Revision), shortCommit(head.Revision)
	base.Units, head.Units = append([]fleet.Unit(nil), base.Units...), append([]fleet.Unit(nil), head.Units...)
	for i := range base.Units {
		u := &base.Units[i]
		if u.Release != nil && from != "" && from != to && strings.HasSuffix(u.Release.Version, "+"+from) {
			*u = renamed(*u, from, to)
		}
	}
	for i := range head.Units {
		u := &head.Units[i]
		if u.Key.Kind != unit.HelmReleaseKind {
			continue
		}
		if was := base.Unit(u.Key); was != nil && unmoved(*was, *u) {
			*u = kept(*was, *u, edited(digestOf(base, was.Source) != digestOf(head, u.Source)))
		}
	}
	return base, head
}

// Warned gives units of base that nobody ran the warnings of head, where they hold
// the same there: a cluster does not keep what was warned of, and what did not change
// brings no warning. It changes neither argument.
func Warned(base, head fleet.Rendered) fleet.Rendered {
	base.Units = append([]fleet.Unit(nil), base.Units...)
	for i := range base.Units {
		was := &base.Units[i]
		is := head.Unit(was.Key)
		if is != nil && len(was.Warnings) == 0 && reflect.DeepEqual(was.Object.Object["spec"], is.Object.Object["spec"]) && sameObjects(was.Objects, is.Objects) {
			was.Warnings = is.Warnings
		}
	}
	return base
}

// commitDigits is how many digits of a commit stand in the version of a chart
// (source-controller v1.9 internal/helm/chart, BuildMetadata).
const commitDigits = 12

// shortCommit is the commit of a revision, main@sha1:…, as versions of charts have it.
func shortCommit(revision string) string {
	_, commit, ok := strings.Cut(revision, "@sha1:")
	if !ok || len(commit) < commitDigits {
		return ""
	}
	return commit[:commitDigits]
}

// unmoved tells whether nothing makes Helm upgrade a release.
func unmoved(was, is fleet.Unit) bool {
	if was.Release == nil || is.Release == nil || was.State != fleet.Ready || is.State != fleet.Ready {
		return false
	}
	a, b := was.Release, is.Release
	return a.Namespace == b.Namespace && a.Name == b.Name && a.Chart == b.Chart && a.Version == b.Version &&
		reflect.DeepEqual(a.Values, b.Values) && reflect.DeepEqual(was.Object.Object["spec"], is.Object.Object["spec"])
}

// edited tells whether the files of a chart changed.
type edited bool

// kept is a release at head that holds what it held at base. Where its chart was
// changed and kept its version, that is said.
func kept(was, is fleet.Unit, chart edited) fleet.Unit {
	if bool(chart) && !sameObjects(was.Objects, is.Objects) {
		is.Warnings = append(is.Warnings[:len(is.Warnings):len(is.Warnings)], report.Warning{
			Reason: report.ReasonBuildWarning, Object: is.Key.String(),
			Message: "the chart " + is.Release.Chart + " changed and still is version " + is.Release.Version +
				", so the release is not upgraded; raise the version in Chart.yaml, or set reconcileStrategy: Revision",
		})
	}
	is.Objects, is.Release = was.Objects, was.Release
	return is
}

// digestOf names the content of the artifact that a source has.
func digestOf(r fleet.Rendered, source object.Key) string {
	u := r.Unit(source)
	if u == nil {
		return ""
	}
	digest, _, _ := unstructured.NestedString(u.Object.Object, "status", "artifact", "digest")
	return digest
}

func sameObjects(a, b []fleet.Object) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Ref != b[i].Ref || !reflect.DeepEqual(a[i].Value.Object, b[i].Value.Object) {
			return false
		}
	}
	return true
}

// renamed is a unit in whose release one text stands for another.
func renamed(u fleet.Unit, from, to string) fleet.Unit {
	release := *u.Release
	release.Version = strings.ReplaceAll(release.Version, from, to)
	u.Release = &release
	objects := make([]fleet.Object, len(u.Objects))
	for i, o := range u.Objects {
		if fields, ok := replaced(o.Value.Object, from, to).(map[string]any); ok {
			o.Value = &unstructured.Unstructured{Object: fields}
		}
		objects[i] = o
	}
	u.Objects = objects
	return u
}

// replaced is a copy of a value with one text for another in all strings.
func replaced(v any, from, to string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, from, to)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = replaced(value, from, to)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = replaced(v[i], from, to)
		}
		return out
	}
	return v
}
