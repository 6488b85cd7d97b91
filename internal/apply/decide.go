package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
)

// step is a plan's step with what doing it needs.
type step struct {
	plan.Step
	desired   hash.ID
	intent    *unstructured.Unstructured // what is sent
	takeover  plan.Takeover
	rehearsed bool
	settled   *Mark    // for Unchanged
	left      *Contest // for Skip: another unit keeps the object
}

func ready(s live.Seen) bool { return s.Health.Status == health.Current }

// decide says what to do with one object. It asks the world only about objects
// that are not known to be settled.
func (r *runner) decide(ctx context.Context, o build.Object) (*step, error) {
	s := &step{Step: plan.Step{Ref: o.Ref}, desired: hash.Of(o.JSON)}
	if err := r.Live.Follow(ctx, o.Ref.GVK()); err != nil {
		return nil, r.refused(o.Ref, nil, err)
	}
	if m, ok := r.settled(o.Ref.Key, s.desired); ok && !r.Verify {
		s.Op, s.settled = plan.Unchanged, &m
		return s, nil
	}
	desired, err := o.Decode()
	if err != nil {
		return nil, err
	}
	s.After, s.intent = desired, desired
	if r.Provided != nil {
		if why := r.Provided(o.Ref, desired.GetLabels()); why != "" {
			s.Op, s.Why = plan.Skip, why
			return s, nil
		}
	}
	if m, ok := r.recovered(s); ok {
		s.Op, s.settled = plan.Unchanged, &m
		return s, nil
	}
	if seen, exists, followed := r.Live.Seen(o.Ref.Key); followed && exists && plan.PolicyOf(desired, desired).Skip == "" && r.leave(ctx, s, seen.Owner) {
		return s, nil
	}
	current, err := r.look(ctx, o.Ref)
	if err != nil {
		return nil, r.refused(o.Ref, desired, err)
	}
	return s, r.compare(ctx, s, current)
}

// leave makes the step leave an object to its owner, where that is another unit
// which wants it still.
func (r *runner) leave(ctx context.Context, s *step, owner object.Key) bool {
	if r.Contested == nil || owner.Name == "" || owner == r.Owner {
		return false
	}
	who := r.Contested(ctx, s.Ref.Key, owner)
	if who == (object.Key{}) {
		return false
	}
	s.left = &Contest{Key: s.Ref.Key, Unit: who}
	s.Op, s.Why = plan.Skip, s.left.Why()
	r.res.Left = append(r.res.Left, *s.left)
	return true
}

// settled tells whether the object is as it was when it was last found right.
func (r *runner) settled(key object.Key, desired hash.ID) (Mark, bool) {
	m, ok := r.Marks[key]
	if !ok || m.Desired != desired {
		return m, false
	}
	seen, exists, followed := r.Live.Seen(key)
	return m, followed && exists && seen.UID == m.UID && seen.Entry == m.Entry &&
		seen.Intruder == "" && seen.Owner == r.Owner && !seen.Deleting
}

// recovered tells whether an object is settled though no mark says so.
func (r *runner) recovered(s *step) (Mark, bool) {
	if _, marked := r.Marks[s.Ref.Key]; marked || r.Verify || !r.Trusted || r.Expect == nil {
		return Mark{}, false
	}
	seen, exists, followed := r.Live.Seen(s.Ref.Key)
	if !followed || !exists || seen.Intruder != "" || seen.Owner != r.Owner || seen.Deleting || seen.Entry.IsZero() {
		return Mark{}, false
	}
	expected, known := r.Expect(s.After)
	return Mark{s.desired, seen.UID, seen.Entry}, known && expected == seen.Entry
}

// look returns the live object, nil when there is none.
func (r *runner) look(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	if _, exists, followed := r.Live.Seen(ref.Key); followed && !exists && r.Live.Absent(ctx, ref) {
		return nil, nil
	}
	current, err := r.World.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return current, err
}

// compare fills in the step from the desired and the live object.
func (r *runner) compare(ctx context.Context, s *step, current *unstructured.Unstructured) error {
	s.Before = current
	policy := plan.PolicyOf(s.After, current)
	if policy.Skip != "" {
		s.Op, s.Why = plan.Skip, policy.Skip
		return nil
	}
	if current == nil {
		return r.creation(ctx, s)
	}
	if r.leave(ctx, s, r.ownerOf(current)) {
		return nil
	}
	if current.GetDeletionTimestamp() != nil {
		s.Op, s.Why = plan.Replace, "it is being deleted"
		return nil
	}
	return r.update(ctx, s, policy)
}

// ownerOf reads the labels that name a unit of our kind.
func (r *runner) ownerOf(live *unstructured.Unstructured) object.Key {
	owner, labels := r.Owner, live.GetLabels()
	owner.Namespace, owner.Name = labels[object.OwnerNamespace], labels[object.OwnerName]
	return owner
}

func (r *runner) creation(ctx context.Context, s *step) error {
	s.Op = plan.Create
	if r.Rehearse != nil && !r.Rehearse(s.Ref) {
		return nil
	}
	s.rehearsed = true
	if _, err := r.World.Predict(ctx, r.request(s.intent)); err != nil {
		return r.refused(s.Ref, s.After, err)
	}
	return nil
}

func (r *runner) update(ctx context.Context, s *step, policy plan.Policy) error {
	current := s.Before
	s.If = world.Precondition{UID: current.GetUID()}
	if !policy.Merge {
		t, err := plan.TakeoverOf(current, r.Managers)
		if err != nil {
			return fmt.Errorf("take over %s: %w", s.Ref.Key, err)
		}
		s.takeover = t
	}
	s.rehearsed = true
	predicted, err := r.World.Predict(ctx, r.request(s.After))
	if apierrors.IsInvalid(err) && len(s.takeover.Patch) > 0 {
		predicted, err = r.afterTakeover(ctx, s)
	}
	if err != nil {
		if (r.Force || policy.Force) && plan.Replaceable(err) {
			s.Op, s.Why = plan.Replace, "a field that cannot change"
			return nil
		}
		return r.refused(s.Ref, s.After, err)
	}
	s.Fields = plan.Drift(current, predicted, r.Ignore, r.Mask)
	own := plan.EntryID(current.GetManagedFields(), r.Managers.Own)
	switch {
	case len(s.Fields) > 0:
		s.Op = plan.Update
		s.intent = r.Ignore.Intent(s.After, current, predicted, r.Managers.Own)
	case !s.takeover.IsZero(), own != plan.EntryID(predicted.GetManagedFields(), r.Managers.Own) && !policy.Merge && !r.Ignore.Touches(s.After):
		s.Op = plan.TakeOver
		s.intent = r.Ignore.Intent(s.After, current, predicted, r.Managers.Own)
	default:
		s.Op = plan.Unchanged
		r.Live.Note(current)
		s.settled = &Mark{s.desired, current.GetUID(), own}
	}
	return nil
}

// afterTakeover takes over first and predicts again: what others added beside
// our fields (a second port of the same name) makes the two together invalid,
// and only goes once it is ours. It changes who owns fields and no field.
func (r *runner) afterTakeover(ctx context.Context, s *step) (*unstructured.Unstructured, error) {
	if err := r.takeOver(ctx, s, s.takeover); err != nil {
		return nil, err
	}
	s.takeover = plan.Takeover{}
	return r.World.Predict(ctx, r.request(s.After))
}

func (r *runner) request(obj *unstructured.Unstructured) world.Apply {
	return world.Apply{Object: obj, Manager: r.Managers.Own, Force: true}
}

// Contest is an object that two units want. The one that has it keeps it, the
// other leaves it alone.
type Contest struct {
	Key  object.Key
	Unit object.Key // that has it
}

// Why says who has it and what to do.
func (c Contest) Why() string {
	return fmt.Sprintf("%s is managed by %s, which keeps it; remove it from one of the two", c.Key, c.Unit)
}

// refused words what the API said about an object, without its secrets.
func (r *runner) refused(ref object.Ref, obj *unstructured.Unstructured, err error) error {
	text := err.Error()
	if obj != nil {
		text = r.Mask.Text(text, obj)
	}
	return &Refusal{Ref: ref, Text: text, cause: err}
}

// Refusal is one object that the API refused.
type Refusal struct {
	Ref   object.Ref
	Text  string // the API's words, secrets masked
	cause error
}

// Error begins with the object, as Flux words it.
func (e *Refusal) Error() string {
	if e.NoKind() {
		return fmt.Sprintf("%s dry-run failed: no matches for kind %q in version %q; is its CRD installed?", e.Ref.Key, e.Ref.Kind, e.Ref.APIVersion())
	}
	if reason := apierrors.ReasonForError(e.cause); reason != "" {
		return fmt.Sprintf("%s dry-run failed (%s): %s", e.Ref.Key, reason, e.Text)
	}
	return fmt.Sprintf("%s dry-run failed: %s", e.Ref.Key, e.Text)
}

// dryRunFailed stands between an object and what the API said of it.
const dryRunFailed = " dry-run failed"

// RefusedIn reads out of the message of a unit what the API said of each object, by
// the name of its key; see Refusal.Error.
func RefusedIn(message string) map[string]string {
	out, last := map[string]string{}, ""
	for line := range strings.SplitSeq(message, "\n") {
		name, text, found := strings.Cut(line, dryRunFailed)
		switch {
		case found && !strings.Contains(name, " "):
			last = name
			out[name] = strings.TrimPrefix(strings.TrimSpace(text), ": ")
		case last != "":
			out[last] += " " + strings.TrimSpace(line)
		}
	}
	return out
}

// NoKind tells whether the kind is not there at all.
func (e *Refusal) NoKind() bool { return meta.IsNoMatchError(e.cause) }

// Unwrap returns the API's error; its text may hold secrets.
func (e *Refusal) Unwrap() error { return e.cause }

// MissingNamespaces returns the names of the namespaces for whose absence objects
// were refused, each once.
func MissingNamespaces(err error) []string {
	var all *Refused
	if !errors.As(err, &all) {
		return nil
	}
	var out []string
	for _, one := range all.Errs {
		var status apierrors.APIStatus
		if !errors.As(one, &status) || !apierrors.IsNotFound(one) {
			continue
		}
		d := status.Status().Details
		if d != nil && d.Kind == "namespaces" && d.Name != "" && !slices.Contains(out, d.Name) {
			out = append(out, d.Name)
		}
	}
	return out
}

// Refusals returns the objects that the API refused.
func Refusals(err error) []object.Ref {
	var out []object.Ref
	var all *Refused
	if !errors.As(err, &all) {
		return nil
	}
	for _, one := range all.Errs {
		var r *Refusal
		if errors.As(one, &r) {
			out = append(out, r.Ref)
		}
	}
	return out
}
