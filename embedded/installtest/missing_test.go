package installtest

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/install"
)

// missing says, for each rule, the smallest thing that needs it and the words
// that the log has in one line without it.
var missing = map[string]struct {
	objects string
	words   []string
}{
	"flux-objects":  {sources, []string{"forbidden", ":leat", `cannot list resource "gitrepositories"`}},
	"flux-products": {sources + "\n---" + generator, []string{"forbidden", ":leat", `cannot create resource "externalartifacts"`}},
	"references":    {sources + "\n---" + application, []string{"forbidden", ":leat", `cannot get resource "secrets"`}},
	"namespaces":    {sources + "\n---" + nowhere, []string{"forbidden", ":leat", `cannot list resource "namespaces"`}},
	"definitions":   {sources, []string{"forbidden", ":leat", `cannot list resource "customresourcedefinitions"`}},
	"events":        {sources, []string{"event not written", "forbidden", ":leat", `cannot create resource "events"`}},
	"act":           {sources + "\n---" + tenant, []string{"forbidden", ":leat", `cannot impersonate resource "serviceaccounts"`}},
	"leases":        {sources, []string{"forbidden", ":leat", `cannot get resource "leases"`}},
}

// Each rule is taken away once; the controller, run as installed, says by name
// what it may not, and works again when the rule is back.
func TestControllerSaysWhichRuleIsMissing(t *testing.T) {
	s := newStand(t, install.Options{ActAsControllers: true})
	for _, rule := range append(install.ClusterRules(), install.NamespaceRules()...) {
		t.Run(rule.Name, func(t *testing.T) {
			s := s.in(t)
			m, known := missing[rule.Name]
			if !known {
				t.Fatalf("no case takes the rule %s away", rule.Name)
			}
			s.setRoles(rule.Name)
			s.says(s.namespace("without-"+rule.Name), m.objects, m.words...)
			s.setRoles("")
		})
	}
	c := s.start("leat", soon...)
	defer c.stop()
	s.await(kustomizationsGVR, "without-references", "app", ready)
	s.await(kustomizationsGVR, "without-act", "tenant", ready)
	s.await(artifactGenerators, "without-flux-products", "parts", ready)
}

// Without being administrators, neither the process nor whom it acts as may
// apply anything: nothing falls back on other rights.
func TestControllerSaysThatItMayNotApply(t *testing.T) {
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			s := newStand(t, m.options)
			s.must(s.admin.RbacV1().ClusterRoleBindings().Delete(t.Context(), "cluster-reconciler-"+install.DefaultNamespace, metav1.DeleteOptions{}))
			account := ":leat"
			if m.as != "" {
				account = m.as
			}
			ns := s.namespace("without")
			s.create(in(ns, "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: before, namespace: $ns}"))
			s.says(ns, sources+"\n---"+application, "Reconciler error", "forbidden", account, "cannot")
			if _, err := s.admin.CoreV1().ConfigMaps(ns).Get(t.Context(), "a", metav1.GetOptions{}); err == nil {
				t.Error("it was applied all the same")
			}
		})
	}
}

// says runs the controller until its log has the words in a line.
func (s *stand) says(ns, objects string, words ...string) {
	s.Helper()
	c := s.start("leat", soon...)
	defer c.stop()
	s.create(in(ns, objects))
	if err := c.logs.await(bounded(s.T), words...); err != nil {
		s.Fatal(err)
	}
}

// in is the stand of a part of a test.
func (s *stand) in(t *testing.T) *stand {
	part := *s
	part.T = t
	return &part
}

// setRoles gives the process all its rules but one, and returns when the
// authorizer knows.
func (s *stand) setRoles(without string) {
	s.Helper()
	rules := func(all []install.Rule) (out []rbacv1.PolicyRule) {
		for _, rule := range lacking(without, all) {
			out = append(out, rule.PolicyRule)
		}
		return out
	}
	roles, own := s.admin.RbacV1().ClusterRoles(), s.admin.RbacV1().Roles(install.DefaultNamespace)
	wide, err := roles.Get(s.Context(), "crd-controller-"+install.DefaultNamespace, metav1.GetOptions{})
	s.must(err)
	wide.Rules = rules(install.ClusterRules())
	_, err = roles.Update(s.Context(), wide, metav1.UpdateOptions{})
	s.must(err)
	narrow, err := own.Get(s.Context(), "leader-election-"+install.DefaultNamespace, metav1.GetOptions{})
	s.must(err)
	narrow.Rules = rules(install.NamespaceRules())
	_, err = own.Update(s.Context(), narrow, metav1.UpdateOptions{})
	s.must(err)
	r, all := rights{s.T, s.admin}, requests(s.T)
	for _, rule := range slices.Concat(install.ClusterRules(), install.NamespaceRules()) {
		r.await(neededBy(rule, all), rule.Name != without)
	}
}
