package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/persons"
)

// Defaults of a policy.
const (
	DefaultWait = time.Hour
	DefaultKeep = 30 * 24 * time.Hour
)

// What a policy has done at the end of a grant.
const (
	Report  = "report"  // what was written is told
	Revert  = "revert"  // and the units that own it put it back
	Propose = "propose" // and it is kept, to be proposed as a change of the fleet
)

// People are users and members of groups.
type People struct {
	Users  []string `json:"users,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

func (p People) has(who Person) bool {
	return slices.Contains(p.Users, who.Username) ||
		slices.ContainsFunc(who.Groups, func(g string) bool { return slices.Contains(p.Groups, g) })
}

func (p People) none() bool { return len(p.Users)+len(p.Groups) == 0 }

func (p People) String() string {
	var all []string
	for _, u := range p.Users {
		all = append(all, Quote(u))
	}
	for _, g := range p.Groups {
		all = append(all, "group "+Quote(g))
	}
	return strings.Join(all, ", ")
}

// Policy is an AccessPolicy: the rules of one environment, which bears its name.
type Policy struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              PolicySpec `json:"spec"`
}

// PolicySpec says who may ask for what, and who may approve it.
type PolicySpec struct {
	Requesters People `json:"requesters"`
	Approvers  People `json:"approvers"`
	// Count is how many different people must approve; 0 is one.
	Count int        `json:"count,omitempty"`
	Roles []RoleRule `json:"roles"`
	// Same are further accounts of one person: account → the name that counts.
	Same map[string]string `json:"same,omitempty"`
	// PerPerson is how many requests of one person wait or hold at once in the whole
	// cluster; 0 is DefaultPerPerson.
	PerPerson int `json:"perPerson,omitempty"`
	// Wait is how long a request waits for approval, Keep how long it is kept when it is over.
	Wait  *metav1.Duration `json:"wait,omitempty"`
	Keep  *metav1.Duration `json:"keep,omitempty"`
	AtEnd string           `json:"atEnd,omitempty"`
}

// RoleRule allows a role to be asked for.
type RoleRule struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"` // ClusterRole (default) or Role
	// Namespaces are those that it may be asked for in; with ClusterWide all.
	Namespaces  []string        `json:"namespaces,omitempty"`
	ClusterWide bool            `json:"clusterWide,omitempty"`
	Maximum     metav1.Duration `json:"maximum"`
	Accept      []string        `json:"accept,omitempty"`
}

// DecodePolicy reads an AccessPolicy and checks it.
func DecodePolicy(u *unstructured.Unstructured) (Policy, error) {
	var p Policy
	if err := decode(u, &p); err != nil {
		return p, err
	}
	if err := p.check(); err != nil {
		return p, fmt.Errorf("AccessPolicy %s: %w", p.Name, err)
	}
	return p, nil
}

func (p Policy) check() error {
	s := p.Spec
	switch {
	case s.Requesters.none():
		return errors.New("spec.requesters names nobody; for everybody name the group system:authenticated")
	case s.Approvers.none():
		return errors.New("spec.approvers names nobody")
	case s.AtEnd != "" && s.AtEnd != Report && s.AtEnd != Revert && s.AtEnd != Propose:
		return fmt.Errorf("spec.atEnd %q: want report, revert or propose", s.AtEnd)
	}
	for i, r := range s.Roles {
		if r.Maximum.Duration < MinFor {
			return fmt.Errorf("spec.roles[%d].maximum %s is shorter than %s, the shortest token that the API server makes", i, r.Maximum.Duration, MinFor)
		}
		for _, risk := range r.Accept {
			if !slices.Contains(risks, risk) {
				return fmt.Errorf("spec.roles[%d].accept %q: want some of %v", i, risk, risks)
			}
		}
	}
	return checkRoles(s.Roles)
}

// wait is how long a request waits for approval; the policy may be nil.
func (p *Policy) wait() time.Duration {
	if p == nil || p.Spec.Wait == nil || p.Spec.Wait.Duration <= 0 {
		return DefaultWait
	}
	return p.Spec.Wait.Duration
}

// Latest is when a grant that is asked for now is over at the latest.
func (p *Policy) Latest(r RequestSpec, now time.Time) time.Time {
	return now.Add(p.wait() + r.For.Duration)
}

func (p *Policy) keep() time.Duration {
	if p == nil || p.Spec.Keep == nil || p.Spec.Keep.Duration <= 0 {
		return DefaultKeep
	}
	return p.Spec.Keep.Duration
}

func (p *Policy) perPerson() int {
	if p == nil || p.Spec.PerPerson <= 0 {
		return DefaultPerPerson
	}
	return p.Spec.PerPerson
}

// Allows returns the rule under which a request may be granted, or why it may not.
// Nothing is granted in the protected namespaces.
func (p *Policy) Allows(r RequestSpec, protected []string) (RoleRule, error) {
	if !p.Spec.Requesters.has(r.Requester) {
		return RoleRule{}, fmt.Errorf("%s may not ask for access to %s; %s may", Quote(r.Requester.Username), p.Name, p.Spec.Requesters)
	}
	if r.ClusterWide == (len(r.Namespaces) > 0) {
		return RoleRule{}, errors.New("a request is for some namespaces, or for the whole cluster")
	}
	for i, ns := range r.Namespaces {
		if slices.Contains(r.Namespaces[:i], ns) {
			return RoleRule{}, fmt.Errorf("namespace %s is named twice", ns)
		}
		if slices.Contains(protected, ns) {
			return RoleRule{}, fmt.Errorf("nothing is granted in namespace %s: who may write there may have everything", ns)
		}
	}
	var why error
	for _, rule := range p.Spec.Roles {
		if rule.Name != r.Role {
			continue
		}
		if why = rule.allows(r); why == nil {
			return rule, nil
		}
	}
	if why != nil {
		return RoleRule{}, fmt.Errorf("AccessPolicy %s: %w", p.Name, why)
	}
	return RoleRule{}, fmt.Errorf("AccessPolicy %s does not know role %s; it knows %s", p.Name, r.Role, strings.Join(p.roles(), ", "))
}

func (p *Policy) roles() []string {
	var out []string
	for _, r := range p.Spec.Roles {
		if !slices.Contains(out, r.Name) {
			out = append(out, r.Name)
		}
	}
	return out
}

func (rule RoleRule) allows(r RequestSpec) error {
	switch {
	case r.For.Duration < MinFor:
		return fmt.Errorf("%s is shorter than %s, the shortest token that the API server makes", r.For.Duration, MinFor)
	case r.For.Duration > rule.Maximum.Duration:
		return fmt.Errorf("%s is longer than %s, the longest that %s is granted for", r.For.Duration, rule.Maximum.Duration, rule.Name)
	case rule.ClusterWide:
		return nil
	case r.ClusterWide:
		return fmt.Errorf("%s is not granted for the whole cluster", rule.Name)
	}
	for _, ns := range r.Namespaces {
		if !slices.Contains(rule.Namespaces, ns) {
			return fmt.Errorf("%s is not granted in namespace %s; it is in %s", rule.Name, ns, strings.Join(rule.Namespaces, ", "))
		}
	}
	return nil
}

// person is the name under which somebody counts; the policy may be nil.
func (p *Policy) person(username string) string {
	if p == nil {
		return username
	}
	return persons.Behind(p.Spec.Same, username)
}

// Decides tells whether somebody may approve or deny a request: one of the
// approvers, who is not the requester under another name.
func (p *Policy) Decides(who, requester Person) bool {
	return p.Spec.Approvers.has(who) && p.person(who.Username) != p.person(requester.Username)
}
