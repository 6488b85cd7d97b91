// Package grant does in a cluster what package access decided: it looks at roles,
// makes grants, takes them back, and finds out what was written meanwhile.
//
//	g := &grant.Grantor{Own: w, Acting: w, Tokens: tokens, Metadata: m, Namespace: "flux-system"}
//	rep := g.Converge(ctx, access.Case{Request: r, Decisions: said, Others: all}, time.Now())
//
// Everything it does can be done again: a run that was cut off is simply repeated.
// What ends a grant is not this package but the end that its token bears; this one
// cleans up.
package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/world"
)

// manager is the field manager of what a grant is made of.
const manager = "leat"

// Token is what the API server gave out for a ServiceAccount.
type Token struct {
	Text  string
	Until time.Time
}

// Tokens asks the API server for a token of a ServiceAccount in access.Namespace.
type Tokens func(ctx context.Context, account string, life time.Duration) (Token, error)

// Grantor makes grants and takes them back.
type Grantor struct {
	// Own reads and removes the kinds of access, as the process.
	Own world.World
	// Acting does the rest, as who may give rights away.
	Acting world.World
	Tokens Tokens
	// Metadata lists what may have been written, as Acting.
	Metadata metadata.Interface
	// Namespace is that of the installation.
	Namespace string
}

// Converge brings a request to where it should stand now. Of the case it takes the
// request, what was said about it, and the other requests; the rules it reads.
func (g *Grantor) Converge(ctx context.Context, c access.Case, now time.Time) report.Report {
	r := c.Request
	c.Protected = access.Protected(g.Namespace)
	policy, err := g.policy(ctx, r.Spec.Environment)
	if absent := (absent{}); errors.As(err, &absent) {
		c.NoPolicy = absent
	} else if err != nil {
		return report.Access(r, report.AccessRun{Err: err}, now)
	}
	c.Policy = policy
	return report.Access(r, g.step(ctx, c, now), now)
}

// step decides what follows and does it.
func (g *Grantor) step(ctx context.Context, c access.Case, now time.Time) report.AccessRun {
	r, run := c.Request, report.AccessRun{Step: access.Next(c, now)}
	switch run.Step.Do {
	case access.Nothing:
	case access.Look:
		run.Snapshot, run.Err = g.look(ctx, r, run.Step.Rule)
		if refusal := (refusal{}); errors.As(run.Err, &refusal) {
			run.Err, run.Step.Phase, run.Step.Why = nil, access.Refused, refusal.Error()
		} else if run.Err == nil {
			c.Request.Status.Snapshot = run.Snapshot
			run.Step = access.Seen(run.Step, access.Next(c, now), now)
		}
	case access.Give:
		run.Grant, run.Err = g.give(ctx, r)
	case access.TakeBack:
		run.End, run.Err = g.takeBack(ctx, c, now)
	case access.Forget:
		run.Err = g.forget(ctx, r, c.Decisions)
	}
	return run
}

// absent is why an environment has no policy to go by: a change of it brings the next run.
type absent struct{ error }

// policy reads the policy of an environment.
func (g *Grantor) policy(ctx context.Context, name string) (*access.Policy, error) {
	ref := object.Ref{Key: object.Key{Group: access.Group, Kind: access.PolicyKind, Name: name}, Version: access.Version}
	obj, err := g.Own.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return nil, absent{fmt.Errorf("waits for AccessPolicy %s: there is none of that name", access.Quote(name))}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref.Key, err)
	}
	p, err := access.DecodePolicy(obj)
	if err != nil {
		return nil, absent{err}
	}
	return &p, nil
}

// refusal is an error of the request, which no other attempt mends.
type refusal struct{ error }

// look takes the snapshot of the role that is asked for.
func (g *Grantor) look(ctx context.Context, r access.Request, rule access.RoleRule) (*access.Snapshot, error) {
	if err := g.there(ctx, r.Spec.Namespaces); err != nil {
		return nil, err
	}
	roles := rule.Roles(r.Spec)
	rules := make([][]rbacv1.PolicyRule, len(roles))
	for i, role := range roles {
		var err error
		if rules[i], err = g.rules(ctx, role); err != nil {
			return nil, err
		}
	}
	snapshot, err := access.TakeAll(roles, rules, access.Bounds{Accept: rule.Accept, ClusterWide: r.Spec.ClusterWide})
	if err != nil {
		return nil, refusal{err}
	}
	return &snapshot, nil
}

// there refuses what is asked for in namespaces that do not exist: it would be approved,
// and could not be given.
func (g *Grantor) there(ctx context.Context, namespaces []string) error {
	for _, name := range namespaces {
		obj, err := get(ctx, g.Acting, object.Ref{Key: object.Key{Kind: "Namespace", Name: name}, Version: "v1"})
		if err != nil {
			return err
		}
		if obj == nil {
			return refusal{fmt.Errorf("there is no namespace %s", name)}
		}
	}
	return nil
}

// rules reads those of a role.
func (g *Grantor) rules(ctx context.Context, role access.RoleRef) ([]rbacv1.PolicyRule, error) {
	ref := rbacRef(role.Kind, role.Namespace, role.Name)
	obj, err := g.Acting.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return nil, refusal{fmt.Errorf("there is no %s", role)}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", role, err)
	}
	var has struct {
		Rules []rbacv1.PolicyRule `json:"rules"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &has); err != nil {
		return nil, refusal{fmt.Errorf("read %s: %w", role, err)}
	}
	return has.Rules, nil
}

// forget deletes a request that is long over, with what was said about it, and what a
// controller may have made for it that had lost its lease and did not know.
func (g *Grantor) forget(ctx context.Context, r access.Request, decisions []access.Decision) error {
	if r.Status.Snapshot != nil {
		if err := g.remove(ctx, r); err != nil {
			return err
		}
	}
	if err := g.forgetDecisions(ctx, r, decisions); err != nil {
		return err
	}
	return g.gone(ctx, g.Own, accessRef(access.RequestKind, r.Name))
}

func (g *Grantor) forgetDecisions(ctx context.Context, r access.Request, decisions []access.Decision) error {
	for _, d := range decisions {
		if d.Spec.Request.UID == r.UID {
			if err := g.gone(ctx, g.Own, accessRef(access.DecisionKind, d.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Drop deletes a decision.
func (g *Grantor) Drop(ctx context.Context, decision string) error {
	return g.gone(ctx, g.Own, accessRef(access.DecisionKind, decision))
}

// gone deletes an object that may not be there, or whose kind may not.
func (g *Grantor) gone(ctx context.Context, w world.World, ref object.Ref) error {
	err := w.Delete(ctx, world.Delete{Ref: ref})
	if err == nil || apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", ref.Key, err)
}

func accessRef(kind, name string) object.Ref {
	return object.Ref{Key: object.Key{Group: access.Group, Kind: kind, Name: name}, Version: access.Version}
}

func rbacRef(kind, namespace, name string) object.Ref {
	return object.Ref{Key: object.Key{Group: rbacv1.GroupName, Kind: kind, Namespace: namespace, Name: name}, Version: "v1"}
}

var accountKind = schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}

func accountRef(name string) object.Ref {
	return object.Ref{Key: object.Key{Kind: accountKind.Kind, Namespace: access.Namespace, Name: name}, Version: accountKind.Version}
}

// get returns an object, or nil where there is none.
func get(ctx context.Context, w world.Reader, ref object.Ref) (*unstructured.Unstructured, error) {
	obj, err := w.Get(ctx, ref)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref.Key, err)
	}
	return obj, nil
}
