package access

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds of roles that a policy may name. A ClusterRole is one for all namespaces; a
// Role of the same name is another one in each.
const (
	ClusterRole = "ClusterRole"
	Role        = "Role"
)

// InNamespace is what a grant holds in one namespace, of the Role there.
type InNamespace struct {
	Namespace string              `json:"namespace"`
	Rules     []rbacv1.PolicyRule `json:"rules"`
	Left      []string            `json:"left,omitempty"`
}

// Join makes one snapshot of those that were taken of Roles, each of a namespace. Its
// digest covers what is held where.
func Join(parts []InNamespace) (Snapshot, error) {
	held := slices.Clone(parts)
	for i := range held {
		held[i].Left = nil
	}
	digest, err := digestOf(held)
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{Digest: digest, Namespaces: parts}, nil
}

// digestOf is that of rules; what is too long for an object is an error.
func digestOf(rules any) (string, error) {
	text, err := json.Marshal(rules)
	if err != nil {
		return "", err
	}
	if len(text) > maxRuleBytes {
		return "", fmt.Errorf("rules of %d bytes, more than %d", len(text), maxRuleBytes)
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Part is a ClusterRole that a grant is made of, and where it is bound.
type Part struct {
	Name       string
	Rules      []rbacv1.PolicyRule
	Namespaces []string // none is the whole cluster
}

// Parts are those of a request's grant. What is taken of Roles becomes ClusterRoles, too:
// who may write Roles of a namespace must not write those of grants.
func (r Request) Parts() []Part {
	s := r.Status.Snapshot
	switch {
	case s == nil:
		return []Part{{Name: r.Account(), Namespaces: r.Spec.Namespaces}}
	case len(s.Namespaces) == 0:
		return []Part{{Name: r.Account(), Rules: s.Rules, Namespaces: r.Spec.Namespaces}}
	}
	var out []Part
	for _, in := range s.Namespaces {
		out = append(out, Part{Name: r.Account() + "-" + in.Namespace, Rules: in.Rules, Namespaces: []string{in.Namespace}})
	}
	return out
}

// WritableIn tells whether a grant may write a resource in a namespace.
func (s Snapshot) WritableIn(namespace string, resource schema.GroupResource) bool {
	rules := s.Rules
	for _, in := range s.Namespaces {
		if in.Namespace == namespace {
			rules = in.Rules
		}
	}
	return slices.ContainsFunc(writable(rules), func(w schema.GroupResource) bool {
		return w.Group == resource.Group && (w.Resource == resource.Resource || w.Resource == rbacv1.ResourceAll)
	})
}

// checkRoles tells what is wrong with the kinds of a policy's roles.
func checkRoles(rules []RoleRule) error {
	kinds := map[string]string{}
	for i, r := range rules {
		switch {
		case r.Kind != "" && r.Kind != ClusterRole && r.Kind != Role:
			return fmt.Errorf("spec.roles[%d].kind %q: want %s or %s", i, r.Kind, ClusterRole, Role)
		case r.Kind == Role && r.ClusterWide:
			return fmt.Errorf("spec.roles[%d] is a Role, which is of a namespace: name namespaces in place of clusterWide", i)
		case kinds[r.Name] != "" && kinds[r.Name] != r.kind():
			return fmt.Errorf("spec.roles names %s as a %s and as a %s, and who asks for it names neither: rename one", r.Name, kinds[r.Name], r.kind())
		}
		kinds[r.Name] = r.kind()
	}
	return nil
}

func (rule RoleRule) kind() string {
	if rule.Kind == Role {
		return Role
	}
	return ClusterRole
}

// Roles are what a snapshot is taken of: the ClusterRole, or the Role of each namespace.
func (rule RoleRule) Roles(r RequestSpec) []RoleRef {
	if rule.kind() == ClusterRole {
		return []RoleRef{{Kind: ClusterRole, Name: r.Role}}
	}
	var out []RoleRef
	for _, ns := range r.Namespaces {
		out = append(out, RoleRef{Kind: Role, Namespace: ns, Name: r.Role})
	}
	return out
}

// within tells what of a snapshot a rule does not allow: it may have been changed since
// the role was looked at.
func (s Snapshot) within(rule RoleRule, r RequestSpec) error {
	parts := s.Namespaces
	if len(parts) == 0 {
		parts = []InNamespace{{Rules: s.Rules}}
	}
	if inNamespaces := len(s.Namespaces) > 0; inNamespaces != (rule.kind() == Role) {
		return fmt.Errorf("%s is a %s", rule.Name, rule.kind())
	}
	for _, in := range parts {
		for _, held := range in.Rules {
			now, err := Take(rule.Name, []rbacv1.PolicyRule{held}, Bounds{Accept: rule.Accept, ClusterWide: r.ClusterWide})
			if err != nil {
				return err
			}
			if len(now.Left) > 0 {
				return errors.New(now.Left[0])
			}
		}
	}
	return nil
}

// RoleRef names a role.
type RoleRef struct{ Kind, Namespace, Name string }

func (r RoleRef) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return fmt.Sprintf("%s %s of namespace %s", r.Kind, r.Name, r.Namespace)
}

// TakeAll takes the snapshot of roles; rules are those of each.
func TakeAll(roles []RoleRef, rules [][]rbacv1.PolicyRule, b Bounds) (Snapshot, error) {
	if len(roles) != len(rules) || len(roles) == 0 {
		return Snapshot{}, errors.New("a snapshot is of one role, or of one in each namespace")
	}
	var parts []InNamespace
	for i, role := range roles {
		s, err := Take(role.String(), rules[i], b)
		if err != nil || role.Namespace == "" {
			return s, err
		}
		parts = append(parts, InNamespace{Namespace: role.Namespace, Rules: s.Rules, Left: s.Left})
	}
	return Join(parts)
}
