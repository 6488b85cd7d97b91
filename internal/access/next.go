package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Do is what a step asks to be done.
type Do int

// What can be done.
const (
	Nothing Do = iota
	// Look takes a snapshot of the role.
	Look
	// Give makes the grant.
	Give
	// TakeBack removes the grant, or what was made of one.
	TakeBack
	// Forget deletes the request and its decisions.
	Forget
)

// Step is what follows from a case: where the request stands, and what is to be
// done for it to stand there.
type Step struct {
	Phase Phase
	// Why is for people; free text in it is quoted.
	Why string
	// By is who brought the phase about, where somebody did.
	By         string
	ApprovedBy []string
	Do         Do
	// Rule is the one under which the request is granted; of Look and Give.
	Rule RoleRule
	// TooMany tells that a request is refused because its person has too many; Silent
	// that this was announced lately, and is not again.
	TooMany, Silent bool
	// At is when time alone brings another step; zero is never.
	At time.Time
}

// Case is all that a step is decided by.
type Case struct {
	Request   Request
	Decisions []Decision
	// Others are all requests of the cluster; this one may be among them.
	Others []Other
	// Policy is that of the request's environment; nil with the cause in NoPolicy.
	Policy   *Policy
	NoPolicy error
	// Protected are the namespaces in which nothing is granted.
	Protected []string
}

// Next decides a step. Whether somebody was in time is told by the API server's
// clock, which stamped request and decisions, and by ours: late by either is late.
func Next(c Case, now time.Time) Step {
	r := c.Request
	switch {
	case r.DeletionTimestamp != nil && r.Status.Phase.Over():
		return Step{Phase: r.Status.Phase, Do: Forget}
	case r.DeletionTimestamp != nil:
		return Step{Phase: r.Status.Phase, Do: TakeBack, Why: "the request was deleted"}
	case r.Status.Phase.Over():
		return c.over(now)
	case r.Status.Phase == Active && r.Status.Grant != nil:
		return c.active(now)
	}
	return c.pending(now)
}

// Seen returns the step that a run ends with which took a snapshot. What it holds must be
// written down before anything is done with it, although somebody may have approved it
// already: who knows the role knows its digest.
func Seen(look, next Step, now time.Time) Step {
	if next.Do == Nothing {
		return next
	}
	look.At = now
	return look
}

func (c Case) over(now time.Time) Step {
	r := c.Request
	ended := r.CreationTimestamp.Time
	if r.Status.End != nil {
		ended = r.Status.End.At.Time
	}
	at := ended.Add(c.Policy.keep())
	out := slices.Contains(CrowdedOut(c.Others, r.Spec.Requester.Username), r.Name)
	if now.Before(at) && !out {
		return Step{Phase: r.Status.Phase, At: at}
	}
	return Step{Phase: r.Status.Phase, Do: Forget}
}

// active holds a grant until its end. What changes in policies or approvals does
// not end it; a person does, who says so.
func (c Case) active(now time.Time) Step {
	held := c.Request.Status.Grant
	if by, why := c.stopped(); by != "" {
		return Step{Phase: Ended, Do: TakeBack, By: by, Why: "ended by " + Quote(by) + why}
	}
	if !now.Before(held.Until.Time) {
		return Step{Phase: Ended, Do: TakeBack, Why: "its time is over"}
	}
	by := c.Request.Status.ApprovedBy
	return Step{Phase: Active, ApprovedBy: by, At: held.Until.Time, Why: c.Request.Spec.what() + ", approved by " + quoteAll(by)}
}

func (c Case) pending(now time.Time) Step {
	r := c.Request
	deadline := r.CreationTimestamp.Add(c.Policy.wait())
	if by, why := c.stopped(); by != "" {
		return c.away(Step{Phase: Denied, By: by, Why: "withdrawn by " + Quote(by) + why})
	}
	if !now.Before(deadline) {
		return c.away(Step{Phase: Expired, Why: c.late(deadline)})
	}
	if c.Policy != nil || r.Status.Phase == "" { // what waits is not refused because the policy is away for a while
		if step, refused := c.crowded(now); refused {
			return c.away(step)
		}
	}
	if c.Policy == nil {
		return Step{Phase: Pending, Why: c.NoPolicy.Error(), At: deadline}
	}
	rule, err := c.Policy.Allows(r.Spec, c.Protected)
	if err != nil {
		return c.away(Step{Phase: Refused, Why: err.Error()})
	}
	if r.Status.Snapshot == nil {
		return Step{Phase: Pending, Do: Look, Rule: rule, Why: "the role is being looked at", At: deadline}
	}
	if err := r.Status.Snapshot.within(rule, r.Spec); err != nil {
		return c.away(Step{Phase: Refused, Why: fmt.Sprintf("AccessPolicy %s does not allow any more what was looked at: %v; ask again", c.Policy.Name, err)})
	}
	if by, why := c.denied(); by != "" {
		return c.away(Step{Phase: Denied, By: by, Why: "denied by " + Quote(by) + why})
	}
	by, missing := c.approvedBy(deadline)
	if missing > 0 {
		return Step{Phase: Pending, ApprovedBy: by, Why: c.waiting(missing, by), At: deadline}
	}
	return Step{Phase: Active, Do: Give, Rule: rule, ApprovedBy: by, Why: r.Spec.what() + ", approved by " + quoteAll(by)}
}

// away ends what waits. Nothing is made of a grant before its snapshot is written down,
// so that there is nothing to remove without one.
func (c Case) away(step Step) Step {
	if c.Request.Status.Snapshot != nil {
		step.Do = TakeBack
	}
	return step
}

func (c Case) waiting(missing int, have []string) string {
	text := fmt.Sprintf("waits for %d approval(s) of %s", missing, c.Policy.Spec.Approvers)
	if len(have) > 0 {
		text += "; approved by " + quoteAll(have)
	}
	return text
}

// decisions are those about this very request, in the order they were made.
func (c Case) decisions(verdict Verdict) []Decision {
	r := c.Request
	var out []Decision
	for _, d := range c.Decisions {
		about := d.Spec.Request
		if d.Spec.Verdict == verdict && about.Name == r.Name && about.UID == r.UID && about.Requester == r.Spec.Requester.Username {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, saidBefore)
	return out
}

// saidBefore orders decisions by when they were made.
func saidBefore(a, b Decision) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

// stopped returns who ended the grant or withdrew the request: the requester, or
// one who may approve.
func (c Case) stopped() (by, why string) {
	for _, d := range c.decisions(Stop) {
		own := d.Spec.By.Username == c.Request.Spec.Requester.Username
		if own || c.Policy != nil && c.Policy.Decides(d.Spec.By, c.Request.Spec.Requester) {
			return d.Spec.By.Username, because(d)
		}
	}
	return "", ""
}

func (c Case) denied() (by, why string) {
	for _, d := range c.decisions(Deny) {
		if c.Policy.Decides(d.Spec.By, c.Request.Spec.Requester) {
			return d.Spec.By.Username, because(d)
		}
	}
	return "", ""
}

func because(d Decision) string {
	if d.Spec.Reason == "" {
		return ""
	}
	return ": " + Quote(d.Spec.Reason)
}

// approvedBy returns the different people whose approval counts: of approvers, in
// time, and of the very rights that the grant will hold; and how many are missing.
func (c Case) approvedBy(deadline time.Time) (by []string, missing int) {
	for _, d := range c.decisions(Approve) {
		who := c.Policy.person(d.Spec.By.Username)
		if c.Policy.Decides(d.Spec.By, c.Request.Spec.Requester) && d.CreationTimestamp.Time.Before(deadline) &&
			d.Spec.Request.Digest == c.Request.Status.Snapshot.Digest && !slices.Contains(by, who) {
			by = append(by, who)
		}
	}
	return by, max(c.Policy.Spec.Count, 1) - len(by)
}

// late says why a request that is past its deadline was not granted.
func (c Case) late(deadline time.Time) string {
	if c.Policy != nil && c.Request.Status.Snapshot != nil {
		if by, missing := c.approvedBy(deadline); missing <= 0 {
			return fmt.Sprintf("approved by %s, it could not be granted within %s; ask again", quoteAll(by), c.Policy.wait())
		}
	}
	return fmt.Sprintf("nobody approved it within %s; ask again", c.Policy.wait())
}

// Where says where the role is asked for.
func (s RequestSpec) Where() string {
	if s.ClusterWide {
		return "the whole cluster"
	}
	return strings.Join(s.Namespaces, ", ")
}

// what words what is asked for.
func (s RequestSpec) what() string {
	return fmt.Sprintf("%s in %s for %s", Quote(s.Role), s.Where(), s.For.Duration)
}

// String words a request for people.
func (s RequestSpec) String() string {
	return fmt.Sprintf("%s asks for %s: %s", Quote(s.Requester.Username), s.what(), Quote(s.Reason))
}
