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
	"net/http"
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
	Push(t *testing.T, who, branch, file string) string
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
	Labels     bool   // pull requests have labels
	Local      bool   // there is no service that can be down, and there are no pages
}

// Open opens a repository at a forge.
type Open func(forge.Config) (forge.Forge, error)

// Opens lets a service's own way to open one be an Open.
func Opens[F forge.Forge](open func(forge.Config) (F, error)) Open {
	return func(c forge.Config) (forge.Forge, error) { return open(c) }
}

// Dial opens one that cannot fail to be opened.
func Dial(t *testing.T, open Open, c forge.Config) forge.Forge {
	t.Helper()
	return must(open(c))(t)
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
		{"two at once", atOnce}, {"too long", tooLong}, {"labels", labels}, {"comment", comment}, {"statuses", statuses}, {"pages", pages}, {"reviews", reviews},
		{"dismissed", dismissed}, {"author and pusher", pusher}, {"self-approval", selfApproval},
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
	s.Push(t, Leat, branch, branch+".yaml")
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
	head := s.Push(t, Leat, "look/at-me", "x.yaml")
	if b := must(f.Branch(ctx, "look/at-me"))(t); b.Commit != head || b.Protected {
		t.Errorf("got %+v, want %s, not protected", b, head)
	}
	if _, err := f.Branch(ctx, "no-such-branch"); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v (%s), want NotFound", err, fault.ClassOf(err))
	}
}

func propose(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	head := s.Push(t, Leat, "promote/web", "web.yaml")
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
	s.Push(t, Leat, "promote/db", "db.yaml")
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
	s.Push(t, Leat, "promote/no", "no.yaml")
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
	s.Push(t, Leat, "promote/race", "race.yaml")
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
	s.Push(t, Leat, "promote/long", "long.yaml")
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
		if wrote, err := forge.Say(ctx, f, forge.Remark{Number: made.Number, Marker: "plan", Body: p.Body}); err != nil || wrote != want {
			t.Errorf("a long comment: got %v, %v; want %v", wrote, err, want)
		}
	}
}

func comment(t *testing.T, s Stage) {
	ctx, f := within(t), as(t, s, Leat)
	pr := open(t, s, "say", Main)
	say := func(body string, want bool) {
		t.Helper()
		if wrote, err := forge.Say(ctx, f, forge.Remark{Number: pr.Number, Marker: "plan", Body: body}); err != nil || wrote != want {
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
