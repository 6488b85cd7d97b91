package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func minutes(n int) metav1.Duration { return metav1.Duration{Duration: time.Duration(n) * time.Minute} }

func aPolicy() *Policy {
	return &Policy{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Spec: PolicySpec{
		Requesters: People{Groups: []string{"developers"}},
		Approvers:  People{Users: []string{"carol", "alice", "alice-admin"}, Groups: []string{"platform"}},
		Same:       map[string]string{"alice-admin": "alice"},
		Roles: []RoleRule{
			{Name: "edit", Namespaces: []string{"shop", "cart"}, Maximum: minutes(60)},
			{Name: "view", ClusterWide: true, Maximum: minutes(120)},
		},
	}}
}

func aRequest() Request {
	return Request{
		ObjectMeta: metav1.ObjectMeta{Name: "r", UID: "1", CreationTimestamp: metav1.NewTime(began)},
		Spec: RequestSpec{
			Requester: Person{Username: "alice", Groups: []string{"developers"}}, Environment: "prod", Role: "edit", Namespaces: []string{"shop"},
			For: minutes(30), Reason: "because",
		},
		Status: Status{Phase: Pending, Snapshot: &Snapshot{Digest: "d"}},
	}
}

// says makes a decision, so many minutes after the request.
func says(who string, verdict Verdict, after int, groups ...string) Decision {
	return Decision{
		ObjectMeta: metav1.ObjectMeta{Name: who + string(verdict), CreationTimestamp: metav1.NewTime(began.Add(time.Duration(after) * time.Minute))},
		Spec:       DecisionSpec{Request: RequestRef{Name: "r", UID: "1", Requester: "alice", Digest: "d"}, By: Person{Username: who, Groups: groups}, Verdict: verdict, Reason: "so"},
	}
}

func TestNext(t *testing.T) {
	cases := []struct {
		name string
		edit func(c *Case)
		now  int // minutes after the request
		want Phase
		do   Do
		why  string
	}{
		{"new", func(c *Case) { c.Request.Status = Status{} }, 0, Pending, Look, ""},
		{"nobody has answered", nil, 1, Pending, Nothing, "waits for 1 approval(s) of carol, alice, alice-admin, group platform"},
		{"approved by a user", func(c *Case) { c.Decisions = []Decision{says("carol", Approve, 1)} }, 2, Active, Give, "edit in shop for 30m0s, approved by carol"},
		{"approved by a group", func(c *Case) { c.Decisions = []Decision{says("dave", Approve, 1, "platform")} }, 2, Active, Give, "dave"},
		{"approved by somebody", func(c *Case) { c.Decisions = []Decision{says("dave", Approve, 1, "developers")} }, 2, Pending, Nothing, "waits"},
		{"approved by oneself", func(c *Case) { c.Decisions = []Decision{says("alice", Approve, 1)} }, 2, Pending, Nothing, "waits"},
		{"approved by one's other account", func(c *Case) { c.Decisions = []Decision{says("alice-admin", Approve, 1)} }, 2, Pending, Nothing, "waits"},
		{"approved by one's other account, by way of a third", func(c *Case) {
			c.Policy.Spec.Same, c.Decisions = map[string]string{"alice-admin": "alice", "alice": "alice@example.com"}, []Decision{says("alice-admin", Approve, 1)}
		}, 2, Pending, Nothing, "waits"},
		{"approved by one's other account, in a circle", func(c *Case) {
			c.Policy.Spec.Same, c.Decisions = map[string]string{"alice-admin": "alice", "alice": "alice-admin"}, []Decision{says("alice-admin", Approve, 1)}
		}, 2, Pending, Nothing, "waits"},
		{"approved by one of two", func(c *Case) {
			c.Policy.Spec.Count, c.Decisions = 2, []Decision{says("carol", Approve, 1), says("carol", Approve, 2)}
		}, 3, Pending, Nothing, "waits for 1 approval(s) of carol, alice, alice-admin, group platform; approved by carol"},
		{"approved by two", func(c *Case) {
			c.Policy.Spec.Count, c.Decisions = 2, []Decision{says("carol", Approve, 1), says("dave", Approve, 2, "platform")}
		}, 3, Active, Give, "approved by carol, dave"},
		{"approved another request of that name", func(c *Case) {
			c.Decisions = []Decision{says("carol", Approve, 1)}
			c.Decisions[0].Spec.Request.UID = "0"
		}, 2, Pending, Nothing, "waits"},
		{"approved as somebody else's", func(c *Case) {
			c.Decisions = []Decision{says("carol", Approve, 1)}
			c.Decisions[0].Spec.Request.Requester = "bob"
		}, 2, Pending, Nothing, "waits"},
		{"approved other rights", func(c *Case) {
			c.Decisions = []Decision{says("carol", Approve, 1)}
			c.Decisions[0].Spec.Request.Digest = "e"
		}, 2, Pending, Nothing, "waits"},
		{"removed from the approvers since", func(c *Case) {
			c.Policy.Spec.Approvers.Users, c.Decisions = nil, []Decision{says("carol", Approve, 1)}
		}, 2, Pending, Nothing, "waits"},
		{"approved too late by the server's clock, ours being behind", func(c *Case) { c.Decisions = []Decision{says("carol", Approve, 61)} }, 59, Pending, Nothing, "waits"},
		{"approved in time, but ours is ahead", func(c *Case) { c.Decisions = []Decision{says("carol", Approve, 59)} }, 60, Expired, TakeBack, "approved by carol, it could not be granted within 1h0m0s; ask again"},
		{"nobody answered", nil, 60, Expired, TakeBack, "nobody approved it within 1h0m0s"},
		{"denied", func(c *Case) { c.Decisions = []Decision{says("carol", Approve, 1), says("dave", Deny, 1, "platform")} }, 2, Denied, TakeBack, "denied by dave: so"},
		{"denied by somebody", func(c *Case) { c.Decisions = []Decision{says("eve", Deny, 1)} }, 2, Pending, Nothing, "waits"},
		{"withdrawn", func(c *Case) { c.Decisions = []Decision{says("carol", Approve, 1), says("alice", Stop, 1)} }, 2, Denied, TakeBack, "withdrawn by alice"},
		{"no policy", func(c *Case) { c.Policy, c.NoPolicy = nil, errors.New("there is none") }, 2, Pending, Nothing, "there is none"},
		{"no policy for long", func(c *Case) { c.Policy, c.NoPolicy = nil, errors.New("there is none") }, 61, Expired, TakeBack, ""},
		{"not one who may ask", func(c *Case) { c.Request.Spec.Requester.Groups = nil }, 1, Refused, TakeBack, "alice may not ask for access to prod; group developers may"},
		{"another namespace", func(c *Case) { c.Request.Spec.Namespaces = []string{"shop", "bank"} }, 1, Refused, TakeBack, "edit is not granted in namespace bank; it is in shop, cart"},
		{"a protected namespace", func(c *Case) {
			c.Request.Spec.Role, c.Request.Spec.Namespaces = "view", []string{"kube-system"}
		}, 1, Refused, TakeBack, "nothing is granted in namespace kube-system"},
		{"a risk that is accepted no more", func(c *Case) {
			c.Request.Status.Snapshot.Rules = []rbacv1.PolicyRule{rule("get", "core", "pods"), rule("create", "core", "pods/exec")}
			c.Decisions = []Decision{says("carol", Approve, 1)}
		}, 2, Refused, TakeBack, "AccessPolicy prod does not allow any more what was looked at: edit holds nothing that can be granted: create pods/exec: it reads the credentials"},
		{"a Role that is a ClusterRole now", func(c *Case) {
			c.Request.Status.Snapshot.Namespaces = []InNamespace{{Namespace: "shop", Rules: []rbacv1.PolicyRule{rule("get", "core", "pods")}}}
			c.Decisions = []Decision{says("carol", Approve, 1)}
		}, 2, Refused, TakeBack, "AccessPolicy prod does not allow any more what was looked at: edit is a ClusterRole"},
		{"a namespace twice", func(c *Case) { c.Request.Spec.Namespaces = []string{"shop", "cart", "shop"} }, 1, Refused, TakeBack, "namespace shop is named twice"},
		{"the whole cluster", func(c *Case) { c.Request.Spec.Namespaces, c.Request.Spec.ClusterWide = nil, true }, 1, Refused, TakeBack, "not granted for the whole cluster"},
		{"nowhere", func(c *Case) { c.Request.Spec.Namespaces = nil }, 1, Refused, TakeBack, "for some namespaces, or for the whole cluster"},
		{"too long", func(c *Case) { c.Request.Spec.For = minutes(61) }, 1, Refused, TakeBack, "1h1m0s is longer than 1h0m0s"},
		{"too short", func(c *Case) { c.Request.Spec.For = minutes(9) }, 1, Refused, TakeBack, "9m0s is shorter than 10m0s"},
		{"another role", func(c *Case) { c.Request.Spec.Role = "admin" }, 1, Refused, TakeBack, "does not know role admin; it knows edit, view"},

		{"active", active, 31, Active, Nothing, "edit in shop for 30m0s, approved by carol"},
		{"active without its approver", func(c *Case) { active(c); c.Decisions, c.Policy = nil, nil }, 31, Active, Nothing, ""},
		{"at its end", active, 32, Ended, TakeBack, "its time is over"},
		{"long past its end, the controller having been down", active, 5000, Ended, TakeBack, "its time is over"},
		{"ended by oneself", func(c *Case) { active(c); c.Decisions = append(c.Decisions, says("alice", Stop, 5)) }, 6, Ended, TakeBack, "ended by alice: so"},
		{"ended by an approver", func(c *Case) { active(c); c.Decisions = append(c.Decisions, says("dave", Stop, 5, "platform")) }, 6, Ended, TakeBack, "ended by dave: so"},
		{"ended by somebody", func(c *Case) { active(c); c.Decisions = append(c.Decisions, says("eve", Stop, 5)) }, 6, Active, Nothing, ""},
		{"asked to be longer", func(c *Case) { active(c); c.Request.Spec.For = minutes(60) }, 33, Ended, TakeBack, "its time is over"},
		{"deleted", func(c *Case) { active(c); c.Request.DeletionTimestamp = &metav1.Time{Time: began} }, 1, Active, TakeBack, "deleted"},
		{"deleted when it is over", func(c *Case) { c.Request.Status.Phase, c.Request.DeletionTimestamp = Ended, &metav1.Time{Time: began} }, 1, Ended, Forget, ""},
		{"refused before anything was made", func(c *Case) { c.Request.Status, c.Request.Spec.Role = Status{}, "admin" }, 1, Refused, Nothing, "does not know role admin"},

		{"over", func(c *Case) { c.Request.Status.Phase = Ended }, 100, Ended, Nothing, ""},
		{"approved when over", func(c *Case) {
			c.Request.Status.Phase, c.Decisions = Expired, []Decision{says("carol", Approve, 1)}
		}, 2, Expired, Nothing, ""},
		{"over for long", func(c *Case) { c.Request.Status.Phase = Ended }, 60 * 24 * 31, Ended, Forget, ""},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := Case{Request: aRequest(), Policy: aPolicy(), Protected: []string{"kube-system"}}
			if test.edit != nil {
				test.edit(&c)
			}
			got := Next(c, began.Add(time.Duration(test.now)*time.Minute))
			if got.Phase != test.want || got.Do != test.do || !strings.Contains(got.Why, test.why) {
				t.Errorf("got %s, do %d, %q; want %s, do %d, %q", got.Phase, got.Do, got.Why, test.want, test.do, test.why)
			}
			if !got.Phase.Over() && got.Do == Nothing && got.At.IsZero() {
				t.Error("nothing brings its end")
			}
		})
	}
}

// Who knows the role knows the digest of its snapshot, and may approve it before it was
// taken: nothing is given in the run that takes it.
func TestApprovedBeforeItWasLookedAt(t *testing.T) {
	c := Case{Request: aRequest(), Policy: aPolicy(), Decisions: []Decision{says("carol", Approve, 0)}}
	snapshot := c.Request.Status.Snapshot
	c.Request.Status = Status{}
	look := Next(c, began)
	c.Request.Status.Snapshot = snapshot
	if got := Seen(look, Next(c, began), began); look.Do != Look || got.Phase != Pending || !got.At.Equal(began) {
		t.Errorf("got %+v, want it to wait for the next run at once", got)
	}
	c.Decisions = nil
	if got := Seen(look, Next(c, began), began); got.Phase != Pending || !strings.Contains(got.Why, "waits for 1 approval") {
		t.Errorf("nobody approved: got %+v", got)
	}
}

func active(c *Case) {
	c.Decisions = []Decision{says("carol", Approve, 1)}
	c.Request.Status.Phase, c.Request.Status.ApprovedBy = Active, []string{"carol"}
	c.Request.Status.Grant = &Held{From: metav1.NewTime(began.Add(2 * time.Minute)), Until: metav1.NewTime(began.Add(32 * time.Minute))}
}

func TestWrongPolicies(t *testing.T) {
	for want, edit := range map[string]func(*Policy){
		"spec.requesters names nobody":                        func(p *Policy) { p.Spec.Requesters = People{} },
		"spec.approvers names nobody":                         func(p *Policy) { p.Spec.Approvers = People{} },
		`spec.atEnd "delete": want report, revert or propose`: func(p *Policy) { p.Spec.AtEnd = "delete" },
		"spec.roles[0].maximum 5m0s is shorter than 10m":      func(p *Policy) { p.Spec.Roles[0].Maximum = minutes(5) },
		`spec.roles[1].accept "root": want some of [exec`:     func(p *Policy) { p.Spec.Roles[1].Accept = []string{"root"} },
	} {
		p := aPolicy()
		edit(p)
		if err := p.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := aPolicy().check(); err != nil {
		t.Error(err)
	}
}
