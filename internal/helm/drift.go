package helm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// fix is what puts an object right.
type fix struct {
	intent *unstructured.Unstructured
	first  []byte // a merge patch that goes before it; see relist.go
}

// Diff compares the manifest of a stored release with the cluster by
// server-side dry runs: two requests an object. Hooks and CRDs of the crds
// folder are not looked at; nor is what says driftDetection: disabled, in the
// manifest or in the cluster, or what spec.driftDetection.ignore leaves out. It
// returns what it found together with an error when some objects could not be
// compared (helm-controller v1.6.4 internal/action/diff.go).
func (d *Driver) Diff(ctx context.Context, job Job, rel *relv1.Release) (Drift, error) {
	r, err := d.start(ctx, job, PlaceOf(job.Object).StorageNamespace)
	if err != nil {
		return Drift{}, err
	}
	rules, whole, err := ignoreRules(job.Object.GetDriftDetection().Ignore)
	if err != nil {
		return Drift{}, err
	}
	objects, err := readObjects(strings.NewReader(rel.Manifest))
	if err != nil {
		return Drift{}, fmt.Errorf("read manifest of release %s.v%d: %w", rel.Name, rel.Version, err)
	}
	var drift Drift
	var errs []error
	for _, obj := range objects {
		own(obj, rel)
		c := comparison{run: r, obj: r.placed(obj, rel.Namespace), rules: rules, whole: whole}
		found, err := c.compare()
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("compare %s: %w", object.RefOf(obj), err))
		case c.excluded:
			drift.Excluded++
		case found != nil:
			drift.Objects = append(drift.Objects, *found)
		}
	}
	return drift, r.lines.hide.err(errors.Join(errs...))
}

// ignoreRules compiles the rules; whole are those that ignore all of an object.
func ignoreRules(rules []v2.IgnoreRule) (fields, whole plan.Ignore, err error) {
	var some, all []plan.IgnoreRule
	for _, rule := range rules {
		out := plan.IgnoreRule{Paths: rule.Paths}
		if t := rule.Target; t != nil {
			out.Target = &plan.Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector,
			}
		}
		if slices.Contains(rule.Paths, "") {
			all = append(all, plan.IgnoreRule{Paths: []string{"/metadata"}, Target: out.Target})
			continue
		}
		some = append(some, out)
	}
	if fields, err = plan.CompileIgnore(some); err == nil {
		whole, err = plan.CompileIgnore(all)
	}
	if err != nil {
		err = fmt.Errorf("read spec.driftDetection.ignore: %w", err)
	}
	return fields, whole, err
}

// own sets what Helm sets on objects when it applies them.
func own(obj *unstructured.Unstructured, rel *relv1.Release) {
	label(obj, map[string]string{"app.kubernetes.io/managed-by": "Helm"})
	annotations := map[string]string{}
	maps.Copy(annotations, obj.GetAnnotations())
	annotations["meta.helm.sh/release-name"] = rel.Name
	annotations["meta.helm.sh/release-namespace"] = rel.Namespace
	obj.SetAnnotations(annotations)
}

// comparison is of one object.
type comparison struct {
	run          *run
	obj          *unstructured.Unstructured
	rules, whole plan.Ignore
	excluded     bool
}

func (c *comparison) compare() (*DriftedObject, error) {
	if c.excluded = optedOut(c.obj) || c.whole.Touches(c.obj); c.excluded {
		return nil, nil
	}
	helper, err := c.run.helper(c.obj)
	if err != nil {
		return nil, err
	}
	now, err := helper.Get(c.obj.GetNamespace(), c.obj.GetName())
	if apierrors.IsNotFound(err) {
		return &DriftedObject{Ref: object.RefOf(c.obj), Missing: true, fix: &fix{intent: c.obj}}, nil
	}
	if err != nil {
		return nil, err
	}
	live := now.(*unstructured.Unstructured)
	if c.excluded = optedOut(live); c.excluded {
		return nil, nil
	}
	if live, err = c.takeOver(helper, live); err != nil {
		return nil, err
	}
	predicted, first, err := c.predict(helper.DryRun(true))
	if err != nil {
		return nil, err
	}
	changes := plan.Drift(live, predicted, c.rules, plan.Mask{})
	changes = slices.DeleteFunc(changes, removesMetadata)
	if len(changes) == 0 {
		return nil, nil
	}
	intent := c.rules.Intent(c.obj, live, predicted, object.ManagerHelm)
	return &DriftedObject{Ref: object.RefOf(c.obj), Changes: changes, fix: &fix{intent, first}}, nil
}

// takeOver makes the fields of managers ours whose writing is overridden, so that
// what they added is drift too. It changes no value.
func (c *comparison) takeOver(helper *resource.Helper, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t, err := plan.TakeoverOf(live, plan.Managers{Own: object.ManagerHelm, Overrides: c.run.job.Overrides, Only: true})
	if err != nil || t.IsZero() {
		return live, err
	}
	now, err := helper.Patch(live.GetNamespace(), live.GetName(), types.JSONPatchType, t.Patch, nil)
	if err != nil {
		return nil, fmt.Errorf("take over fields of %s: %w", strings.Join(t.From, ", "), err)
	}
	return now.(*unstructured.Unstructured), nil
}

// removesMetadata tells of labels and annotations that only the cluster has,
// which is no drift: others set them.
func removesMetadata(change plan.FieldChange) bool {
	path, err := plan.ParsePointer(change.Path)
	return err == nil && change.After == "" && len(path) > 0 && path[0] == "metadata"
}

func optedOut(obj *unstructured.Unstructured) bool {
	return plan.Marked(obj, object.GroupHelm+"/driftDetection", "disabled")
}

// helper returns the way to an object, as Helm's field manager.
func (r *run) helper(obj *unstructured.Unstructured) (*resource.Helper, error) {
	mapping, err := r.cluster.kinds.mapping(obj.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	client, err := r.restClient(obj.GroupVersionKind().GroupVersion())
	if err != nil {
		return nil, err
	}
	return resource.NewHelper(client, mapping).WithFieldManager(object.ManagerHelm), nil
}

// apply sends obj server-side and returns what the server made of it.
func apply(helper *resource.Helper, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	force := true
	now, err := helper.Patch(obj.GetNamespace(), obj.GetName(), types.ApplyPatchType, data, &metav1.PatchOptions{Force: &force})
	if err != nil {
		return nil, err
	}
	return now.(*unstructured.Unstructured), nil
}

// Correct creates and applies what Diff found, in the order in which Flux
// applies kinds. It goes on after a failure and tells all of them.
func (d *Driver) Correct(ctx context.Context, job Job, drift Drift) (Corrected, error) {
	ctx, cancel := context.WithTimeout(ctx, job.Object.GetTimeout().Duration)
	defer cancel()
	r, err := d.start(ctx, job, PlaceOf(job.Object).StorageNamespace)
	if err != nil {
		return Corrected{}, err
	}
	todo := slices.Clone(drift.Objects)
	slices.SortStableFunc(todo, func(a, b DriftedObject) int { return plan.Compare(a.Ref.Key, b.Ref.Key) })
	var done Corrected
	var errs []error
	for _, found := range todo {
		helper, err := r.helper(found.fix.intent)
		if err == nil {
			err = found.fix.do(helper)
		}
		switch {
		case err != nil && found.Ref.Kind == "Secret":
			errs = append(errs, fmt.Errorf("correct %s: %s", found.Ref, apierrors.ReasonForError(err)))
		case err != nil:
			errs = append(errs, fmt.Errorf("correct %s: %w", found.Ref, err))
		case found.Missing:
			done.Created = append(done.Created, found.Ref)
		default:
			done.Configured = append(done.Configured, found.Ref)
		}
	}
	return done, r.lines.hide.err(errors.Join(errs...))
}
