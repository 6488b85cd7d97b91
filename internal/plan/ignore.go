package plan

import (
	"fmt"
	"regexp"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// maxIgnorePaths bounds the paths of all rules of one unit together.
	maxIgnorePaths = 10_000
	// maxSelectorText bounds each text of a selector, in bytes.
	maxSelectorText = 4096
)

// IgnoreRule is one item of spec.ignore: paths that are left to others.
type IgnoreRule struct {
	Paths  []string  // JSON pointers
	Target *Selector // nil: all objects
}

// Selector selects objects. Group to Namespace are regular expressions (RE2)
// for the whole text, the rest are label selectors; an empty one selects all.
type Selector struct {
	Group, Version, Kind, Name, Namespace string
	AnnotationSelector, LabelSelector     string
}

// Ignore is a compiled list of rules; its zero value ignores nothing.
type Ignore struct{ rules []ignoreRule }

type ignoreRule struct {
	target matcher
	paths  [][]string
}

// CompileIgnore compiles rules. Errors name the rule and what is wrong in it.
func CompileIgnore(rules []IgnoreRule) (Ignore, error) {
	var compiled Ignore
	count := 0
	for i, rule := range rules {
		target, err := compileSelector(rule.Target)
		if err != nil {
			return Ignore{}, fmt.Errorf("spec.ignore[%d].target: %w", i, err)
		}
		out := ignoreRule{target: target}
		for j, pointer := range rule.Paths {
			path, err := ParsePointer(pointer)
			if err != nil {
				return Ignore{}, fmt.Errorf("spec.ignore[%d].paths[%d]: %w", i, j, err)
			}
			out.paths = append(out.paths, path)
		}
		if count += len(out.paths); count > maxIgnorePaths {
			return Ignore{}, fmt.Errorf("spec.ignore: more than %d paths", maxIgnorePaths)
		}
		compiled.rules = append(compiled.rules, out)
	}
	return compiled, nil
}

// Touches tells whether anything of an object is ignored. Of such an object a
// dry run of what is desired owns fields that Intent leaves to others, so that
// its apply entry is not the one to expect.
func (g Ignore) Touches(obj *unstructured.Unstructured) bool { return len(g.paths(obj)) > 0 }

// paths returns what is ignored of an object, in the order of the rules.
func (g Ignore) paths(obj *unstructured.Unstructured) [][]string {
	var paths [][]string
	for _, rule := range g.rules {
		if rule.target.matches(obj) {
			paths = append(paths, rule.paths...)
		}
	}
	return paths
}

// strip returns obj without the paths that are ignored of match; obj stays as
// it is. Both sides of a comparison are stripped by the same match.
func (g Ignore) strip(match, obj *unstructured.Unstructured) *unstructured.Unstructured {
	paths := g.paths(match)
	if len(paths) == 0 {
		return obj
	}
	stripped := obj.DeepCopy()
	for _, path := range paths {
		if len(path) > 0 {
			remove(stripped.Object, path)
		}
	}
	return stripped
}

// Intent returns what is to be sent for desired when an apply is needed, so
// that the ignored fields stay as they are live: where predicted would change
// such a field, it is left out if another manager applied it, or if it does not
// exist; else it is sent with its live value. manager is our own. For an object
// that does not exist (live is nil) the ignored fields are sent as desired.
func (g Ignore) Intent(desired, live, predicted *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	if live == nil || predicted == nil || len(g.rules) == 0 {
		return desired
	}
	var left, kept [][]string
	owners := readOwners(live.GetManagedFields(), manager)
	for _, path := range g.paths(predicted) {
		before, existed := lookup(live.Object, path)
		after, exists := lookup(predicted.Object, path)
		switch {
		case len(path) == 0 || existed == exists && apiequality.Semantic.DeepEqual(before, after):
		case !existed || owners.own(live, path):
			left = append(left, path)
		default:
			kept = append(kept, path)
		}
	}
	if len(left)+len(kept) == 0 {
		return desired
	}
	intent := desired.DeepCopy()
	for _, path := range left {
		remove(intent.Object, path)
	}
	for _, path := range kept {
		if _, ok := copyAt(intent.Object, live.Object, path); !ok {
			remove(intent.Object, path)
		}
	}
	return intent
}

// matcher is a compiled Selector; its zero value matches everything.
type matcher struct {
	group, version, kind, name, namespace *regexp.Regexp
	labels, annotations                   labels.Selector
}

func compileSelector(s *Selector) (m matcher, err error) {
	if s == nil {
		return matcher{}, nil
	}
	for _, field := range []struct {
		name, text string
		to         **regexp.Regexp
	}{
		{"group", s.Group, &m.group}, {"version", s.Version, &m.version}, {"kind", s.Kind, &m.kind},
		{"name", s.Name, &m.name}, {"namespace", s.Namespace, &m.namespace},
	} {
		if *field.to, err = compileWhole(field.text); err != nil {
			return matcher{}, fmt.Errorf("%s: %w", field.name, err)
		}
	}
	if m.labels, err = compileLabels(s.LabelSelector); err != nil {
		return matcher{}, fmt.Errorf("labelSelector: %w", err)
	}
	if m.annotations, err = compileLabels(s.AnnotationSelector); err != nil {
		return matcher{}, fmt.Errorf("annotationSelector: %w", err)
	}
	return m, nil
}

// compileWhole compiles a regular expression for a whole text; nil for "".
func compileWhole(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxSelectorText {
		return nil, fmt.Errorf("longer than %d bytes", maxSelectorText)
	}
	if _, err := regexp.Compile(text); err != nil {
		return nil, err // so that «a)(b» is not balanced by our own parentheses
	}
	return regexp.Compile("^(?:" + text + ")$")
}

func compileLabels(text string) (labels.Selector, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxSelectorText {
		return nil, fmt.Errorf("longer than %d bytes", maxSelectorText)
	}
	return labels.Parse(text)
}

func (m matcher) matches(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	return whole(m.group, gvk.Group) && whole(m.version, gvk.Version) && whole(m.kind, gvk.Kind) &&
		whole(m.name, obj.GetName()) && whole(m.namespace, obj.GetNamespace()) &&
		(m.labels == nil || m.labels.Matches(labels.Set(obj.GetLabels()))) &&
		(m.annotations == nil || m.annotations.Matches(labels.Set(obj.GetAnnotations())))
}

func whole(re *regexp.Regexp, text string) bool { return re == nil || re.MatchString(text) }

// owners are the fields that managers other than our own applied, one tree of
// FieldsV1 per manager.
type owners []map[string]any

func readOwners(managed []metav1.ManagedFieldsEntry, own string) owners {
	var others owners
	for _, e := range managed {
		if e.Operation != metav1.ManagedFieldsOperationApply || e.Subresource != "" || e.Manager == own {
			continue
		}
		if tree := decodeTree(rawFields(e)); tree != nil {
			others = append(others, tree)
		}
	}
	return others
}

// own tells whether one of the owners applied the field at path, or something
// below it.
func (o owners) own(live *unstructured.Unstructured, path []string) bool {
	return slices.ContainsFunc([]map[string]any(o), func(tree map[string]any) bool {
		return holdsField(tree, live.Object, path)
	})
}
