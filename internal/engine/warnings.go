package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// Warnings never keep a unit from being ready. Each is found where the knowledge
// is, kept until it is looked for again, and told once: a run that fails early
// says what the last one found. Some concern two units, and stand on both.

// warnings are what is known of one unit.
type warnings struct {
	built, values []report.Warning
	stamp         string          // of the inputs that values were looked for in
	told          map[string]bool // as events and in the log
}

// shared are warnings that one unit finds and another one has too.
type shared struct {
	left   map[object.Key][]apply.Contest           // by the unit that leaves objects
	floats map[object.Key]map[object.Key]floatingBy // by finder and by the unit concerned
}

// floatingBy is a version that became empty, by the message about it.
type floatingBy struct{ message, cause, at string }

// warn puts what is known of a unit into its report.
func (e *Engine) warn(rep *report.Report) {
	if rep.Summary.Ready == "" {
		return
	}
	m := e.memo(rep.Unit)
	found := slices.Concat(m.warnings.built, e.contests(rep.Unit), e.floating(rep.Unit), m.warnings.values)
	var fresh []report.Warning
	fresh, m.warnings.told = rep.Warn(found, m.warnings.told)
	for _, w := range fresh {
		if !w.Note {
			e.log().Warn(w.String(), "unit", rep.Unit, "reason", w.Reason)
		}
	}
}

// nudge has other units run, because what is known of them changed.
func (e *Engine) nudge(units []object.Key, why string) {
	for _, key := range units {
		if e.Nudge != nil {
			e.Nudge(key, why)
		}
	}
}

// leftBy are the objects that a run left to others; one that did not come to the
// end leaves besides what the one before it did.
func (c *kustomizing) leftBy(res apply.Result, err error) []apply.Contest {
	if err == nil && len(res.Pending) == 0 {
		return res.Left
	}
	c.Engine.mu.Lock()
	defer c.Engine.mu.Unlock()
	out := slices.Clone(res.Left)
	for _, one := range c.shared.left[c.k.Key()] {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// leaves notes which objects a unit leaves to others; the others hear of it.
func (e *Engine) leaves(by object.Key, left []apply.Contest) {
	e.mu.Lock()
	before := e.shared.left[by]
	if e.shared.left == nil {
		e.shared.left = make(map[object.Key][]apply.Contest)
	}
	if e.shared.left[by] = left; len(left) == 0 {
		delete(e.shared.left, by)
	}
	e.mu.Unlock()
	var moved []object.Key
	for _, pair := range [][2][]apply.Contest{{before, left}, {left, before}} {
		for _, one := range pair[0] {
			if !slices.Contains(pair[1], one) && !slices.Contains(moved, one.Unit) {
				moved = append(moved, one.Unit)
			}
		}
	}
	e.nudge(moved, by.String()+" wants objects that this unit has")
}

// contests are the objects that a unit leaves to others, or has and others want.
func (e *Engine) contests(of object.Key) []report.Warning {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []report.Warning
	for by, left := range e.shared.left {
		for _, one := range left {
			if by == of || one.Unit == of {
				out = append(out, report.Warning{Reason: report.ReasonContested, Object: one.Key.String(), Message: fmt.Sprintf(
					"%s is wanted by two units: %s keeps it, %s leaves it alone; remove it from one of the two", one.Key, one.Unit, by)})
			}
		}
	}
	slices.SortFunc(out, func(a, b report.Warning) int { return cmp.Compare(a.Message, b.Message) })
	return out
}

// floating are the versions of a unit that became empty where it was built.
func (e *Engine) floating(of object.Key) []report.Warning {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, found := range e.shared.floats {
		if f, ok := found[of]; ok {
			return []report.Warning{{Reason: report.ReasonFloating, Object: of.String(), Message: f.message, Cause: f.cause, At: f.at}}
		}
	}
	return nil
}

// explained tells whether another unit's build says why a version is empty.
func (e *Engine) explained(of object.Key) bool { return len(e.floating(of)) > 0 }

// forgetWarnings drops what a unit that is gone told of others.
func (e *Engine) forgetWarnings(key object.Key) {
	e.leaves(key, nil)
	e.mu.Lock()
	delete(e.shared.floats, key)
	e.mu.Unlock()
}

// warnOfBuild keeps what the build warns of.
func (c *kustomizing) warnOfBuild() {
	var out []report.Warning
	for _, text := range c.built.Warnings {
		out = append(out, report.Warning{Reason: report.ReasonBuildWarning, Message: text, Note: true})
	}
	c.memo.warnings.built = append(out, c.undefined()...)
	c.floats()
}

// undefined are the variables that are defined nowhere, each once.
func (c *kustomizing) undefined() []report.Warning {
	uses := map[string][]build.Undefined{}
	for _, u := range c.built.Undefined {
		uses[u.Name] = append(uses[u.Name], u)
	}
	var out []report.Warning
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		all := uses[name]
		u, effect := all[0], ""
		if i := slices.IndexFunc(all, c.chooses); i >= 0 {
			u, effect = all[i], ": "+references[all[i].Object.Kind].empty
		}
		where := ""
		if u.Field != "" {
			where = u.Field + " of "
		}
		if where += u.Object.String(); len(all) > 1 {
			where += fmt.Sprintf(" and %d more", len(all)-1)
		}
		what := emptied(name)
		out = append(out, report.Warning{Reason: report.ReasonUndefined, Object: u.Object.String(), At: u.At, Cause: what,
			Message: fmt.Sprintf("%s (%s)%s", what, where, effect)})
	}
	return out
}

func emptied(name string) string { return "${" + name + "} is defined nowhere and becomes empty" }

// references are the fields that choose what is fetched, by kind, with what
// happens while all of them are empty.
var references = map[string]struct {
	fields []string
	empty  string
}{
	unit.HelmReleaseKind:   {[]string{"spec.chart.spec.version"}, "the newest version of the chart is used"},
	unit.HelmChartKind:     {[]string{"spec.version"}, "the newest version of the chart is used"},
	unit.OCIRepositoryKind: {[]string{"spec.ref.tag", "spec.ref.semver"}, "the tag latest is used"},
	unit.GitRepositoryKind: {[]string{"spec.ref.branch", "spec.ref.tag", "spec.ref.semver", "spec.ref.commit"}, "the branch master is used"},
}

// floats notes the units of the build whose version is empty because a variable
// is; they hear of it.
func (c *kustomizing) floats() {
	found := map[object.Key]floatingBy{}
	for _, u := range c.built.Undefined {
		if c.chooses(u) {
			found[u.Object] = floatingBy{fmt.Sprintf("%s is empty, because ${%s} is defined nowhere: %s", u.Field, u.Name, references[u.Object.Kind].empty),
				emptied(u.Name), u.At}
		}
	}
	by := c.k.Key()
	c.Engine.mu.Lock()
	before := c.shared.floats[by]
	if c.shared.floats == nil {
		c.shared.floats = make(map[object.Key]map[object.Key]floatingBy)
	}
	if c.shared.floats[by] = found; len(found) == 0 {
		delete(c.shared.floats, by)
	}
	c.Engine.mu.Unlock()
	var moved []object.Key
	for _, pair := range [][2]map[object.Key]floatingBy{{before, found}, {found, before}} {
		for key, f := range pair[0] {
			if pair[1][key] != f && !slices.Contains(moved, key) {
				moved = append(moved, key)
			}
		}
	}
	slices.SortFunc(moved, object.Compare)
	c.nudge(moved, "what is known of its version changed")
}

// chooses tells whether a variable left nothing that says what is fetched.
func (c *kustomizing) chooses(u build.Undefined) bool {
	ref, known := references[u.Object.Kind]
	_, ours := unit.KindOf(u.Object.GroupKind())
	return ours && known && slices.Contains(ref.fields, u.Field) && c.empty(u.Object, ref.fields)
}

// empty tells whether a built object has none of the fields.
func (c *kustomizing) empty(key object.Key, fields []string) bool {
	i := slices.IndexFunc(c.built.Objects, func(o build.Object) bool { return o.Ref.Key == key })
	if i < 0 {
		return false
	}
	obj, err := c.built.Objects[i].Decode()
	if err != nil {
		return false
	}
	for _, field := range fields {
		if text, _, err := unstructured.NestedString(obj.Object, splitField(field)...); err == nil && text != "" {
			return false
		}
	}
	return true
}

// exact tells whether a version is one version, not a range of them.
func exact(version string) bool {
	_, err := semver.StrictNewVersion(trimV(version))
	return err == nil
}
