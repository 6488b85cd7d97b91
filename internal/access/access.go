// Package access decides about temporary rights in a cluster: who may ask for
// which role and for how long, who may approve it, what a grant holds, when it
// ends, and what was written meanwhile.
//
//	snapshot, err := access.Take("ClusterRole edit", role.Rules, access.Bounds{})
//	step := access.Next(access.Case{Request: r, Policy: p, Decisions: ds}, now)
//	step.Do // access.Grant: package grant does it
//
// The kinds are AccessRequest, AccessDecision and AccessPolicy of leat.dev/v1alpha1,
// all of cluster scope. Nobody's word counts for who they are: the admission policies
// among the Manifests hold every object to the user of the request that made it, in
// the API server, whether or not anything of Leat runs. docs/design/0007-access.md
// says what is defended and how.
//
// It is pure: it must never read a cluster or a clock.
package access

import (
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// The kinds.
const (
	Group        = "leat.dev"
	Version      = "v1alpha1"
	RequestKind  = "AccessRequest"
	DecisionKind = "AccessDecision"
	PolicyKind   = "AccessPolicy"
)

// Namespace is where the ServiceAccounts of grants live, and nothing else.
const Namespace = "leat-access"

// HoldersGroup is the group that every holder of a grant is in, and nobody else.
const HoldersGroup = "system:serviceaccounts:" + Namespace

// Finalizer keeps a request until its grant is taken away.
const Finalizer = "leat.dev/access"

// Proposed is the annotation of a request that says what became of what was written
// with it: the address of a pull request, the branch, or NothingToPropose.
const (
	Proposed         = "leat.dev/proposed"
	NothingToPropose = "nothing to propose"
)

// MinFor is the shortest grant: the API server makes no token for less
// (k8s.io/kubernetes pkg/apis/authentication/validation, v1.36).
const MinFor = 10 * time.Minute

// Person is a user as the API server knew them when they wrote. Groups are those
// that they showed, not all they have.
type Person struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups,omitempty"`
}

// Request is an AccessRequest.
type Request struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              RequestSpec `json:"spec"`
	Status            Status      `json:"status"`
}

// RequestSpec is what somebody asks for. It never changes.
type RequestSpec struct {
	Requester   Person `json:"requester"`
	Environment string `json:"environment"` // name of the AccessPolicy
	Role        string `json:"role"`        // a ClusterRole, or a Role of the namespaces, as the policy says
	// Namespaces are those in which the role is asked for; none with ClusterWide.
	Namespaces  []string        `json:"namespaces,omitempty"`
	ClusterWide bool            `json:"clusterWide,omitempty"`
	For         metav1.Duration `json:"for"`
	Reason      string          `json:"reason"`
	// Key is the requester's public key that the token is sealed to, in base64.
	Key string `json:"key"`
}

// Phase is how far a request is.
type Phase string

// The phases. All but Pending and Active are ends.
const (
	Pending Phase = "Pending" // waits for approval
	Active  Phase = "Active"  // the grant holds
	Ended   Phase = "Ended"   // the grant held, and is over
	Denied  Phase = "Denied"  // somebody who may said no, or the requester withdrew
	Expired Phase = "Expired" // nobody answered in time
	Refused Phase = "Refused" // the policy does not allow it, or the role cannot be granted
)

// Over tells whether nothing will change any more.
func (p Phase) Over() bool { return p != "" && p != Pending && p != Active }

// Spent tells whether the key of a request opens nothing any more: it is over, or the time
// of its grant is.
func (r Request) Spent(now time.Time) bool {
	return r.Status.Phase.Over() || r.Status.Grant != nil && !now.Before(r.Status.Grant.Until.Time)
}

// Status is what became of a request.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Phase              Phase              `json:"phase,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	// Snapshot is what the grant will hold or holds: what the role allowed when the
	// request was seen.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	// ApprovedBy are those whose approval counted.
	ApprovedBy []string `json:"approvedBy,omitempty"`
	Grant      *Held    `json:"grant,omitempty"`
	End        *End     `json:"end,omitempty"`
}

// Held is a grant.
type Held struct {
	// User is who the holder is to the API server, and in its audit log.
	User  string      `json:"user"`
	From  metav1.Time `json:"from"`
	Until metav1.Time `json:"until"` // as the token says
	// Token is sealed to the requester's key, in base64; gone when the grant is over.
	Token string `json:"token,omitempty"`
}

// End is how a request ended.
type End struct {
	At metav1.Time `json:"at"`
	By string      `json:"by,omitempty"` // who ended it; empty: time
	// TooMany tells that it was refused because its person had too many.
	TooMany bool `json:"tooMany,omitempty"`
	// Writes are what was written while the grant held, as far as can be told.
	Writes []Write `json:"writes,omitempty"`
	// More is how many writes did not fit.
	More int `json:"more,omitempty"`
	// Unread are kinds that could not be looked through, with the cause.
	Unread []string `json:"unread,omitempty"`
	// Propose tells that what was written is to be proposed as a change of the fleet.
	Propose bool `json:"propose,omitempty"`
	// Reverted are the units that were asked to put their objects back.
	Reverted []string `json:"reverted,omitempty"`
}

// Verdict is what a decision says.
type Verdict string

// The verdicts. Stop ends a grant, or withdraws a request.
const (
	Approve Verdict = "Approve"
	Deny    Verdict = "Deny"
	Stop    Verdict = "End"
)

// Decision is an AccessDecision: one person's word on one request.
type Decision struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              DecisionSpec `json:"spec"`
}

// DecisionSpec is what was decided. It never changes.
type DecisionSpec struct {
	Request RequestRef `json:"request"`
	By      Person     `json:"by"`
	Verdict Verdict    `json:"verdict"`
	Reason  string     `json:"reason,omitempty"`
}

// RequestRef says what a decision is about, so exactly that it fits nothing else.
type RequestRef struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
	// Requester is who asks: the admission policy compares it with who decides.
	Requester string `json:"requester"`
	// Digest is that of the snapshot that was looked at; of an approval only.
	Digest string `json:"digest,omitempty"`
}

// DecodeRequest reads an AccessRequest.
func DecodeRequest(u *unstructured.Unstructured) (Request, error) {
	var r Request
	err := decode(u, &r)
	r.ManagedFields = nil
	return r, err
}

// DecodeDecision reads an AccessDecision.
func DecodeDecision(u *unstructured.Unstructured) (Decision, error) {
	var d Decision
	err := decode(u, &d)
	d.ManagedFields = nil
	return d, err
}

func decode(u *unstructured.Unstructured, out any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out); err != nil {
		return fmt.Errorf("read %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

// Encode returns a value as the fields of an object.
func Encode(v any) (map[string]any, error) {
	return runtime.DefaultUnstructuredConverter.ToUnstructured(v)
}

// Why says in words where a request stands.
func (r Request) Why() string {
	for _, c := range r.Status.Conditions {
		if c.Type == "Granted" {
			return c.Message
		}
	}
	return "nobody has looked at it yet"
}

// Account is the name of the ServiceAccount, ClusterRole and bindings of a
// request's grant. It is made of the uid, so that no later request has it again.
func (r Request) Account() string { return "grant-" + string(r.UID) }

// User is who the holder of a request's grant is to the API server.
func (r Request) User() string { return "system:serviceaccount:" + Namespace + ":" + r.Account() }

// Snapshot is what a grant holds: the rules of a role at one moment, without those
// that would let their holder prolong or copy it.
type Snapshot struct {
	Digest string `json:"digest"`
	// Rules are those of a ClusterRole; they hold wherever the grant does.
	Rules []rbacv1.PolicyRule `json:"rules,omitempty"`
	// Left are the rights of the role that the grant does not have, with the reason.
	Left []string `json:"left,omitempty"`
	// Namespaces have the rules of Roles in place of Rules.
	Namespaces []InNamespace `json:"namespaces,omitempty"`
}
