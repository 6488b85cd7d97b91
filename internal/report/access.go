package report

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
)

// AccessRun is what a run of an AccessRequest decided and did.
type AccessRun struct {
	Step access.Step
	// Err says that what the step asked for was not done.
	Err error
	// Snapshot, Grant and End are what was made in this run; nil keeps what is there.
	Snapshot *access.Snapshot
	Grant    *access.Held
	End      *access.End
}

// accessRetry is the pause before what failed is tried again: a grant that is over
// must not stay for want of trying.
const accessRetry = 5 * time.Second

// accessReasons are those of the condition Granted, and of the events.
var accessReasons = map[access.Phase]string{
	access.Pending: ReasonAwaitingApproval, access.Active: ReasonAccessGranted, access.Ended: ReasonAccessEnded,
	access.Denied: ReasonAccessRejected, access.Expired: ReasonAccessExpired, access.Refused: ReasonAccessRefused,
}

// Access folds a run into its report.
func Access(r access.Request, run AccessRun, now time.Time) Report {
	rep := Report{Unit: object.Key{Group: access.Group, Kind: access.RequestKind, Name: r.Name}, Next: run.Step.At}
	conds := edit(r.Status.Conditions, r.Generation, now)
	next := r.Status
	next.ObservedGeneration = r.Generation
	if run.Snapshot != nil {
		next.Snapshot = run.Snapshot
	}
	switch {
	case r.DeletionTimestamp != nil && run.Err == nil:
		rep.Finalize, rep.Next = true, time.Time{}
		if rep.Events = ended(r, run); len(rep.Events) > 0 {
			rep.Summary = Summary{Ready: string(metav1.ConditionFalse), Reason: rep.Events[0].Reason, Message: rep.Events[0].Message}
		}
		return rep
	case run.Err != nil && r.Status.Phase.Over():
		rep.Next = now.Add(accessRetry) // what it became stays told
		rep.Summary = Summary{Ready: string(metav1.ConditionUnknown), Reason: ReasonAccessFailed, Message: run.Err.Error()}
		return rep
	case run.Err != nil:
		conds.unknown(Granted, ReasonAccessFailed, run.Err.Error())
		rep.Next = now.Add(accessRetry)
		rep.Events = failed(r, conds)
	default:
		settle(&next, run, conds, now)
		rep.Events = accessEvents(r, next, run)
	}
	next.Conditions = conds.sorted()
	granted := conds.get(Granted)
	rep.Summary = Summary{Ready: string(granted.Status), Reason: granted.Reason, Message: granted.Message}
	if status, err := access.Encode(&next); err == nil {
		rep.Status = status
	}
	return rep
}

// settle writes down where the step led.
func settle(next *access.Status, run AccessRun, conds *conditions, now time.Time) {
	step := run.Step
	said := step.Why != "" // one that is over has been told
	next.Phase = step.Phase
	if len(step.ApprovedBy) > 0 {
		next.ApprovedBy = step.ApprovedBy
	}
	if run.Grant != nil {
		next.Grant = run.Grant
	}
	if step.Phase.Over() && said {
		end := access.End{}
		if run.End != nil {
			end = *run.End
		}
		end.At, end.By, end.TooMany = metav1.NewTime(now.UTC().Truncate(time.Second)), step.By, step.TooMany
		next.End = &end
		if next.Grant != nil {
			held := *next.Grant
			held.Token = ""
			next.Grant = &held
		}
	}
	switch reason := reasonOf(step); {
	case !said:
	case step.Phase == access.Active:
		conds.yes(Granted, reason, step.Why+until(next.Grant))
	case step.Phase == access.Pending:
		conds.unknown(Granted, reason, step.Why)
	default:
		conds.no(Granted, reason, step.Why)
	}
}

// reasonOf names where a step led.
func reasonOf(step access.Step) string {
	if step.TooMany {
		return ReasonAccessTooMany
	}
	return accessReasons[step.Phase]
}

func until(held *access.Held) string { return ", until " + held.Until.UTC().Format(time.RFC3339) }

// failed tells of a failure once.
func failed(r access.Request, conds *conditions) []Event {
	now := conds.get(Granted)
	if slices.ContainsFunc(r.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == Granted && c.Reason == now.Reason && c.Message == now.Message
	}) {
		return nil
	}
	return []Event{{Warning: true, Reason: ReasonAccessFailed, Message: now.Message}}
}

// accessEvents announces what is new: a request, an approval, a grant, an end.
func accessEvents(r access.Request, next access.Status, run AccessRun) []Event {
	var out []Event
	if r.Status.Phase == "" && !run.Step.TooMany { // one that is too many never reaches those who approve
		out = append(out, Event{Reason: ReasonAccessRequested, Message: r.Spec.String()})
	}
	for _, by := range next.ApprovedBy {
		if !slices.Contains(r.Status.ApprovedBy, by) {
			out = append(out, Event{Reason: ReasonAccessApproved, Message: "approved by " + access.Quote(by)})
		}
	}
	if next.Phase == r.Status.Phase || next.Phase == access.Pending {
		return out
	}
	if next.Phase == access.Active {
		return append(out, Event{Reason: ReasonAccessGranted, Message: fmt.Sprintf("%s holds %s%s, as %s",
			access.Quote(r.Spec.Requester.Username), run.Step.Why, until(next.Grant), next.Grant.User)})
	}
	return append(out, ended(r, run)...)
}

// ended announces the end of a request.
func ended(r access.Request, run AccessRun) []Event {
	if run.Step.Why == "" || run.Step.Silent {
		return nil
	}
	phase := run.Step.Phase
	message := fmt.Sprintf("the access of %s: %s", access.Quote(r.Spec.Requester.Username), run.Step.Why)
	if run.End != nil && len(run.End.Writes) > 0 {
		message += fmt.Sprintf("; %d objects were written by hand meanwhile", len(run.End.Writes)+run.End.More)
	}
	reason := reasonOf(run.Step)
	if !phase.Over() {
		reason = ReasonAccessEnded
	}
	return []Event{{Warning: phase == access.Refused, Reason: reason, Message: message}}
}
