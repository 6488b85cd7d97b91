package install

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// request is a line of testdata/requests.txt or accessrequests.txt.
type request struct{ verb, group, resource string }

func (r request) String() string { return r.verb + " " + r.resource + "." + r.group }

func requests(t *testing.T) []request {
	t.Helper()
	return append(requestsOf(t, "testdata/requests.txt"), requestsOf(t, "testdata/accessrequests.txt")...)
}

func requestsOf(t *testing.T, file string) []request {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []request
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) < 3 {
			t.Fatalf("%q: want verb, resource and when", s.Text())
		}
		name, sub, _ := strings.Cut(words[1], "/")
		resource, group, _ := strings.Cut(name, ".")
		if sub != "" {
			resource += "/" + sub
		}
		out = append(out, request{words[0], group, resource})
	}
	return out
}

func allows(p rbacv1.PolicyRule, r request) bool {
	return slices.Contains(p.Verbs, r.verb) && slices.Contains(p.APIGroups, r.group) &&
		(slices.Contains(p.Resources, r.resource) || slices.Contains(p.Resources, "*"))
}

func allRules() []Rule { return slices.Concat(ClusterRules(), AccessRules(), NamespaceRules()) }

func TestEveryRequestIsAllowedByOneRule(t *testing.T) {
	for _, r := range requests(t) {
		var by []string
		for _, rule := range allRules() {
			if allows(rule.PolicyRule, r) {
				by = append(by, rule.Name)
			}
		}
		if len(by) != 1 {
			t.Errorf("%s: allowed by %v, want one rule", r, by)
		}
	}
}

// Each verb on each resource of each rule is taken away once: some request must
// miss it.
func TestEveryRightIsUsed(t *testing.T) {
	all := requests(t)
	for _, rule := range allRules() {
		for _, verb := range rule.Verbs {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					one := rbacv1.PolicyRule{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}}
					if !slices.ContainsFunc(all, func(r request) bool { return used(one, r) }) {
						t.Errorf("rule %s: nothing asks to %s %s.%s", rule.Name, verb, resource, group)
					}
				}
			}
		}
	}
}

// used tells whether r needs the right. For the Flux groups, what one kind of
// the source group needs all kinds do.
func used(p rbacv1.PolicyRule, r request) bool {
	if slices.Equal(p.Resources, []string{"*"}) {
		return slices.Contains(fluxGroups, r.group) && slices.Contains(p.Verbs, r.verb)
	}
	return allows(p, r)
}

func TestEveryRuleSaysWhy(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range allRules() {
		if rule.Name == "" || seen[rule.Name] {
			t.Errorf("rule name %q: empty or twice", rule.Name)
		}
		seen[rule.Name] = true
		if len(rule.Why) < 20 || !strings.HasSuffix(rule.Why, ".") {
			t.Errorf("rule %s: why: got %q, want a sentence", rule.Name, rule.Why)
		}
		if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.APIGroups, "*") {
			t.Errorf("rule %s has a wildcard", rule.Name)
		}
	}
}
