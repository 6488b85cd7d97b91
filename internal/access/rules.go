package access

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Bounds of a role that can be granted: rules, and bytes of their JSON; and how many
// rights are told that it does not have.
const (
	maxRules     = 512
	maxRuleBytes = 128 << 10
	maxLeft      = 100
)

// Bounds are what a grant is taken for.
type Bounds struct {
	// Accept are the risks that the policy accepts.
	Accept []string
	// ClusterWide grants hold in all namespaces. Secrets are never read there:
	// those of the engine and of other grants would be among them.
	ClusterWide bool
}

func (b Bounds) accepts(d danger) bool {
	return d.risk != "" && slices.Contains(b.Accept, d.risk) && !(d.risk == RiskSecrets && b.ClusterWide)
}

// Take returns what a grant of a role ("ClusterRole edit") may hold. What is dangerous and named is left
// out; a wildcard that covers it is an error, because what else it covers cannot be
// listed here.
func Take(role string, rules []rbacv1.PolicyRule, b Bounds) (Snapshot, error) {
	if len(rules) > maxRules {
		return Snapshot{}, fmt.Errorf("%s has %d rules, more than %d", role, len(rules), maxRules)
	}
	t := taking{Bounds: b, told: map[string]bool{}}
	for i, rule := range rules {
		if err := t.take(rule); err != nil {
			return Snapshot{}, fmt.Errorf("%s, rule %d (%s): %w", role, i+1, RuleText(rule), err)
		}
	}
	if len(rules) == 0 {
		return Snapshot{}, fmt.Errorf("%s has no rules", role)
	}
	if len(t.rules) == 0 {
		return Snapshot{}, fmt.Errorf("%s holds nothing that can be granted: %s", role, strings.Join(t.left, "; "))
	}
	digest, err := digestOf(t.rules)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%s has %w", role, err)
	}
	if more := len(t.left) - maxLeft; more > 0 {
		t.left = append(t.left[:maxLeft], fmt.Sprintf("and %d more", more))
	}
	return Snapshot{Digest: digest, Rules: t.rules, Left: t.left}, nil
}

type taking struct {
	Bounds
	rules []rbacv1.PolicyRule
	left  []string
	told  map[string]bool // of left
}

// part is a rule's right to one resource.
type part struct{ group, resource string }

func (t *taking) take(rule rbacv1.PolicyRule) error {
	if len(rule.NonResourceURLs) > 0 {
		if t.ClusterWide { // they mean nothing in a namespace
			t.rules = append(t.rules, rule)
		}
		return nil
	}
	kept := map[string]*held{} // by verbs
	var order []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			verbs, err := t.verbs(rule, part{group, resource})
			if err != nil {
				return err
			}
			id := fmt.Sprintf("%q", verbs) // a verb may hold whatever a role says, commas too
			if len(verbs) == 0 {
				continue
			}
			if kept[id] == nil {
				kept[id] = &held{verbs: verbs}
				order = append(order, id)
			}
			kept[id].parts = append(kept[id].parts, part{group, resource})
		}
	}
	for _, id := range order {
		t.keep(rule, *kept[id])
	}
	return nil
}

// held are the parts of a rule of which the same verbs are left.
type held struct {
	verbs []string
	parts []part
}

// keep adds what is left of a rule, a rule per group.
func (t *taking) keep(rule rbacv1.PolicyRule, of held) {
	var groups []string
	byGroup := map[string][]string{}
	for _, p := range of.parts {
		if byGroup[p.group] == nil {
			groups = append(groups, p.group)
		}
		byGroup[p.group] = append(byGroup[p.group], p.resource)
	}
	for _, group := range groups {
		t.rules = append(t.rules, rbacv1.PolicyRule{
			Verbs: of.verbs, APIGroups: []string{group}, Resources: byGroup[group], ResourceNames: rule.ResourceNames,
		})
	}
}

// verbs returns those of a rule on one resource that can be granted.
func (t *taking) verbs(rule rbacv1.PolicyRule, p part) ([]string, error) {
	var kept []string
	var reasons []string
	left := map[string][]string{} // verbs by reason
	for _, verb := range expand(rule.Verbs) {
		why, err := t.dangerous(p, verb)
		switch {
		case err != nil:
			return nil, err
		case why == "":
			kept = append(kept, verb)
			continue
		case left[why] == nil:
			reasons = append(reasons, why)
		}
		left[why] = append(left[why], verb)
	}
	for _, why := range reasons {
		t.leave(fmt.Sprintf("%s %s: %s", rightsText(left[why]), p, why))
	}
	return kept, nil
}

func (t *taking) leave(what string) {
	if !t.told[what] {
		t.told[what] = true
		t.left = append(t.left, what)
	}
}

// expand names the verbs that "*" stands for.
func expand(verbs []string) []string {
	if slices.Contains(verbs, rbacv1.VerbAll) {
		return everyVerb
	}
	return verbs
}

// dangerous says why a verb on a resource cannot be granted; empty where it can.
// It fails where the resource is a wildcard that covers more than what is dangerous.
func (t *taking) dangerous(p part, verb string) (string, error) {
	if specialVerb(verb) {
		return "it acts for others or hands out rights", nil
	}
	for _, d := range dangers {
		if t.accepts(d) || !slices.Contains(d.verbs, verb) {
			continue
		}
		switch {
		case p.exactly(d):
			return d.why, nil
		case p.covers(d):
			return "", fmt.Errorf("the wildcard covers %s, which no grant may hold because %s; grant a role that names its resources", d, d.why)
		}
	}
	return "", nil
}

// exactly tells whether all that p stands for is dangerous.
func (p part) exactly(d danger) bool {
	return d.hasGroup(p.group) && (len(d.resources) == 0 || slices.Contains(d.resources, p.resource))
}

// covers tells whether p stands for what is dangerous among other things, as the
// authorizer matches: groups and resources may be "*", resources "*/subresource"
// (k8s.io/component-helpers auth/rbac, v1.36).
func (p part) covers(d danger) bool {
	if p.group != rbacv1.APIGroupAll && !d.hasGroup(p.group) {
		return false
	}
	if p.resource == rbacv1.ResourceAll || d.hasResource(p.resource) {
		return true
	}
	sub, wild := strings.CutPrefix(p.resource, "*/")
	return wild && slices.ContainsFunc(d.resources, func(r string) bool { return strings.HasSuffix(r, "/"+sub) })
}

func (p part) String() string {
	if p.group == "" {
		return rightText(p.resource)
	}
	return rightText(p.resource) + "." + rightText(p.group)
}

func (d danger) String() string {
	resource := "*"
	if len(d.resources) > 0 {
		resource = d.resources[0]
	}
	if strings.HasPrefix(d.group, ".") {
		return resource + ".*" + d.group
	}
	return part{d.group, resource}.String()
}

// RuleText words a rule in a line. Who writes a role may put anything into it, and those
// who approve read it in terminals and chats.
func RuleText(rule rbacv1.PolicyRule) string {
	if len(rule.NonResourceURLs) > 0 {
		return fmt.Sprintf("%s on %s", rightsText(rule.Verbs), rightsText(rule.NonResourceURLs))
	}
	text := fmt.Sprintf("%s on %s of %s", rightsText(rule.Verbs), rightsText(rule.Resources), rightsText(rule.APIGroups))
	if len(rule.ResourceNames) > 0 {
		text += " named " + rightsText(rule.ResourceNames)
	}
	return text
}

func rightsText(all []string) string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = rightText(one)
	}
	return strings.Join(out, ",")
}

// rightText words an element of a rule: a name, or a wildcard.
func rightText(text string) string {
	if wild := strings.Trim(text, "*/"); text != "" && (wild == "" || plain(wild)) {
		return text
	}
	return Quote(text)
}
