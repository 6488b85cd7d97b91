package keeper

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
)

const (
	twoMore = "production pending: waits for 2 approvals of alice, bob, carol"
	fine    = "production success: checks passed; approved by alice, bob"
)

// A change waits for people, and its approvals are bound to what is rendered.
func TestApprovals(t *testing.T) {
	s := newStage(t)
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	s.judged(n, twoMore)
	statuses, comment := s.told(n)
	if got := statuses["leat/production"]; got.State != forge.Pending || !strings.HasPrefix(got.Description, "waits for 2") {
		t.Errorf("got %+v", got)
	}
	if got := statuses["leat/staging"]; got.State != forge.Success || got.Description != "not touched" {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(comment, "waits for 2 approvals") || strings.Count(comment, "Leat gate") != 1 {
		t.Errorf("the comment says %s", comment)
	}

	s.reviews("mallory", n, forge.Approved)
	s.reviews("alice", n, forge.Approved)
	out := s.judged(n, "production pending: waits for 1 approval of bob, carol")
	refused := out.Report.Environments[0].Approvals[0].Refused
	if len(refused) != 1 {
		t.Errorf("refused are %v", refused)
	}
	s.reviews("bob", n, forge.Approved)
	s.judged(n, fine)
	if statuses, comment = s.told(n); statuses["leat/production"].State != forge.Success || strings.Count(comment, "Leat gate") != 1 {
		t.Errorf("got %+v, and the comment %s", statuses, comment)
	}

	// The head moves and nothing else is rendered; then something is.
	s.push("ann", "change", map[string]string{"production/a": "# why\n2\n", "README": "more\n"})
	s.judged(n, fine)
	s.push("ann", "change", map[string]string{"production/a": "3\n"})
	s.judged(n, twoMore)
	s.push("ann", "change", map[string]string{"production/a": "2\n"}) // back to what they saw
	s.judged(n, fine)

	// The base moves beside it; then in the environment.
	s.push("dave", "main", map[string]string{"staging/a": "2\n"})
	s.judged(n, fine)
	s.push("dave", "main", map[string]string{"production/b": "1\n"})
	s.judged(n, twoMore)
	s.reviews("alice", n, forge.Approved)
	s.reviews("bob", n, forge.Approved)
	s.judged(n, fine)

	// One takes it back.
	s.reviews("bob", n, forge.Rejected)
	s.judged(n, "production failure: bob asks for changes")
	s.must(s.as("alice").Dismiss(context.Background(), n, "bob"))
	s.judged(n, "production pending: waits for 1 approval of bob, carol")

	// A gate that begins anew finds the same, from the forge and from Git.
	s.gate = New(s.gate.Config)
	s.gate.Repo = s.clone(s.url)
	s.judged(n, "production pending: waits for 1 approval of bob, carol")
}

// Case 43: a change of the rules is judged by the old ones, needs the approval of whoever
// guards the branch, and loses it when the rules that it brings change again.
func TestRulesAreThoseOfTheBase(t *testing.T) {
	s := newStage(t)
	lax := strings.Replace(rules, "count: 2, users: [alice]", "count: 1, users: [mallory]", 1)
	s.push("ann", "lax", map[string]string{"leat.yaml": lax})
	n := s.opens("ann", "lax")
	s.reviews("mallory", n, forge.Approved)
	const staging = "staging success: checks passed"
	out := s.judged(n, staging, twoMore)
	if len(out.Report.Notes) != 1 || !strings.Contains(out.Report.Notes[0], "leat.yaml is changed") {
		t.Errorf("notes are %q", out.Report.Notes)
	}
	s.reviews("alice", n, forge.Approved)
	s.reviews("bob", n, forge.Approved)
	s.judged(n, staging, fine)
	s.push("ann", "lax", map[string]string{"leat.yaml": strings.Replace(rules, "count: 2", "count: 1", 1)})
	s.judged(n, staging, twoMore)

	// One that cannot be read would leave nothing to judge by; without it nobody is asked.
	s.push("ann", "lax", map[string]string{"leat.yaml": "nonsense: ["})
	if out := s.judge(n); out.Report.State != check.Failure {
		t.Errorf("got %s", out.Report.Verdict)
	}
	s.push("ann", "lax", map[string]string{"leat.yaml": ""})
	if out := s.judge(n); out.Report.State != check.Failure || !strings.Contains(out.Report.Verdict, "has no leat.yaml") {
		t.Errorf("got %s", out.Report.Verdict)
	}
}

func (s *stage) judge(n int) Outcome {
	s.Helper()
	out, err := s.gate.Judge(context.Background(), n)
	s.must(err)
	return out
}

// Of a fleet in a directory, the rules that count lie there: a change that takes them away
// is not judged by those above it.
func TestFleetInADirectory(t *testing.T) {
	s := newStage(t)
	s.push("dave", "main", map[string]string{"fleet/leat.yaml": rules})
	s.push("ann", "change", map[string]string{"fleet/leat.yaml": ""})
	s.gate.Dir = "fleet"
	const gone = " failure: cannot be rendered: the change has no leat.yaml: what a change is held to is read from the branch that it goes into, never from the change"
	s.judged(s.opens("ann", "change"), "staging"+gone, "production"+gone)
	s.gate.Dir = "nowhere"
	if out := s.judged(1); out.Judged {
		t.Errorf("judged by rules of another directory: %+v", out.Report)
	}
}

// Case 46: what others say in the gate's name is told, and said over.
func TestSpoofedStatus(t *testing.T) {
	s, ctx := newStage(t), context.Background()
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	s.judged(n, twoMore)
	pr, err := s.as(leat).Pull(ctx, n)
	s.must(err)
	for _, name := range []string{"leat/production", "Leat/Production"} {
		s.must(s.as("mallory").SetStatus(ctx, pr.Head.Commit, forge.Status{Context: name, State: forge.Success, Description: "approved by alice, bob"}))
	}
	before, _ := s.told(n)
	out := s.judged(n, twoMore)
	if len(out.Report.Notes) != 2 || !strings.Contains(out.Report.Notes[0], "mallory set the status leat/production to success: it does not count") {
		t.Errorf("notes are %q", out.Report.Notes)
	}
	after, comment := s.told(n)
	if !after["leat/production"].Updated.After(before["leat/production"].Updated) {
		t.Error("the gate's own status does not stand above")
	}
	if !strings.Contains(comment, "mallory set the status") {
		t.Errorf("the comment says %s", comment)
	}
	// Nothing new: nothing is written.
	s.judged(n, twoMore)
	if again, _ := s.told(n); again["leat/production"].Updated != after["leat/production"].Updated {
		t.Error("the same status was set again")
	}
	// A comment that looks like the gate's is nobody's.
	_, err = s.as("mallory").Comment(ctx, n, "<!-- leat:gate -->\n## 🟢 Leat gate\n\napproved")
	s.must(err)
	s.judged(n, twoMore)
	if _, again := s.told(n); again != comment {
		t.Error("the gate's comment moved")
	}
}

// Case 44: what moves while it is judged is not told; a retargeted pull request is judged
// by its new base.
func TestMoves(t *testing.T) {
	slow(t)
	s, ctx := newStage(t), context.Background()
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	render := s.gate.Render
	for _, branch := range []string{"change", "main"} {
		s.gate.Render = func(ctx context.Context, r Rendering) (check.Facts, error) {
			s.gate.Render = render
			s.push("mallory", branch, map[string]string{"production/" + branch: "1\n"})
			return render(ctx, r)
		}
		if _, err := s.gate.Judge(ctx, n); !errors.Is(err, ErrMoved) {
			t.Errorf("%s moved, and got %v", branch, err)
		}
	}
	if statuses, comment := s.told(n); len(statuses) != 0 || comment != "" {
		t.Errorf("something was told: %v, %s", statuses, comment)
	}
	s.judged(n, twoMore)
	s.reviews("alice", n, forge.Approved)
	s.reviews("bob", n, forge.Approved)
	s.judged(n, fine)

	s.gate.Forge = retargeted{s.gate.Forge}
	s.judged(n, "elsewhere pending: waits for 1 approval of dave")
	s.gate.Forge = s.as(leat)

	// It conflicts with its base.
	s.push("dave", "main", map[string]string{"production/a": "9\n"})
	s.judged(n, "staging failure: cannot be rendered: it conflicts with its base in production/a",
		"production failure: cannot be rendered: it conflicts with its base in production/a")

	// Closed, and into a branch that nothing guards.
	closed := forge.Closed
	_, err := s.as("ann").Edit(ctx, n, forge.Edit{State: &closed})
	s.must(err)
	if out := s.judge(n); out.Judged {
		t.Error("a closed pull request was judged")
	}
}

// retargeted has every pull request go into another branch.
type retargeted struct{ forge.Forge }

func (r retargeted) Pull(ctx context.Context, n int) (forge.PullRequest, error) {
	pr, err := r.Forge.Pull(ctx, n)
	pr.Base.Branch = "other"
	return pr, err
}

// Case 45: authors, machines and whoever pushed last approve nothing; nor does who was removed.
func TestWhoMayNot(t *testing.T) {
	slow(t)
	s := newStage(t)
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	for _, who := range []string{"alice", "bob", "carol"} {
		s.reviews(who, n, forge.Approved)
	}
	s.gate.Forge = informed{s.gate.Forge}
	out := s.judged(n, "production pending: waits for 2 approvals, and only bob may give one: name more people in leat.yaml")
	var why []string
	for _, r := range out.Report.Environments[0].Approvals[0].Refused {
		why = append(why, r.User+" "+r.Why)
	}
	if got := strings.Join(why, ", "); got != "alice is the author, bob is a bot, carol pushed last" {
		t.Errorf("got %s", got)
	}
	s.gate.Forge = s.as(leat)
	s.judged(n, "production success: checks passed; approved by alice, bob, carol")
	s.push("dave", "main", map[string]string{"leat.yaml": strings.Replace(rules, "[bob, carol]", "[carol]", 1)})
	s.judged(n, "production success: checks passed; approved by alice, carol")
	s.push("dave", "main", map[string]string{"leat.yaml": rules + "same: {Bob: carol, alice: ann}\n"})
	s.judged(n, "production pending: waits for 1 approval, and nobody is left who may give one: name more people in leat.yaml") // ann's two accounts, and carol's
	s.push("dave", "main", map[string]string{"leat.yaml": strings.Replace(rules, "[bob, carol]", "[dave]", 1)})
	s.judged(n, "production pending: waits for 1 approval of dave")
}

// informed is a forge where alice is the author, bob a machine, and carol pushed.
type informed struct{ forge.Forge }

func (i informed) Pull(ctx context.Context, n int) (forge.PullRequest, error) {
	pr, err := i.Forge.Pull(ctx, n)
	pr.Author, pr.Pusher = forge.User{ID: "alice", Login: "Alice"}, forge.User{ID: "carol", Login: "Carol"}
	return pr, err
}

func (i informed) Reviews(ctx context.Context, n int) ([]forge.Review, error) {
	all, err := i.Forge.Reviews(ctx, n)
	for i := range all {
		all[i].Reviewer.Bot = all[i].Reviewer.Login == "bob"
	}
	return all, err
}

// A closed environment opens for a change that somebody lets in who may approve it, and
// not for the word of others.
func TestOverride(t *testing.T) {
	slow(t)
	s, ctx := newStage(t), context.Background()
	frozen := strings.Replace(rules, "{environments: [production], approvals", `{environments: [production], freeze: [{from: "2020-01-01", to: "2199-12-31", zone: UTC}], approvals`, 1)
	s.push("dave", "main", map[string]string{"leat.yaml": frozen})
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	s.reviews("alice", n, forge.Approved)
	s.reviews("bob", n, forge.Approved)
	const closed = "production pending: closed: frozen until 2200-01-01 00:00 UTC"
	s.judged(n, closed)
	for _, who := range []string{"ann", "mallory"} {
		_, err := s.as(who).Comment(ctx, n, "/leat override production let me in")
		s.must(err)
	}
	_, err := s.as("carol").Comment(ctx, n, "/leat override production")
	s.must(err)
	s.judged(n, closed)
	_, err = s.as("carol").Comment(ctx, n, "I looked.\n/leat override production every disk is full")
	s.must(err)
	out := s.judged(n, "production success: checks passed; approved by alice, bob; closed, let in by carol: every disk is full")
	if out.Again.IsZero() {
		t.Error("nothing says when the override lapses")
	}
	if _, comment := s.told(n); !strings.Contains(comment, "let in all the same by carol") {
		t.Errorf("the override is not recorded: %s", comment)
	}
	s.now = out.Again
	s.judged(n, closed)
}
