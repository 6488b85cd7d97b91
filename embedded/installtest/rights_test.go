package installtest

import (
	"bufio"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/install"
)

const requestsFile = "../../internal/install/testdata/requests.txt"

// requests reads what the process asks of the API server.
func requests(t *testing.T) []authorizationv1.ResourceAttributes {
	t.Helper()
	f, err := os.Open(requestsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []authorizationv1.ResourceAttributes
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) < 2 || words[0] == "#" {
			continue
		}
		name, sub, _ := strings.Cut(words[1], "/")
		resource, group, _ := strings.Cut(name, ".")
		out = append(out, authorizationv1.ResourceAttributes{
			Verb: words[0], Group: group, Resource: resource, Subresource: sub, Namespace: install.DefaultNamespace,
		})
	}
	return out
}

// rights asks the API server's authorizer what the ServiceAccount leat may do.
type rights struct {
	t      *testing.T
	client kubernetes.Interface
}

func (r rights) allowed(a authorizationv1.ResourceAttributes) bool {
	r.t.Helper()
	return r.allows("leat", a)
}

// allows asks for another ServiceAccount of the installation.
func (r rights) allows(account string, a authorizationv1.ResourceAttributes) bool {
	r.t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   "system:serviceaccount:" + install.DefaultNamespace + ":" + account,
		Groups: []string{"system:serviceaccounts", "system:authenticated"}, ResourceAttributes: &a,
	}}
	got, err := r.client.AuthorizationV1().SubjectAccessReviews().Create(r.t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return got.Status.Allowed
}

// await asks until the authorizer, which follows RBAC objects by a watch, says
// what is wanted.
func (r rights) await(a authorizationv1.ResourceAttributes, want bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), within)
	defer cancel()
	for r.allowed(a) != want {
		if ctx.Err() != nil {
			r.t.Fatalf("%s %s: allowed: want %t", a.Verb, a.Resource, want)
		}
	}
}

// A process that acts as the controllers has the rules and nothing else. With
// them every request is allowed. Each rule is
// taken away once: then one is refused.
func TestEachRuleIsNeeded(t *testing.T) {
	c := kubetest.Start(t, kubetest.APIOnly)
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	r, all := rights{t, client}, requests(t)
	if err := install.Apply(bounded(t), connect(t, c), render(t, install.Options{ActAsControllers: true}), nil); err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		r.await(a, true)
	}
	for _, rule := range install.ClusterRules() {
		t.Run(rule.Name, func(t *testing.T) {
			r := rights{t, client}
			a := neededBy(rule, all)
			r.setRules(lacking(rule.Name, install.ClusterRules()))
			r.await(a, false)
			r.setRules(install.ClusterRules())
			r.await(a, true)
		})
	}
	if r.allowed(authorizationv1.ResourceAttributes{Verb: "create", Group: "apps", Resource: "deployments", Namespace: "default"}) {
		t.Error("the process itself may create Deployments: it should only as a ServiceAccount")
	}
	if r.allowed(authorizationv1.ResourceAttributes{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: "kube-system"}) {
		t.Error("the process may take leases of others")
	}
}

func (r rights) setRules(rules []install.Rule) {
	r.t.Helper()
	roles := r.client.RbacV1().ClusterRoles()
	role, err := roles.Get(r.t.Context(), "crd-controller-"+install.DefaultNamespace, metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	role.Rules = nil
	for _, rule := range rules {
		role.Rules = append(role.Rules, rule.PolicyRule)
	}
	if _, err := roles.Update(r.t.Context(), role, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func lacking(name string, rules []install.Rule) []install.Rule {
	var out []install.Rule
	for _, rule := range rules {
		if rule.Name != name {
			out = append(out, rule)
		}
	}
	return out
}

// neededBy returns a request that only the rule allows.
func neededBy(rule install.Rule, all []authorizationv1.ResourceAttributes) authorizationv1.ResourceAttributes {
	for _, a := range all {
		if has(rule.PolicyRule, a) {
			return a
		}
	}
	return authorizationv1.ResourceAttributes{}
}

func has(p rbacv1.PolicyRule, a authorizationv1.ResourceAttributes) bool {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return slices.Contains(p.Verbs, a.Verb) && slices.Contains(p.APIGroups, a.Group) && (slices.Contains(p.Resources, resource) || slices.Contains(p.Resources, "*"))
}
