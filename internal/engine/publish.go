package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// written is an ExternalArtifact as this process left it.
type written struct {
	desired hash.ID
	object  *unstructured.Unstructured
}

const labelManagedBy = "app.kubernetes.io/managed-by"

// publish makes an ExternalArtifact of every output, and writes only what
// differs. The inventory takes up what is there, also when some failed.
func (r *generating) publish(ctx context.Context) error {
	refs := []swapi.ExternalArtifactReference{} // also empty it replaces the old one
	problems := r.failed
	for _, out := range r.outputs {
		if err := r.show(ctx, out); err != nil {
			problems = append(problems, err)
			continue
		}
		refs = append(refs, swapi.ExternalArtifactReference{
			Name: out.Name, Namespace: r.g.Namespace, Digest: out.stored.Digest, Filename: path.Base(out.stored.Path),
		})
	}
	r.run.Inventory = refs
	if len(problems) == 0 {
		return nil
	}
	r.run.Inventory = append(refs, r.unlisted(refs)...)
	return together(problems)
}

// together makes one problem of those of several artifacts: time may solve it
// if it may solve one of them, and the reason is that of the first.
func together(problems []error) error {
	var on []string
	retry := false
	for _, err := range problems {
		p := report.AsProblem(err, report.ReasonReconcileFailed)
		retry = retry || p.Class != report.Waiting
		on = append(on, p.On...)
	}
	first := report.AsProblem(problems[0], report.ReasonReconcileFailed)
	err := report.Join("artifacts failed", problems)
	if retry {
		return report.Retry(first.Reason, err)
	}
	slices.Sort(on)
	return report.Wait(first.Reason, err, slices.Compact(on)...)
}

// show makes the ExternalArtifact of an output say what it is.
func (r *generating) show(ctx context.Context, out output) error {
	key := r.g.Output(out.Name)
	if err := r.mayWrite(ctx, key); err != nil {
		return err
	}
	desired := r.external(out)
	live, err := r.applied(ctx, r.live[key], desired)
	if err != nil {
		return fmt.Errorf("%s reconcile failed: %w", out.Name, err)
	}
	a := out.stored
	a.URL = r.Store.URL(a.Path)
	status, err := report.ExternalArtifact(live, a, r.now)
	if err != nil {
		return fmt.Errorf("%s reconcile failed: %w", out.Name, err)
	}
	live, changed, err := commit.Committer{World: r.w}.Status(ctx, live, status)
	if err != nil {
		return fmt.Errorf("%s reconcile failed: %w", out.Name, err)
	}
	r.wrote(key, live, desired)
	if !changed {
		return nil
	}
	r.changed(key, "configured")
	if err := r.Store.Collect(key, &a); err != nil {
		r.log().Warn("old artifacts were not removed", "unit", r.g.Key(), "error", err)
	}
	return nil
}

// mayWrite looks at the object of a name, once a run, and refuses one that
// belongs to somebody else.
func (r *generating) mayWrite(ctx context.Context, key object.Key) error {
	live, seen := r.live[key]
	if !seen {
		var err error
		if live, err = r.find(ctx, key); err != nil {
			return fmt.Errorf("%s reconcile failed: %w", key.Name, err)
		}
		r.live[key] = live
	}
	if live == nil || r.owns(live) {
		return nil
	}
	r.view.note(key, hash.OfString(live.GetResourceVersion()))
	return report.Wait(report.ReasonReconcileFailed, fmt.Errorf(
		"%s reconcile failed: %s belongs to %s; rename the artifact, or delete that object", key.Name, key, ownerOf(live)), key.String())
}

// find reads an ExternalArtifact, nil when there is none. What this process
// wrote counts where the world does not show it yet.
func (r *generating) find(ctx context.Context, key object.Key) (*unstructured.Unstructured, error) {
	live, err := r.w.Get(ctx, unit.Ref(key))
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if mine, ok := r.memo.wrote[key]; ok && mine.object.GetUID() == live.GetUID() && newer(mine.object, live) {
		return mine.object.DeepCopy(), nil
	}
	return live, nil
}

// newer compares resource versions, which count upwards
// (k8s.io/apimachinery pkg/util/resourceversion).
func newer(a, b *unstructured.Unstructured) bool {
	va, errA := strconv.ParseUint(a.GetResourceVersion(), 10, 64)
	vb, errB := strconv.ParseUint(b.GetResourceVersion(), 10, 64)
	return errA == nil && errB == nil && va > vb
}

// owns tells whether an ExternalArtifact is of this generator: by the label, or
// by its reference, where the generator was made anew under the same name.
func (r *generating) owns(live *unstructured.Unstructured) bool {
	if live.GetLabels()[swapi.ArtifactGeneratorLabel] == string(r.g.UID) {
		return true
	}
	ref, _, _ := unstructured.NestedStringMap(live.Object, "spec", "sourceRef")
	return ref["kind"] == unit.ArtifactGeneratorKind && ref["name"] == r.g.Name && ref["namespace"] == r.g.Namespace
}

// ownerOf names for people whom an ExternalArtifact belongs to.
func ownerOf(live *unstructured.Unstructured) string {
	ref, _, _ := unstructured.NestedStringMap(live.Object, "spec", "sourceRef")
	if ref["kind"] == "" {
		return "something else"
	}
	ns := ref["namespace"]
	if ns == "" {
		ns = live.GetNamespace()
	}
	return ref["kind"] + "/" + ns + "/" + ref["name"]
}

// external is the ExternalArtifact of an output, as it is applied.
func (r *generating) external(out output) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"sourceRef": map[string]any{
			"apiVersion": swapi.GroupVersion.String(), "kind": unit.ArtifactGeneratorKind, "name": r.g.Name, "namespace": r.g.Namespace,
		}},
	}}
	ref := unit.Ref(r.g.Output(out.Name))
	u.SetGroupVersionKind(ref.GVK())
	u.SetName(ref.Name)
	u.SetNamespace(ref.Namespace)
	marks := map[string]string{}
	if m := r.g.Spec.CommonMetadata; m != nil {
		maps.Copy(marks, m.Labels)
		if len(m.Annotations) > 0 {
			u.SetAnnotations(m.Annotations)
		}
	}
	maps.Copy(marks, out.Labels)
	marks[labelManagedBy], marks[swapi.ArtifactGeneratorLabel] = object.ManagerSourceWatcher, string(r.g.UID)
	u.SetLabels(marks)
	return u
}

// applied returns the object after it was applied, or as it is where that would
// change nothing.
func (r *generating) applied(ctx context.Context, live, desired *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if live != nil && (r.settled(live, desired) || shows(live, desired)) {
		return live, nil
	}
	a := world.Apply{Object: desired, Manager: object.ManagerSourceWatcher, Force: true}
	if live != nil {
		a.If.UID = live.GetUID()
	}
	next, err := r.w.Apply(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", object.KeyOf(desired), err)
	}
	switch {
	case live == nil:
		r.changed(object.KeyOf(desired), "created")
	case live.GetResourceVersion() != next.GetResourceVersion():
		r.changed(object.KeyOf(desired), "configured")
	}
	return next, nil
}

// settled tells whether nobody wrote the object since this process did.
func (r *generating) settled(live, desired *unstructured.Unstructured) bool {
	mine, ok := r.memo.wrote[object.KeyOf(desired)]
	return ok && mine.object.GetResourceVersion() == live.GetResourceVersion() && mine.desired == idOf(desired)
}

// shows tells whether applying desired would leave live as it is: its fields
// are there, and what we applied before holds no others.
func shows(live, desired *unstructured.Unstructured) bool {
	raw, ok := plan.Entry(live.GetManagedFields(), object.ManagerSourceWatcher)
	if !ok {
		return false
	}
	var owned struct {
		Metadata struct {
			Labels      map[string]any `json:"f:labels"`
			Annotations map[string]any `json:"f:annotations"`
		} `json:"f:metadata"`
	}
	if json.Unmarshal(raw, &owned) != nil {
		return false
	}
	have, _, _ := unstructured.NestedMap(live.Object, "spec")
	want, _, _ := unstructured.NestedMap(desired.Object, "spec")
	return len(commit.Diff(have, want)) == 0 &&
		same(live.GetLabels(), desired.GetLabels(), owned.Metadata.Labels) &&
		same(live.GetAnnotations(), desired.GetAnnotations(), owned.Metadata.Annotations)
}

// same tells whether the wanted entries are there and are exactly the owned ones.
func same(have, want map[string]string, owned map[string]any) bool {
	count := 0
	for key := range owned {
		if name, ok := strings.CutPrefix(key, "f:"); ok {
			count++
			if _, wanted := want[name]; !wanted {
				return false
			}
		}
	}
	for key, value := range want {
		if got, there := have[key]; !there || got != value {
			return false
		}
	}
	return count == len(want)
}

func idOf(u *unstructured.Unstructured) hash.ID {
	data, err := u.MarshalJSON()
	if err != nil {
		return hash.ID{} // unreachable: it was made of JSON values
	}
	return hash.Of(data)
}

func (r *generating) wrote(key object.Key, live, desired *unstructured.Unstructured) {
	r.view.note(key, hash.OfString(live.GetResourceVersion()))
	if r.memo.wrote == nil {
		r.memo.wrote = map[object.Key]written{}
	}
	r.memo.wrote[key] = written{idOf(desired), live.DeepCopy()}
}

// changed notes what was done to an object, the first word only: what was
// created is configured too.
func (r *generating) changed(key object.Key, what string) {
	for _, line := range r.run.Changed {
		if strings.HasPrefix(line, key.String()+" ") {
			return
		}
	}
	r.run.Changed = append(r.run.Changed, key.String()+" "+what)
}
