package grant

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/world"
)

// People do with their own rights what has to do with access.
type People struct{ World world.World }

// Who asks the API server who the user is.
func (p People) Who(ctx context.Context) (access.Person, error) {
	review := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}}
	got, err := p.World.Create(ctx, review, "")
	if err != nil {
		return access.Person{}, fmt.Errorf("ask who you are: %w", err)
	}
	name, _, _ := unstructured.NestedString(got.Object, "status", "userInfo", "username")
	groups, _, _ := unstructured.NestedStringSlice(got.Object, "status", "userInfo", "groups")
	if name == "" {
		return access.Person{}, errors.New("ask who you are: the API server does not say")
	}
	return access.Person{Username: name, Groups: groups}, nil
}

// Policy reads the rules of an environment.
func (p People) Policy(ctx context.Context, environment string) (access.Policy, error) {
	obj, err := p.World.Get(ctx, accessRef(access.PolicyKind, environment))
	if apierrors.IsNotFound(err) {
		return access.Policy{}, fmt.Errorf("there is no AccessPolicy %s in this cluster; there is %s", environment, p.policies(ctx))
	}
	if err != nil {
		return access.Policy{}, explain("read AccessPolicy "+environment, err)
	}
	return access.DecodePolicy(obj)
}

// policies names those that there are.
func (p People) policies(ctx context.Context) string {
	all, err := p.World.List(ctx, kind(access.PolicyKind), world.Selection{})
	if err != nil || len(all) == 0 {
		return "none"
	}
	names := make([]string, len(all))
	for i, obj := range all {
		names[i] = obj.GetName()
	}
	return strings.Join(names, ", ")
}

// Key is what opens the token of a request.
type Key struct {
	Name    string // of the request
	Private string // in base64
	// Until is when the grant is over at the latest, as the policy is now.
	Until time.Time
}

// Ask makes a request; save is given its key before it is made, so that no grant is lost
// for want of it.
func (p People) Ask(ctx context.Context, spec access.RequestSpec, save func(Key) error) (access.Request, error) {
	policy, err := p.Policy(ctx, spec.Environment)
	if err != nil {
		return access.Request{}, err
	}
	who, err := p.Who(ctx)
	if err != nil {
		return access.Request{}, err
	}
	spec.Requester = shown(who, policy.Spec.Requesters)
	if _, err := policy.Allows(spec, nil); err != nil {
		return access.Request{}, err
	}
	if err := p.room(ctx, spec, policy); err != nil {
		return access.Request{}, err
	}
	public, private, err := access.NewKey()
	if err != nil {
		return access.Request{}, err
	}
	spec.Key = public
	name := nameFor(who.Username)
	if err := save(Key{Name: name, Private: private, Until: policy.Latest(spec, time.Now())}); err != nil {
		return access.Request{}, err
	}
	made, err := p.create(ctx, access.RequestKind, name, &spec)
	if err != nil {
		return access.Request{}, err
	}
	return access.DecodeRequest(made)
}

// room tells why a request would be refused for those that its person has already.
func (p People) room(ctx context.Context, spec access.RequestSpec, policy access.Policy) error {
	all, err := p.List(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	c := access.Case{Request: access.Request{Spec: spec}, Policy: &policy}
	c.Request.CreationTimestamp = metav1.NewTime(now)
	for _, r := range all {
		c.Others = append(c.Others, r.Other())
	}
	return c.Room(now)
}

// Get reads a request.
func (p People) Get(ctx context.Context, name string) (access.Request, error) {
	obj, err := p.World.Get(ctx, accessRef(access.RequestKind, name))
	if err != nil {
		return access.Request{}, explain("read AccessRequest "+name, err)
	}
	return access.DecodeRequest(obj)
}

// List reads all requests, the newest first.
func (p People) List(ctx context.Context) ([]access.Request, error) {
	objs, err := p.World.List(ctx, kind(access.RequestKind), world.Selection{})
	if err != nil {
		return nil, explain("list AccessRequests", err)
	}
	var out []access.Request
	for _, obj := range objs {
		r, err := access.DecodeRequest(obj)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b access.Request) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	return out, nil
}

// Decisions reads what was said about a request.
func (p People) Decisions(ctx context.Context, r access.Request) ([]access.Decision, error) {
	objs, err := p.World.List(ctx, kind(access.DecisionKind), world.Selection{})
	if err != nil {
		return nil, explain("list AccessDecisions", err)
	}
	var out []access.Decision
	for _, obj := range objs {
		d, err := access.DecodeDecision(obj)
		if err != nil {
			return nil, err
		}
		if d.Spec.Request.UID == r.UID {
			out = append(out, d)
		}
	}
	return out, nil
}

// Decide says a word about a request.
func (p People) Decide(ctx context.Context, r access.Request, verdict access.Verdict, reason string) (access.Decision, error) {
	if err := decidable(r, verdict); err != nil {
		return access.Decision{}, err
	}
	who, err := p.Who(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	spec := access.DecisionSpec{
		Request: access.RequestRef{Name: r.Name, UID: r.UID, Requester: r.Spec.Requester.Username},
		By:      access.Person{Username: who.Username}, Verdict: verdict, Reason: reason,
	}
	if verdict == access.Approve {
		spec.Request.Digest = r.Status.Snapshot.Digest
	}
	if who.Username != r.Spec.Requester.Username {
		policy, err := p.Policy(ctx, r.Spec.Environment)
		if err != nil {
			return access.Decision{}, err
		}
		spec.By = shown(who, policy.Spec.Approvers)
		if !policy.Decides(spec.By, r.Spec.Requester) {
			return access.Decision{}, fmt.Errorf("AccessPolicy %s does not let %s decide about this request; it lets %s", policy.Name, access.Quote(who.Username), policy.Spec.Approvers)
		}
	} else if verdict != access.Stop {
		return access.Decision{}, errors.New("nobody decides about their own request; ask somebody else")
	}
	made, err := p.create(ctx, access.DecisionKind, nameFor(r.Name), &spec)
	if err != nil {
		return access.Decision{}, err
	}
	return access.DecodeDecision(made)
}

// decidable tells whether a verdict still means something.
func decidable(r access.Request, verdict access.Verdict) error {
	switch phase := r.Status.Phase; {
	case phase.Over():
		return fmt.Errorf("%s is over (%s): %s; a new request is needed", r.Name, phase, r.Why())
	case verdict == access.Stop:
		return nil
	case phase == access.Active:
		return fmt.Errorf("%s was granted already: %s; leat access end takes it back", r.Name, r.Why())
	case r.Status.Snapshot == nil:
		return fmt.Errorf("the controller has not looked at %s yet, so that it is not known what would be approved; is leat controller --access running? %s", r.Name, r.Why())
	}
	return nil
}

// Propose notes at a request what became of what was written with it.
func (p People) Propose(ctx context.Context, r access.Request, what string) error {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": r.UID, "annotations": map[string]any{access.Proposed: what}}})
	if err != nil {
		return err
	}
	_, err = p.World.Patch(ctx, world.Patch{Ref: accessRef(access.RequestKind, r.Name), Type: types.MergePatchType, Data: data, Manager: "leat-access"})
	if apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
		return fmt.Errorf("note the proposal at AccessRequest %s: %w; you need the ClusterRole leat-access-proposer", r.Name, err)
	}
	if err != nil {
		return fmt.Errorf("note the proposal at AccessRequest %s: %w", r.Name, err)
	}
	return nil
}

func (p People) create(ctx context.Context, of, name string, spec any) (*unstructured.Unstructured, error) {
	content, err := access.Encode(spec)
	if err != nil {
		return nil, err
	}
	made, err := p.World.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": access.Group + "/" + access.Version, "kind": of, "metadata": map[string]any{"name": name}, "spec": content,
	}}, "leat-access")
	if err != nil {
		return nil, explain("make "+of, err)
	}
	return made, nil
}

// shown are a person's groups that the rules know: nobody needs to see the others.
func shown(who access.Person, rules access.People) access.Person {
	out := access.Person{Username: who.Username}
	for _, g := range who.Groups {
		if slices.Contains(rules.Groups, g) {
			out.Groups = append(out.Groups, g)
		}
	}
	return out
}

// explain says what to do about an error.
func explain(doing string, err error) error {
	switch {
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%s: this cluster does not know temporary access; an administrator runs leat install --access (docs/access.md)", doing)
	case apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "ValidatingAdmissionPolicy"):
		return fmt.Errorf("%s: %w; you need the ClusterRole leat-access-requester or leat-access-approver", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func kind(name string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: access.Group, Version: access.Version, Kind: name}
}

// Bounds of a name: what is taken of another one, and random bytes.
const (
	nameBase   = 40
	nameRandom = 3
)

// nameFor makes a new name that begins as another one.
func nameFor(base string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, base)
	clean = strings.Trim(clean[:min(len(clean), nameBase)], "-")
	var tail [nameRandom]byte
	_, _ = rand.Read(tail[:]) // it never fails (crypto/rand)
	return strings.TrimPrefix(clean+"-"+hex.EncodeToString(tail[:]), "-")
}
