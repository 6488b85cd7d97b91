package access

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestKindsOfRoles(t *testing.T) {
	for _, c := range []struct {
		want  string // of the error; empty: fine
		rules []RoleRule
	}{
		{"", []RoleRule{{Name: "a", Kind: Role}, {Name: "b", Kind: ClusterRole}, {Name: "c"}, {Name: "a", Kind: Role}, {Name: "b"}}},
		{`spec.roles[0].kind "role": want ClusterRole or Role`, []RoleRule{{Name: "a", Kind: "role"}}},
		{"spec.roles[1] is a Role, which is of a namespace", []RoleRule{{Name: "a"}, {Name: "b", Kind: Role, ClusterWide: true}}},
		{"spec.roles names a as a ClusterRole and as a Role", []RoleRule{{Name: "a"}, {Name: "a", Kind: Role}}},
	} {
		p := aPolicy()
		p.Spec.Roles = c.rules
		for i := range p.Spec.Roles {
			p.Spec.Roles[i].Maximum = minutes(60)
		}
		if err := p.check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestRolesOfARequest(t *testing.T) {
	r := RequestSpec{Role: "debugger", Namespaces: []string{"shop", "cart"}}
	for _, c := range []struct {
		rule RoleRule
		want []string
	}{
		{RoleRule{Name: "debugger"}, []string{"ClusterRole debugger"}},
		{RoleRule{Name: "debugger", Kind: Role}, []string{"Role debugger of namespace shop", "Role debugger of namespace cart"}},
	} {
		var got []string
		for _, role := range c.rule.Roles(r) {
			got = append(got, role.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A Role is another one in each namespace: each is taken by itself and held where it is.
func TestTakeRoles(t *testing.T) {
	shop, cart := RoleRef{Role, "shop", "debugger"}, RoleRef{Role, "cart", "debugger"}
	pods, jobs := []rbacv1.PolicyRule{rule("get delete", "core", "pods pods/exec")}, []rbacv1.PolicyRule{rule("create", "batch", "jobs")}
	got, err := TakeAll([]RoleRef{shop, cart}, [][]rbacv1.PolicyRule{pods, jobs}, Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) > 0 || len(got.Namespaces) != 2 || !slices.Equal(words(got.Namespaces[0].Rules), []string{`get,delete on pods of ""`}) ||
		!slices.Equal(words(got.Namespaces[1].Rules), []string{"create on jobs of batch"}) || len(got.Namespaces[0].Left) != 1 || len(got.Namespaces[1].Left) != 0 {
		t.Errorf("got %+v", got)
	}
	for _, c := range []struct {
		namespace, group, resource string
		want                       bool
	}{{"shop", "", "pods", true}, {"shop", "batch", "jobs", false}, {"cart", "batch", "jobs", true}, {"cart", "", "pods", false}, {"bank", "", "pods", false}} {
		if could := got.WritableIn(c.namespace, schema.GroupResource{Group: c.group, Resource: c.resource}); could != c.want {
			t.Errorf("%s in %s: got %t", c.resource, c.namespace, could)
		}
	}
	if len(got.Writable()) != 2 {
		t.Errorf("writable: got %v", got.Writable())
	}
	r := Request{Status: Status{Snapshot: &got}}
	r.UID = "1"
	parts := r.Parts()
	if len(parts) != 2 || parts[0].Name != "grant-1-shop" || !slices.Equal(parts[1].Namespaces, []string{"cart"}) || !slices.Equal(words(parts[1].Rules), []string{"create on jobs of batch"}) {
		t.Errorf("parts: got %+v", parts)
	}
	for name, other := range map[string][][]rbacv1.PolicyRule{"exchanged": {jobs, pods}, "more": {pods, pods}} {
		if s, err := TakeAll([]RoleRef{shop, cart}, other, Bounds{}); err != nil || s.Digest == got.Digest {
			t.Errorf("%s: got %v, digest %s", name, err, s.Digest)
		}
	}
	for want, rules := range map[string][]rbacv1.PolicyRule{
		"Role debugger of namespace cart has no rules":                  nil,
		"Role debugger of namespace cart, rule 1 (* on * of *): the wi": {rule("*", "*", "*")},
		"Role debugger of namespace cart holds nothing that can be":     {rule("create", "core", "serviceaccounts/token")},
	} {
		if _, err := TakeAll([]RoleRef{shop, cart}, [][]rbacv1.PolicyRule{pods, rules}, Bounds{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWhatIsLeftIsBounded(t *testing.T) {
	r := rule("get create", "rbac.authorization.k8s.io", "")
	for i := range 3 * maxLeft {
		r.Resources = append(r.Resources, "x"+strings.Repeat("y", i))
	}
	got, err := Take("ClusterRole r", []rbacv1.PolicyRule{r}, Bounds{})
	if err != nil || len(got.Left) != maxLeft+1 || got.Left[maxLeft] != "and 200 more" {
		t.Errorf("got %v, %d left out, the last %q", err, len(got.Left), got.Left[len(got.Left)-1])
	}
}
