package finding

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/words"
)

var rbacRules = []Rule{
	{
		Name: "rbac-cluster-admin", Severity: Danger,
		Doc:  "A subject is bound to cluster-admin: it may do everything, and read every Secret. Bind a role that names what is needed.",
		each: perObject(clusterAdmin),
	},
	{
		Name: "rbac-everybody", Severity: Danger,
		Doc:  "A role is bound to everybody: to all users, to those without a login, or to all ServiceAccounts.",
		each: perObject(everybody),
	},
	{
		Name: "rbac-escalation", Severity: Danger,
		Doc: "A role may give itself more rights: by the verbs escalate, bind or impersonate, by making tokens of ServiceAccounts, or through the kubelet. Who has it has " +
			"everything.",
		each: perObject(escalation),
	},
	{
		Name: "rbac-wildcard", Severity: Warning,
		Doc:  "A role has * for verbs, resources or groups: it grows with every kind that is installed. All three together are cluster-admin by another name, a danger.",
		each: perObject(wildcard),
	},
	{
		Name: "rbac-growth", Severity: Warning,
		Doc:   "A role may do more than before, or a binding has more subjects. What comes with a new role or binding is a note.",
		Check: perChange(growth),
	},
}

const rbacGroup = "rbac.authorization.k8s.io/"

func isRole(o *fleet.Object) bool {
	return is(o.Ref, rbacGroup+"Role") || is(o.Ref, rbacGroup+"ClusterRole")
}

func isBinding(o *fleet.Object) bool {
	return is(o.Ref, rbacGroup+"RoleBinding") || is(o.Ref, rbacGroup+"ClusterRoleBinding")
}

// subjects returns those of a binding: «ServiceAccount apps/web».
func subjects(u *unstructured.Unstructured) []string {
	var out []string
	for _, item := range listAt(u, "subjects") {
		m := asMap(item)
		kind, _ := m["kind"].(string)
		name, _ := m["name"].(string)
		if ns, _ := m["namespace"].(string); ns != "" {
			name = ns + "/" + name
		}
		out = append(out, kind+" "+name)
	}
	return out
}

func roleOf(u *unstructured.Unstructured) string {
	return textAt(u, "roleRef", "kind") + "/" + textAt(u, "roleRef", "name")
}

func clusterAdmin(o *fleet.Object) []Finding {
	if !isBinding(o) || roleOf(o.Value) != "ClusterRole/cluster-admin" {
		return nil
	}
	var out []Finding
	for _, s := range subjects(o.Value) {
		out = append(out, foundAt("/roleRef", "%s becomes cluster-admin%s", s, scope(o))...)
	}
	return out
}

// scope says how far a binding reaches.
func scope(o *fleet.Object) string {
	if o.Ref.Namespace == "" {
		return ""
	}
	return " in the namespace " + o.Ref.Namespace
}

var everybodys = []string{"Group system:authenticated", "Group system:unauthenticated", "Group system:serviceaccounts", "User system:anonymous"}

func everybody(o *fleet.Object) []Finding {
	if !isBinding(o) {
		return nil
	}
	var out []Finding
	for i, s := range subjects(o.Value) {
		if slices.Contains(everybodys, s) {
			out = append(out, foundAt(fmt.Sprintf("/subjects/%d", i), "%s is bound to %s%s", roleOf(o.Value), s, scope(o))...)
		}
	}
	return out
}

// grants are ways to more rights: a verb on a resource.
var grants = []struct{ group, resource, verb, how string }{
	{"rbac.authorization.k8s.io", "clusterroles", "escalate", "escalate: change roles beyond its own rights"},
	{"rbac.authorization.k8s.io", "roles", "escalate", "escalate: change roles beyond its own rights"},
	{"rbac.authorization.k8s.io", "clusterroles", "bind", "bind: give away roles that it does not have"},
	{"rbac.authorization.k8s.io", "roles", "bind", "bind: give away roles that it does not have"},
	{"", "users", "impersonate", "impersonate: act as others"},
	{"", "groups", "impersonate", "impersonate: act as others"},
	{"", "serviceaccounts", "impersonate", "impersonate: act as others"},
	{"", "serviceaccounts/token", "create", "create serviceaccounts/token: act as any ServiceAccount"},
	{"", "nodes/proxy", "create", "nodes/proxy: run commands in every pod"},
}

// escalation looks for verbs that are named; what a wildcard brings along is told
// of by its own rule.
func escalation(o *fleet.Object) []Finding {
	if !isRole(o) {
		return nil
	}
	var out []Finding
	for i, item := range listAt(o.Value, "rules") {
		rule, told := asMap(item), map[string]bool{}
		for _, g := range grants {
			if told[g.how] || !slices.Contains(texts(rule["verbs"]), g.verb) || !covers(rule, permission{g.group, g.resource, g.verb, ""}) {
				continue
			}
			told[g.how] = true
			out = append(out, foundAt(fmt.Sprintf("/rules/%d", i), "it may %s", g.how)...)
		}
	}
	return out
}

func wildcard(o *fleet.Object) []Finding {
	if !isRole(o) {
		return nil
	}
	var out []Finding
	for i, item := range listAt(o.Value, "rules") {
		rule := asMap(item)
		var all []string
		for _, field := range []string{"apiGroups", "resources", "verbs"} {
			if slices.Contains(texts(rule[field]), "*") {
				all = append(all, field)
			}
		}
		if len(all) == 0 {
			continue
		}
		f := foundAt(fmt.Sprintf("/rules/%d", i), "* for %s: %s", strings.Join(all, " and "), ruleText(rule))[0]
		if len(all) == 3 {
			f = f.as(Danger)
		}
		out = append(out, f)
	}
	return out
}

func ruleText(rule map[string]any) string {
	what := texts(rule["resources"])
	if len(what) == 0 {
		what = texts(rule["nonResourceURLs"])
	}
	return words.Some(texts(rule["verbs"])) + " " + words.Some(what)
}

// permission is one thing that a role may do.
type permission struct{ group, resource, verb, name string }

func (p permission) String() string {
	text := p.verb + " " + p.resource
	if p.group != "" {
		text += "." + p.group
	}
	if p.name != "" {
		text += "/" + p.name
	}
	return text
}

// permissions are all that a role may do, one by one.
func permissions(u *unstructured.Unstructured) []permission {
	var out []permission
	for _, item := range listAt(u, "rules") {
		rule := asMap(item)
		names := texts(rule["resourceNames"])
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range texts(rule["verbs"]) {
			for _, group := range texts(rule["apiGroups"]) {
				for _, resource := range texts(rule["resources"]) {
					for _, name := range names {
						out = append(out, permission{group, resource, verb, name})
					}
				}
			}
			for _, url := range texts(rule["nonResourceURLs"]) {
				out = append(out, permission{"", url, verb, ""})
			}
		}
	}
	return out
}

// covers tells whether a rule allows something.
func covers(rule map[string]any, p permission) bool {
	has := func(field, value string) bool {
		list := texts(rule[field])
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	if strings.HasPrefix(p.resource, "/") {
		return has("verbs", p.verb) && has("nonResourceURLs", p.resource)
	}
	names := texts(rule["resourceNames"])
	return has("verbs", p.verb) && has("apiGroups", p.group) && has("resources", p.resource) &&
		(len(names) == 0 || p.name != "" && slices.Contains(names, p.name))
}

func growth(o *change.Object) []Finding {
	at := &fleet.Object{Ref: o.Ref, Value: o.After}
	switch {
	case o.After == nil || o.Op == change.Orphan:
		return nil
	case isRole(at):
		return roleGrowth(o)
	case isBinding(at):
		return bindingGrowth(o)
	}
	return nil
}

func roleGrowth(o *change.Object) []Finding {
	before := listAt(o.Before, "rules")
	var more []string
	for _, p := range permissions(o.After) {
		if !slices.ContainsFunc(before, func(rule any) bool { return covers(asMap(rule), p) }) {
			more = append(more, p.String())
		}
	}
	slices.Sort(more)
	more = slices.Compact(more)
	switch {
	case len(more) == 0:
		return nil
	case o.Before == nil:
		return []Finding{found("a new role may %s", words.Some(more))[0].as(Info)}
	}
	return foundAt("/rules", "it may now %s", words.Some(more))
}

func bindingGrowth(o *change.Object) []Finding {
	before := subjects(o.Before)
	var more []string
	for _, s := range subjects(o.After) {
		if roleOf(o.Before) != roleOf(o.After) || !slices.Contains(before, s) {
			more = append(more, s)
		}
	}
	switch {
	case len(more) == 0:
		return nil
	case o.Before == nil:
		return []Finding{found("%s gets %s", words.Some(more), roleOf(o.After))[0].as(Info)}
	}
	return foundAt("/subjects", "%s gets %s", words.Some(more), roleOf(o.After))
}
