package report

import (
	"errors"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/access"
)

// What is told of a request in each situation: the condition's reason, and the events.
func TestAccess(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	held := &access.Held{User: "u", Until: metav1.NewTime(now.Add(time.Hour)), Token: "sealed"}
	active := access.Status{Phase: access.Active, Grant: held, ApprovedBy: []string{"carol"}}
	told := access.Status{Phase: access.Ended, Conditions: []metav1.Condition{{Type: Granted, Status: "False", Reason: ReasonAccessEnded}}}
	cases := []struct {
		name   string
		status access.Status
		run    AccessRun
		phase  string
		reason string
		events []string
	}{
		{"new", access.Status{}, AccessRun{Step: access.Step{Phase: access.Pending, Why: "waits"}}, "Pending", ReasonAwaitingApproval, []string{ReasonAccessRequested}},
		{"waits on", access.Status{Phase: access.Pending}, AccessRun{Step: access.Step{Phase: access.Pending, Why: "waits"}}, "Pending", ReasonAwaitingApproval, nil},
		{"one of two approved", access.Status{Phase: access.Pending}, AccessRun{Step: access.Step{Phase: access.Pending, Why: "waits", ApprovedBy: []string{"carol"}}}, "Pending", ReasonAwaitingApproval, []string{ReasonAccessApproved}},
		{"granted", access.Status{Phase: access.Pending}, AccessRun{Grant: held, Step: access.Step{Phase: access.Active, Why: "edit", ApprovedBy: []string{"carol"}}}, "Active", ReasonAccessGranted, []string{ReasonAccessApproved, ReasonAccessGranted}},
		{"holds", active, AccessRun{Step: access.Step{Phase: access.Active, Why: "edit", ApprovedBy: []string{"carol"}}}, "Active", ReasonAccessGranted, nil},
		{"ended", active, AccessRun{End: &access.End{}, Step: access.Step{Phase: access.Ended, Why: "over"}}, "Ended", ReasonAccessEnded, []string{ReasonAccessEnded}},
		{"not taken back", active, AccessRun{Err: errors.New("no"), Step: access.Step{Phase: access.Ended, Why: "over"}}, "Active", ReasonAccessFailed, []string{ReasonAccessFailed}},
		{"not given", access.Status{Phase: access.Pending}, AccessRun{Err: errors.New("no"), Step: access.Step{Phase: access.Active}}, "Pending", ReasonAccessFailed, []string{ReasonAccessFailed}},
		{"refused", access.Status{}, AccessRun{Step: access.Step{Phase: access.Refused, Why: "no"}}, "Refused", ReasonAccessRefused, []string{ReasonAccessRequested, ReasonAccessRefused}},
		{"one too many", access.Status{}, AccessRun{Step: access.Step{Phase: access.Refused, TooMany: true, Why: "no"}}, "Refused", ReasonAccessTooMany, []string{ReasonAccessTooMany}},
		{"and more", access.Status{}, AccessRun{Step: access.Step{Phase: access.Refused, TooMany: true, Silent: true, Why: "no"}}, "Refused", ReasonAccessTooMany, nil},
		{"over", told, AccessRun{Step: access.Step{Phase: access.Ended}}, "Ended", ReasonAccessEnded, nil},
	}
	for _, c := range cases {
		rep := Access(access.Request{Status: c.status}, c.run, now)
		var events []string
		for _, e := range rep.Events {
			events = append(events, e.Reason)
		}
		if rep.Status["phase"] != c.phase || rep.Summary.Reason != c.reason || !slices.Equal(events, c.events) {
			t.Errorf("%s: got %v, %s, %v; want %s, %s, %v", c.name, rep.Status["phase"], rep.Summary.Reason, events, c.phase, c.reason, c.events)
		}
		grant, _ := rep.Status["grant"].(map[string]any)
		if c.phase == "Ended" && grant["token"] != nil {
			t.Errorf("%s: the token is still told", c.name)
		}
	}
	failed := Access(access.Request{Status: told}, AccessRun{Err: errors.New("no")}, now)
	if failed.Status != nil || failed.Next.IsZero() || failed.Summary.Message != "no" {
		t.Errorf("a failure when all is over: got %+v", failed)
	}
}
