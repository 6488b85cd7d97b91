package access

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"pgregory.net/rapid"
)

func rule(verbs, groups, resources string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Fields(verbs), APIGroups: split(groups), Resources: strings.Fields(resources)}
}

// split reads groups; "core" is the one without a name.
func split(text string) []string {
	groups := strings.Fields(text)
	for i, g := range groups {
		if g == "core" {
			groups[i] = ""
		}
	}
	return groups
}

func words(rules []rbacv1.PolicyRule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, RuleText(r))
	}
	return out
}

func TestTake(t *testing.T) {
	cases := []struct {
		name   string
		rule   rbacv1.PolicyRule
		bounds Bounds
		want   []string // rules
		left   []string // beginnings
		fails  string
	}{
		{name: "harmless", rule: rule("get list patch", "apps", "deployments statefulsets"), want: []string{"get,list,patch on deployments,statefulsets of apps"}},
		{name: "a wildcard of harmless things", rule: rule("*", "apps batch", "*"), want: []string{
			"get,list,watch,create,update,patch,delete,deletecollection on * of apps", "get,list,watch,create,update,patch,delete,deletecollection on * of batch",
		}},
		{name: "everything", rule: rule("*", "*", "*"), fails: "ClusterRole r, rule 1 (* on * of *): the wildcard covers nodes/proxy, which no grant may hold"},
		{name: "all of core", rule: rule("get", "core", "*"), fails: "the wildcard covers nodes/proxy"},
		{name: "writes of all of core", rule: rule("create", "core", "*"), fails: "the wildcard covers serviceaccounts/token"},
		{name: "one resource of all groups", rule: rule("create", "*", "pods"), fails: "the wildcard covers"},
		{name: "a subresource of all", rule: rule("create", "core", "*/token"), fails: "the wildcard covers serviceaccounts/token"},
		{name: "scale of all", rule: rule("patch", "apps", "*/scale"), want: []string{"patch on */scale of apps"}},
		{name: "impersonate", rule: rule("get impersonate", "core", "serviceaccounts"), want: []string{"get on serviceaccounts of \"\""}, left: []string{"impersonate serviceaccounts"}},
		{name: "impersonate, constrained", rule: rule("get impersonate:user-info", "authentication.k8s.io", "users"), want: []string{"get on users of authentication.k8s.io"}, left: []string{"impersonate:user-info users"}},
		{name: "bind and escalate", rule: rule("get bind escalate", "rbac.authorization.k8s.io", "clusterroles"), want: []string{"get on clusterroles of rbac.authorization.k8s.io"}, left: []string{"bind,escalate clusterroles"}},
		{name: "every verb on roles", rule: rule("*", "rbac.authorization.k8s.io", "*"), want: []string{"get,list,watch on * of rbac.authorization.k8s.io"}, left: []string{"create,update,patch,delete,deletecollection *.rbac"}},
		{name: "tokens", rule: rule("create", "core", "serviceaccounts/token serviceaccounts"), want: []string{"create on serviceaccounts of \"\""}, left: []string{"create serviceaccounts/token"}},
		{name: "certificates", rule: rule("get create approve sign", "certificates.k8s.io", "signers certificatesigningrequests/approval"), want: []string{"get on signers,certificatesigningrequests/approval of certificates.k8s.io"},
			left: []string{"create,approve,sign signers", "create,approve,sign certificatesigningrequests/approval"}},
		{name: "our own kinds", rule: rule("get create", "leat.dev", "accessrequests"), want: []string{"get on accessrequests of leat.dev"}, left: []string{"create accessrequests.leat.dev"}},
		{name: "admission", rule: rule("get delete", "admissionregistration.k8s.io", "validatingadmissionpolicies"), want: []string{"get on validatingadmissionpolicies of admissionregistration.k8s.io"}, left: []string{"delete validatingadmissionpolicies"}},
		{name: "definitions", rule: rule("get delete", "apiextensions.k8s.io", "customresourcedefinitions"), want: []string{"get on customresourcedefinitions of apiextensions.k8s.io"}, left: []string{"delete customresourcedefinitions"}},
		{name: "units", rule: rule("patch create delete", "kustomize.toolkit.fluxcd.io", "kustomizations"), want: []string{"patch on kustomizations of kustomize.toolkit.fluxcd.io"}, left: []string{"create kustomizations", "delete kustomizations"}},
		{name: "nodes", rule: rule("get", "core", "nodes nodes/proxy"), want: []string{"get on nodes of \"\""}, left: []string{"get nodes/proxy"}},
		{name: "exec and secrets", rule: rule("get create", "core", "pods pods/exec secrets"), want: []string{"get,create on pods of \"\"", "create on secrets of \"\""}, left: []string{"get,create pods/exec", "get secrets"}},
		{name: "what answers with a Secret", rule: rule("create update patch delete deletecollection", "core", "secrets"), want: []string{"create,update on secrets of \"\""}, left: []string{"patch,delete,deletecollection secrets"}},
		{name: "exec and secrets, accepted", rule: rule("get create", "core", "pods/exec secrets"), bounds: Bounds{Accept: risks}, want: []string{"get,create on pods/exec,secrets of \"\""}},
		{name: "secrets of all namespaces", rule: rule("get create", "core", "secrets"), bounds: Bounds{Accept: risks, ClusterWide: true}, want: []string{"create on secrets of \"\""}, left: []string{"get secrets"}},
		{name: "verbs with commas", rule: rbacv1.PolicyRule{Verbs: []string{"x,bind", "get,create"}, APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"clusterroles"}},
			want: []string{`"x,bind","get,create" on clusterroles of rbac.authorization.k8s.io`}},
		{name: "what steers a terminal", rule: rule("get", "apps", "deployments\x1b[2K"), want: []string{`get on "deployments\u001b\u005b2K" of apps`}},
		{name: "what steers a terminal, left out", rule: rbacv1.PolicyRule{Verbs: []string{"get", "impersonate\x1b[2K"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}},
			want: []string{"get on deployments of apps"}, left: []string{`"impersonate\u001b\u005b2K" deployments.apps: `}},
		{name: "all but something in a line of its own", rule: rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"*", "x\n  get on pods"}}, fails: `(get on *,"x\u000a  get on pods" of "")`},
		{name: "nothing left", rule: rule("create", "core", "serviceaccounts/token"), fails: "holds nothing that can be granted: create serviceaccounts/token"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Take("ClusterRole r", []rbacv1.PolicyRule{c.rule}, c.bounds)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v %v, want an error with %q", words(got.Rules), err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(words(got.Rules), c.want) {
				t.Errorf("rules: got %q, want %q", words(got.Rules), c.want)
			}
			for _, want := range c.left {
				if !slices.ContainsFunc(got.Left, func(l string) bool { return strings.HasPrefix(l, want) }) {
					t.Errorf("left out: got %q, want %s…", got.Left, want)
				}
			}
			if len(c.left) == 0 && len(got.Left) > 0 {
				t.Errorf("left out: got %q, want nothing", got.Left)
			}
		})
	}
}

func TestRolesAreBounded(t *testing.T) {
	if _, err := Take("r", slices.Repeat([]rbacv1.PolicyRule{rule("get", "apps", "deployments")}, maxRules+1), Bounds{}); err == nil {
		t.Error("too many rules: got no error")
	}
	long := rule("get", "apps", "deployments")
	long.ResourceNames = []string{strings.Repeat("x", maxRuleBytes)}
	if _, err := Take("ClusterRole r", []rbacv1.PolicyRule{long}, Bounds{}); err == nil {
		t.Error("too many bytes: got no error")
	}
}

// allows answers as the authorizer of RBAC does for one rule
// (k8s.io/component-helpers auth/rbac/validation, VerbMatches and others).
func allows(r rbacv1.PolicyRule, verb, group, resource string) bool {
	has := func(list []string, all, one string) bool {
		return slices.Contains(list, all) || slices.Contains(list, one)
	}
	matches := has(r.Resources, "*", resource)
	if _, sub, ok := strings.Cut(resource, "/"); ok && slices.Contains(r.Resources, "*/"+sub) {
		matches = true
	}
	return matches && has(r.Verbs, "*", verb) && has(r.APIGroups, "*", group)
}

// What a grant allows the role allowed, and none of it is dangerous, whatever the
// role was and whatever the wildcards in it.
func TestGrantsAreWithinTheirRoleAndHarmless(t *testing.T) {
	groups := []string{"", "*", "apps", "rbac.authorization.k8s.io", "certificates.k8s.io", Group, "kustomize.toolkit.fluxcd.io", "admissionregistration.k8s.io"}
	resources := []string{"*", "*/token", "*/exec", "*/scale", "pods", "pods/exec", "secrets", "serviceaccounts", "serviceaccounts/token", "clusterroles", "nodes/proxy", "accessrequests", "deployments", "kustomizations"}
	verbs := slices.Concat(everyVerb, special, []string{"*", "impersonate", "approve", "sign", "x,bind", "x,create"})
	rapid.Check(t, func(t *rapid.T) {
		some := func(from []string, label string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, 3, rapid.ID[string]).Draw(t, label)
		}
		role := []rbacv1.PolicyRule{{APIGroups: some(groups, "groups"), Resources: some(resources, "resources"), Verbs: some(verbs, "verbs")}}
		b := Bounds{ClusterWide: rapid.Bool().Draw(t, "wide"), Accept: some(risks, "accept")}
		got, err := Take("r", role, b)
		if err != nil {
			return
		}
		kind := RoleRule{Accept: b.Accept}
		if err := got.within(kind, RequestSpec{ClusterWide: b.ClusterWide}); err != nil {
			t.Fatalf("what was taken of %v is not within its own bounds: %v", words(role), err)
		}
		for _, r := range got.Rules {
			if sets.New(r.Verbs...).HasAny("*", "bind", "escalate", "impersonate") {
				t.Fatalf("%s is granted of %v", RuleText(r), words(role))
			}
			for _, verb := range everyVerb {
				for _, group := range groups[2:] {
					for _, resource := range resources[4:] {
						granted := allows(r, verb, group, resource)
						if granted && !allows(role[0], verb, group, resource) {
							t.Fatalf("%s %s.%s is granted, and not of the role %v", verb, resource, group, words(role))
						}
						for _, d := range dangers {
							if granted && d.hasGroup(group) && d.hasResource(resource) && slices.Contains(d.verbs, verb) && (d.risk == "" || !slices.Contains(b.Accept, d.risk)) {
								t.Fatalf("%s %s.%s is granted of %v", verb, resource, group, words(role))
							}
						}
					}
				}
			}
		}
	})
}
