// Package forgetest holds the cases that every implementation of forge.Forge must
// pass, against the real service where a test can have one and against strict
// local servers elsewhere.
//
//	forgetest.Run(t, stage)
//
// A case uses branches of its own, so that all can share one repository.
package forgetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// The people of a stage. All may push; Leat is the account of the program.
const (
	Leat    = "leat"
	Alice   = "alice"
	Bob     = "bob"
	Mallory = "mallory"
)

// Main is the default branch; Guarded is protected: it wants one approval.
const (
	Main    = "main"
	Guarded = "guarded"
)

// Stage is a forge with one repository, and what people do there without us.
type Stage interface {
	// Forge is the repository as a person sees it. Requests go through wrap; a
	// person of another name has a token that the forge refuses.
	Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge
	// Push commits a file to a branch, which begins at main when it is new, and
	// returns the commit.
	Push(t *testing.T, who, branch, file, text string) string
	// Review says something of the pull request as it stands now.
	Review(t *testing.T, who string, number int, v forge.Verdict) error
	// Dismiss takes all reviews of a person back.
	Dismiss(t *testing.T, number int, who string)
	// Can tells what the service has at all.
	Can() Abilities
}

// Abilities are what not every service has.
type Abilities struct {
	Pusher     bool   // it tells who pushed last
	Dismissal  bool   // reviews can be dismissed
	Statuses   bool   // every account has a status of its own for a context
	Team       string // whose members are Bob and Alice; "" for none
	Insider    string // who may read that
	SelfReview bool   // an author may approve, and shows up as the reviewer
	Protection bool   // Guarded is protected, by the service
	Titles     bool   // people may edit titles and bodies
	Local      bool   // there is no service that can be down, and there are no pages
}

// plainly leaves requests as they are.
func plainly(rt http.RoundTripper) http.RoundTripper { return rt }

// Run runs every case.
func Run(t *testing.T, s Stage) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Stage)
	}{
		{"repository", repository}, {"propose", propose}, {"edited by a person", edited}, {"closed by a person", closed},
		{"two at once", atOnce}, {"too long", tooLong}, {"comment", comment}, {"statuses", statuses}, {"pages", pages}, {"reviews", reviews},
		{"dismissed", dismissed}, {"author and pusher", pusher}, {"self-approval", selfApproval}, {"files", files},
		{"protected", protected}, {"merge", merge}, {"members", members}, {"errors", failures},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// patience bounds a case.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func as(t *testing.T, s Stage, who string) forge.Forge { return s.Forge(t, who, plainly) }

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// open makes a branch with one file and the pull request of it.
func open(t *testing.T, s Stage, branch, base string) forge.PullRequest {
	t.Helper()
	s.Push(t, Leat, branch, branch+".yaml", "a: 1\n")
	return must(as(t, s, Leat).Create(within(t), forge.Draft{Head: branch, Base: base, Title: "change " + branch, Body: "why"}))(t)
}

func repository(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	r := must(f.Repository(ctx))(t)
	if r.DefaultBranch != Main || r.Name == "" {
		t.Errorf("got %+v, want the default branch %s and a name", r, Main)
	}
	me := must(f.Me(ctx))(t)
	if me.ID == "" || me.Login == "" {
		t.Errorf("got %+v, want an account", me)
	}
	head := s.Push(t, Leat, "look/at-me", "x.yaml", "x\n")
	if b := must(f.Branch(ctx, "look/at-me"))(t); b.Commit != head || b.Protected {
		t.Errorf("got %+v, want %s, not protected", b, head)
	}
	if _, err := f.Branch(ctx, "no-such-branch"); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v (%s), want NotFound", err, fault.ClassOf(err))
	}
}

func propose(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	head := s.Push(t, Leat, "promote/web", "web.yaml", "a: 1\n")
	p := forge.Proposal{Head: "promote/web", Base: Main, Title: "promote web", Body: "the plan"}
	run := func(want forge.Outcome) forge.PullRequest {
		t.Helper()
		pr, how, err := forge.Propose(ctx, f, p)
		if err != nil || how != want {
			t.Fatalf("got %q, %v; want %q", how, err, want)
		}
		return pr
	}
	made := run(forge.Created)
	if made.Head.Commit != head || made.Head.Branch != "promote/web" || made.Base.Branch != Main || made.State != forge.Open || made.Fork() {
		t.Errorf("got %+v", made)
	}
	if again := run(forge.Same); again.Number != made.Number {
		t.Errorf("got %d, want %d", again.Number, made.Number)
	}
	p.Body, p.Title = "another plan", "promote web to 2"
	if next := run(forge.Updated); next.Number != made.Number || next.Title != p.Title || !strings.Contains(next.Body, "another plan") || strings.Contains(next.Body, "the plan\n") {
		t.Errorf("got %q: %q", next.Title, next.Body)
	}
	run(forge.Same)
}

func edited(t *testing.T, s Stage) {
	if !s.Can().Titles {
		t.Skip("there is nothing to edit")
	}
	ctx, f := within(t), as(t, s, Leat)
	s.Push(t, Leat, "promote/db", "db.yaml", "a: 1\n")
	p := forge.Proposal{Head: "promote/db", Base: Main, Title: "promote db", Body: "the plan"}
	made, _, err := forge.Propose(ctx, f, p)
	if err != nil {
		t.Fatal(err)
	}
	title, body := "Mind the database!", "Talk to Bob first.\n\n"+made.Body+"\n\nFixes 7."
	must(as(t, s, Alice).Edit(ctx, made.Number, forge.Edit{Title: &title, Body: &body}))(t)
	p.Title, p.Body = "promote db to 2", "a newer plan"
	got, how, err := forge.Propose(ctx, f, p)
	if err != nil || how != forge.Updated {
		t.Fatalf("got %q, %v", how, err)
	}
	if got.Title != title {
		t.Errorf("the title is %q, want the person's %q", got.Title, title)
	}
	for _, want := range []string{"Talk to Bob first.", "a newer plan", "Fixes 7."} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("the body lacks %q:\n%s", want, got.Body)
		}
	}
	if strings.Contains(got.Body, "the plan\n") {
		t.Errorf("the old plan is still there:\n%s", got.Body)
	}
}

func closed(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	s.Push(t, Leat, "promote/no", "no.yaml", "a: 1\n")
	p := forge.Proposal{Head: "promote/no", Base: Main, Title: "promote no", Body: "the plan", Digest: "one"}
	made, _, err := forge.Propose(ctx, f, p)
	if err != nil {
		t.Fatal(err)
	}
	state := forge.Closed
	if got := must(as(t, s, Alice).Edit(ctx, made.Number, forge.Edit{State: &state}))(t); got.State != forge.Closed {
		t.Fatalf("it is %s, want closed", got.State)
	}
	if got, how, err := forge.Propose(ctx, f, p); err != nil || how != forge.Declined || got.Number != made.Number {
		t.Errorf("got %d, %q, %v; want %d declined", got.Number, how, err, made.Number)
	}
	p.Digest = "two"
	if got, how, err := forge.Propose(ctx, f, p); err != nil || how != forge.Created || got.Number == made.Number {
		t.Errorf("got %d, %q, %v; want a new one", got.Number, how, err)
	}
}

func atOnce(t *testing.T, s Stage) {
	ctx := within(t)
	s.Push(t, Leat, "promote/race", "race.yaml", "a: 1\n")
	p := forge.Proposal{Head: "promote/race", Base: Main, Title: "race", Body: "the plan"}
	var all sync.WaitGroup
	numbers, errs := make([]int, 2), make([]error, 2)
	for i := range 2 {
		f := as(t, s, Leat)
		all.Go(func() {
			pr, _, err := forge.Propose(ctx, f, p)
			numbers[i], errs[i] = pr.Number, err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	list := must(as(t, s, Leat).List(ctx, forge.Query{State: forge.Open, Head: "promote/race"}))(t)
	if len(list) != 1 || numbers[0] != numbers[1] {
		t.Errorf("%d are open and the two got %v, want one", len(list), numbers)
	}
}

// A plan that is longer than any forge takes is shortened, and the same again.
func tooLong(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	s.Push(t, Leat, "promote/long", "long.yaml", "a: 1\n")
	p := forge.Proposal{Head: "promote/long", Base: Main, Title: "long", Body: strings.Repeat("a line of the plan\n", 10_000)}
	made, _, err := forge.Propose(ctx, f, p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(made.Body, "is left out") || !strings.Contains(made.Body, "leat:end") {
		t.Errorf("the body of %d bytes ends in %q", len(made.Body), made.Body[max(0, len(made.Body)-200):])
	}
	if _, how, err := forge.Propose(ctx, f, p); err != nil || how != forge.Same {
		t.Errorf("again: got %q, %v", how, err)
	}
	for _, want := range []bool{true, false} {
		if wrote, err := forge.Say(ctx, f, made.Number, "plan", p.Body); err != nil || wrote != want {
			t.Errorf("a long comment: got %v, %v; want %v", wrote, err, want)
		}
	}
}

func comment(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "say", Main)
	say := func(body string, want bool) {
		t.Helper()
		if wrote, err := forge.Say(ctx, f, pr.Number, "plan", body); err != nil || wrote != want {
			t.Fatalf("got %v, %v; want %v", wrote, err, want)
		}
	}
	say("first", true)
	say("first", false)
	// Somebody copies the marker: that comment is not ours.
	must(as(t, s, Mallory).Comment(ctx, pr.Number, "<!-- leat:plan -->\nall is well"))(t)
	say("second", true)
	list := must(f.Comments(ctx, pr.Number))(t)
	if len(list) != 2 || !strings.Contains(list[0].Body, "second") || !strings.Contains(list[1].Body, "all is well") {
		t.Errorf("got %+v, want ours edited in place and the other as it was", list)
	}
	if len(list) == 2 && list[0].Author.ID == list[1].Author.ID {
		t.Error("both comments have one author")
	}
}

func statuses(t *testing.T, s Stage) {
	if !s.Can().Statuses {
		t.Skip("the service does not tell accounts apart")
	}
	ctx, f := within(t), as(t, s, Leat)
	head := s.Push(t, Leat, "status", "s.yaml", "a: 1\n")
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
	head := s.Push(t, Leat, "pages", "p.yaml", "a: 1\n")
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
	next := s.Push(t, Alice, "review", "more.yaml", "b: 1\n")
	list := must(f.Reviews(ctx, pr.Number))(t)
	if len(list) != 1 || list[0].Verdict != forge.Approved || list[0].Reviewer.Login != Bob || list[0].Dismissed {
		t.Fatalf("got %+v, want Bob's approval", list)
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
	s.Push(t, Mallory, "pusher", "m.yaml", "m: 1\n")
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

func files(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "files", Main)
	s.Push(t, Leat, "files", "dir/other.yaml", "b: 1\n")
	if got, want := must(f.Files(ctx, pr.Number))(t), []string{"dir/other.yaml", "files.yaml"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
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
	next := s.Push(t, Alice, "merge", "later.yaml", "b: 1\n")
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
	}
	slices.Sort(logins)
	if want := []string{Alice, Bob}; !slices.Equal(logins, want) {
		t.Errorf("got %v, want %v", logins, want)
	}
	if _, err := f.Members(ctx, team+"-not"); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v (%s), want NotFound", err, fault.ClassOf(err))
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
