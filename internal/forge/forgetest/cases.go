package forgetest

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

func statuses(t *testing.T, s Stage) {
	if !s.Can().Statuses {
		t.Skip("the service does not tell accounts apart")
	}
	ctx, f := within(t), as(t, s, Leat)
	head := s.Push(t, Leat, "status", "s.yaml")
	set := func(f forge.Forge, state forge.CheckState, context string) {
		t.Helper()
		if err := f.SetStatus(ctx, head, forge.Status{Context: context, State: state, Description: strings.Repeat("d", 300), URL: "https://leat.example.com/run/1"}); err != nil {
			t.Fatal(err)
		}
	}
	set(f, forge.Pending, "leat/production")
	set(f, forge.Failure, "leat/production")
	set(as(t, s, Mallory), forge.Success, "leat/production")
	set(as(t, s, Mallory), forge.Success, "Leat/Production")
	me := must(f.Me(ctx))(t)
	ours := forge.SetBy(must(f.Statuses(ctx, head))(t), me)
	if len(ours) != 1 || ours[0].State != forge.Failure || ours[0].Context != "leat/production" {
		t.Errorf("got %+v, want our own failure alone", ours)
	}
}

// enough is more than one page of any service has by default.
const enough = 60

func pages(t *testing.T, s Stage) {
	if !s.Can().Statuses || s.Can().Local {
		t.Skip("there is no list to fill")
	}
	ctx, f := within(t), as(t, s, Leat)
	head := s.Push(t, Leat, "pages", "p.yaml")
	for i := range enough {
		if err := f.SetStatus(ctx, head, forge.Status{Context: "c/" + string(rune('a'+i%26)) + string(rune('a'+i/26)), State: forge.Success}); err != nil {
			t.Fatal(err)
		}
	}
	if got := must(f.Statuses(ctx, head))(t); len(got) != enough {
		t.Errorf("got %d statuses, want %d", len(got), enough)
	}
}

func reviews(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "review", Main)
	if err := s.Review(t, Bob, pr.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	next := s.Push(t, Alice, "review", "more.yaml")
	list := must(f.Reviews(ctx, pr.Number))(t)
	if len(list) != 1 || list[0].Verdict != forge.Approved || list[0].Reviewer.Login != Bob || list[0].Dismissed {
		t.Fatalf("got %+v, want Bob's approval", list)
	}
	if bob := must(as(t, s, Bob).Me(ctx))(t); list[0].Reviewer.ID != bob.ID {
		t.Errorf("the approval is of the account %q, and Bob is %q", list[0].Reviewer.ID, bob.ID)
	}
	if list[0].Commit != pr.Head.Commit || list[0].Commit == next {
		t.Errorf("the approval is of %q, want the head that Bob saw, %s", list[0].Commit, pr.Head.Commit)
	}
	if err := s.Review(t, Bob, pr.Number, forge.Rejected); err != nil {
		t.Fatal(err)
	}
	list = must(f.Reviews(ctx, pr.Number))(t)
	if last := list[len(list)-1]; last.Verdict != forge.Rejected || last.Commit != next {
		t.Errorf("got %+v, want a rejection of %s", last, next)
	}
}

func dismissed(t *testing.T, s Stage) {
	if !s.Can().Dismissal {
		t.Skip("the service has no dismissals")
	}
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "dismiss", Main)
	if err := s.Review(t, Bob, pr.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	s.Dismiss(t, pr.Number, Bob)
	for _, r := range must(f.Reviews(ctx, pr.Number))(t) {
		if r.Verdict == forge.Approved && !r.Dismissed {
			t.Errorf("%+v still stands", r)
		}
	}
}

func pusher(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "pusher", Main)
	s.Push(t, Mallory, "pusher", "m.yaml")
	got := must(f.Pull(ctx, pr.Number))(t)
	if got.Author.Login != Leat {
		t.Errorf("the author is %q, want %s", got.Author.Login, Leat)
	}
	if s.Can().Pusher && got.Pusher.Login != Mallory {
		t.Errorf("the last pusher is %q, want %s", got.Pusher.Login, Mallory)
	}
}

// An author who approves is refused by the forge, or seen as who he is.
func selfApproval(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "self", Main)
	err := s.Review(t, Leat, pr.Number, forge.Approved)
	if (err == nil) != s.Can().SelfReview {
		t.Errorf("got %v, want success: %v", err, s.Can().SelfReview)
	}
	for _, r := range must(f.Reviews(ctx, pr.Number))(t) {
		if r.Verdict == forge.Approved && r.Reviewer.ID != pr.Author.ID {
			t.Errorf("%+v does not show the author", r)
		}
	}
}

// Labels are made where they are not there, and an edit leaves those that it names.
func labels(t *testing.T, s Stage) {
	if !s.Can().Labels {
		t.Skip("the service has no labels")
	}
	ctx, f := within(t), as(t, s, Leat)
	s.Push(t, Leat, "labels", "l.yaml")
	number := must(f.Create(ctx, forge.Draft{Head: "labels", Base: Main, Title: "labels", Labels: []string{"leat", "prod"}}))(t).Number
	for i, want := range [][]string{{"leat", "prod"}, {"prod", "to look at"}, {}} {
		if i > 0 {
			must(f.Edit(ctx, number, forge.Edit{Labels: &want}))(t)
		}
		got := must(f.Pull(ctx, number))(t).Labels
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got the labels %q, want %q", got, want)
		}
	}
}

func protected(t *testing.T, s Stage) {
	if !s.Can().Protection {
		t.Skip("the service protects nothing")
	}
	ctx, f := within(t), as(t, s, Leat)
	b := must(f.Branch(ctx, Guarded))(t)
	if !b.Protected || b.Protection.Approvals != 1 {
		t.Errorf("got %+v, want protected by one approval", b)
	}
	pr := open(t, s, "into-guarded", Guarded)
	if err := f.Merge(ctx, pr.Number, forge.Merge{Commit: pr.Head.Commit}); fault.ClassOf(err) != fault.Protected {
		t.Errorf("got %v (%s), want Protected", err, fault.ClassOf(err))
	}
}

func merge(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "merge", Main)
	next := s.Push(t, Alice, "merge", "later.yaml")
	if err := f.Merge(ctx, pr.Number, forge.Merge{Commit: pr.Head.Commit}); fault.ClassOf(err) != fault.Conflict {
		t.Errorf("got %v (%s), want a Conflict: somebody pushed", err, fault.ClassOf(err))
	}
	if err := f.Merge(ctx, pr.Number, forge.Merge{Commit: next, Title: "merged by the test", Delete: true}); err != nil {
		t.Fatal(err)
	}
	got := must(f.Pull(ctx, pr.Number))(t)
	if got.State != forge.Merged || got.MergedAs == "" {
		t.Errorf("got %s as %q, want merged", got.State, got.MergedAs)
	}
	if list := must(f.List(ctx, forge.Query{State: forge.Merged, Base: Main}))(t); !slices.ContainsFunc(list, func(p forge.PullRequest) bool { return p.Number == pr.Number }) {
		t.Error("it is not among the merged")
	}
	if err := f.Merge(ctx, pr.Number, forge.Merge{Commit: next}); err == nil {
		t.Error("it was merged twice")
	}
}

func members(t *testing.T, s Stage) {
	team := s.Can().Team
	if team == "" {
		t.Skip("the service has no teams")
	}
	ctx, f := within(t), as(t, s, s.Can().Insider)
	var logins []string
	for _, u := range must(f.Members(ctx, team))(t) {
		logins = append(logins, u.Login)
		if me := must(as(t, s, u.Login).Me(ctx))(t); u.ID == "" || u.ID != me.ID {
			t.Errorf("%s is the account %q in the team, and %q where they ask", u.Login, u.ID, me.ID)
		}
	}
	slices.Sort(logins)
	if want := []string{Alice, Bob}; !slices.Equal(logins, want) {
		t.Errorf("got %v, want %v", logins, want)
	}
	if _, err := f.Members(ctx, team+"-not"); fault.ClassOf(err) != fault.NotFound || err == nil {
		t.Errorf("got %v (%s), want NotFound", err, fault.ClassOf(err))
	}
	if _, err := as(t, s, "nobody-knows").Members(ctx, team); fault.ClassOf(err) != fault.Auth || !strings.Contains(err.Error(), "; want ") {
		t.Errorf("a wrong token: got %v (%s), want Auth and what it needs", err, fault.ClassOf(err))
	}
}

// trip makes a round tripper of a function.
type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header http.Header, body string) func(http.RoundTripper) http.RoundTripper {
	return func(http.RoundTripper) http.RoundTripper {
		return trip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1}, nil
		})
	}
}

func failures(t *testing.T, s Stage) {
	ctx := within(t)
	if _, err := as(t, s, Leat).Pull(ctx, 999_999); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("no such pull request: got %v (%s), want NotFound", err, fault.ClassOf(err))
	}
	if _, err := as(t, s, "nobody-knows").Me(ctx); fault.ClassOf(err) != fault.Auth {
		t.Errorf("a wrong token: got %v (%s), want Auth", err, fault.ClassOf(err))
	}
	if s.Can().Local {
		return
	}
	down := func(http.RoundTripper) http.RoundTripper {
		return trip(func(*http.Request) (*http.Response, error) { return nil, errors.New("connect: connection refused") })
	}
	json := http.Header{"Content-Type": {"application/json"}}
	for name, c := range map[string]struct {
		who   string
		wrap  func(http.RoundTripper) http.RoundTripper
		class fault.Class
		after time.Duration
	}{
		"down":           {Leat, down, fault.Unreachable, 0},
		"bad gateway":    {Leat, answer(502, nil, "<html>bad gateway</html>"), fault.Unreachable, 0},
		"rate limited":   {Leat, answer(429, http.Header{"Retry-After": {"7"}}, `{}`), fault.Busy, 7 * time.Second},
		"busy":           {Leat, answer(503, http.Header{"Retry-After": {"30"}}, `{}`), fault.Busy, 30 * time.Second},
		"forbidden":      {Leat, answer(403, json, `{"message":"no"}`), fault.Forbidden, 0},
		"no JSON":        {Leat, answer(200, nil, "<html>hello</html>"), fault.Unreachable, 0},
		"too much of it": {Leat, answer(200, json, strings.Repeat(" ", forge.MaxAnswer+2)), fault.TooLarge, 0},
	} {
		_, err := s.Forge(t, c.who, c.wrap).Me(ctx)
		if fault.ClassOf(err) != c.class || fault.After(err) != c.after {
			t.Errorf("%s: got %v (%s, after %s), want %s after %s", name, err, fault.ClassOf(err), fault.After(err), c.class, c.after)
		}
	}
}
