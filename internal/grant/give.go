package grant

import (
	"context"
	"fmt"
	"reflect"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
)

// give makes a grant: an account of its own with the snapshot's rules, and a token
// that the API server refuses after its end. A run that was cut off before the token
// was handed over is repeated, and gets another token.
func (g *Grantor) give(ctx context.Context, r access.Request) (*access.Held, error) {
	if err := g.guarded(ctx); err != nil {
		return nil, err
	}
	made, err := g.made(r)
	if err != nil {
		return nil, err
	}
	for _, obj := range made {
		if err := g.make(ctx, obj); err != nil {
			return nil, err
		}
	}
	token, err := g.Tokens(ctx, r.Account(), r.Spec.For.Duration)
	if err != nil {
		return nil, fmt.Errorf("ask for a token of %s: %w", r.User(), err)
	}
	sealed, err := access.Seal(token.Text, r.Spec.Key)
	if err != nil {
		return nil, err
	}
	from := token.Until.Add(-r.Spec.For.Duration) // by the API server's clock
	return &access.Held{User: r.User(), From: metav1.NewTime(from), Until: metav1.NewTime(token.Until), Token: sealed}, nil
}

// guarded tells whether everything that holds grants to their bounds is in force.
func (g *Grantor) guarded(ctx context.Context) error {
	for _, want := range access.Guards(g.Namespace) {
		live, err := get(ctx, g.Acting, object.RefOf(want))
		if err != nil {
			return err
		}
		if err := access.InForce(want, live); err != nil {
			return err
		}
	}
	return nil
}

// make creates an object, or finds it as it was made before. What is there under the
// name and says otherwise is not used.
func (g *Grantor) make(ctx context.Context, obj *unstructured.Unstructured) error {
	_, err := g.Acting.Create(ctx, obj, manager)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("create %s: %w", object.KeyOf(obj), err)
		}
		return nil
	}
	live, err := g.Acting.Get(ctx, object.RefOf(obj))
	if err != nil {
		return fmt.Errorf("read %s: %w", object.KeyOf(obj), err)
	}
	for _, field := range []string{"rules", "aggregationRule", "roleRef", "subjects"} {
		if !reflect.DeepEqual(live.Object[field], obj.Object[field]) {
			return fmt.Errorf("create %s: it is there, and its %s are not those of the grant; delete it", object.KeyOf(obj), field)
		}
	}
	return nil
}

// made returns what a grant is made of.
func (g *Grantor) made(r access.Request) ([]*unstructured.Unstructured, error) {
	account := g.object("v1", "ServiceAccount", accountRef(r.Account()).Key, r)
	account.Object["automountServiceAccountToken"] = false
	out := []*unstructured.Unstructured{account}
	for _, part := range r.Parts() {
		content, err := access.Encode(&rbacv1.ClusterRole{Rules: part.Rules})
		if err != nil {
			return nil, err
		}
		role := g.object(rbacVersion, "ClusterRole", object.Key{Name: part.Name}, r)
		role.Object["rules"] = content["rules"]
		out = append(out, role)
		for _, key := range bindings(r, part) {
			b := g.object(rbacVersion, key.Kind, key, r)
			b.Object["roleRef"] = map[string]any{"apiGroup": key.Group, "kind": "ClusterRole", "name": part.Name}
			b.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": access.Namespace, "name": r.Account()}}
			out = append(out, b)
		}
	}
	return out, nil
}

const rbacVersion = "rbac.authorization.k8s.io/v1"

// bindings are those of a part: one for the cluster, or one for each namespace.
func bindings(r access.Request, part access.Part) []object.Key {
	if len(part.Namespaces) == 0 {
		return []object.Key{rbacRef("ClusterRoleBinding", "", r.Account()).Key}
	}
	var out []object.Key
	for _, ns := range part.Namespaces {
		out = append(out, rbacRef("RoleBinding", ns, r.Account()).Key)
	}
	return out
}

// object is one that a grant is made of. Its labels are those of the installation, so
// that it goes when that is taken away.
func (g *Grantor) object(version, kind string, key object.Key, r access.Request) *unstructured.Unstructured {
	meta := map[string]any{
		"name": key.Name,
		"labels": map[string]any{
			install.LabelPartOf: install.PartOf, install.LabelInstance: g.Namespace, install.LabelManagedBy: install.ManagedBy,
		},
		"annotations": map[string]any{"leat.dev/access-request": r.Name},
	}
	if key.Namespace != "" {
		meta["namespace"] = key.Namespace
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": version, "kind": kind, "metadata": meta}}
}
