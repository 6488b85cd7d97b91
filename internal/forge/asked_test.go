package forge

import (
	"slices"
	"testing"
)

func TestSelect(t *testing.T) {
	of := func(number int, state State, head, base, repo string) PullRequest {
		return PullRequest{Number: number, State: state, Head: Side{Branch: head, Repo: repo}, Base: Side{Branch: base, Repo: "team/fleet"}}
	}
	list := []PullRequest{of(1, Open, "a", "main", "team/fleet"), of(2, Open, "a", "main", "mallory/fleet"), of(3, Closed, "a", "main", "team/fleet"), of(4, Open, "b", "other", "team/fleet")}
	for name, c := range map[string]struct {
		q    Query
		want []int
	}{
		"all":                 {Query{}, []int{4, 3, 2, 1}},
		"open":                {Query{State: Open}, []int{4, 2, 1}},
		"a branch is no fork": {Query{Head: "a"}, []int{3, 1}},
		"base":                {Query{Base: "main", State: Open}, []int{2, 1}},
	} {
		var got []int
		for _, p := range c.q.Select(list) {
			got = append(got, p.Number)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if list[0].Number != 1 {
		t.Error("the list itself was sorted")
	}
}

func TestAgainst(t *testing.T) {
	p := PullRequest{Number: 7, State: Open, Head: Side{Commit: "abc"}}
	if err := (Merge{Commit: "abc"}).Against(p); err != nil {
		t.Error(err)
	}
	if err := (Merge{Commit: "old"}).Against(p); err == nil {
		t.Error("a head that nobody looked at is merged")
	}
	p.State = Closed
	if err := (Merge{Commit: "abc"}).Against(p); err == nil {
		t.Error("what is closed is merged")
	}
}

func TestHear(t *testing.T) {
	bob, eve := User{ID: "1"}, User{ID: "2"}
	said := Hear(nil, Review{Reviewer: bob, Verdict: Approved})
	said = Hear(said, Review{Reviewer: eve, Verdict: Approved})
	said = Hear(said, Review{Reviewer: bob})
	said = Hear(said, Review{Reviewer: bob, Verdict: Rejected})
	if len(said) != 3 || !said[0].Dismissed || said[1].Dismissed || said[2].Dismissed {
		t.Errorf("got %+v, want Bob's first word taken back and no other", said)
	}
}

func TestStateOf(t *testing.T) {
	words := map[CheckState]string{Pending: "INPROGRESS", Success: "SUCCESSFUL", Failure: "FAILED", Errored: "FAILED"}
	for theirs, want := range map[string]CheckState{"SUCCESSFUL": Success, "FAILED": Failure, "INPROGRESS": Pending, "UNKNOWN": Pending, "": Pending} {
		if got := StateOf(words, theirs); got != want {
			t.Errorf("%q: got %q, want %q", theirs, got, want)
		}
	}
}

func TestMoved(t *testing.T) {
	for _, c := range []struct{ ref, after, branch, commit string }{
		{"refs/heads/a/b", "abc0", "a/b", "abc0"}, {"refs/tags/v1", "abc", "", "abc"}, {"refs/heads/a", "0000000000", "a", ""},
	} {
		var e Event
		if e.Moved(c.ref, c.after); e.Branch != c.branch || e.Commit != c.commit || e.Kind != Pushed {
			t.Errorf("%s: got %+v", c.ref, e)
		}
	}
}
