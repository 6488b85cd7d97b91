package fleettest

import (
	"slices"
	"testing"
)

func TestTableLeavesOutWhatDiffersBetweenRuns(t *testing.T) {
	r := result{Ready: 1, Units: 3, code: 1, Rows: []row{
		{Kind: "GitRepository", Namespace: "a", Name: "b", State: "ready"},
		{Kind: "Kustomization", Namespace: "a", Name: "c", State: "failed", Message: "timeout after 1.5s at\n main@sha1:0123456789abcdef on 127.0.0.1:4711"},
		{Kind: "Kustomization", Namespace: "a", Name: "d", State: "waiting", Message: "whatever", On: []string{"Kustomization/a/c"}},
	}}
	want := []string{
		"# 1 of 3 units are ready; exit 1",
		"ready        GitRepository/a/b",
		"failed       Kustomization/a/c                                               timeout after TIME at main@sha1:… on 127.0.0.1:PORT",
		"waiting      Kustomization/a/d                                               waits for Kustomization/a/c",
	}
	if got := table(r); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestTableIsComparedBothWays(t *testing.T) {
	table := []string{"ready a", "ready b"}
	for _, c := range []struct {
		got  []string
		want int // differences
	}{
		{[]string{"ready a", "ready b"}, 0},
		{[]string{"ready a"}, 1},
		{[]string{"ready a", "ready b", "ready c"}, 1},
		{[]string{"ready a", "failed b"}, 2},
		{[]string{"ready b", "ready a"}, 1},
		{[]string{"ready a", "ready b", "ready b"}, 1},
	} {
		if got := differences(c.got, table); len(got) != c.want {
			t.Errorf("%q: got %q, want %d differences", c.got, got, c.want)
		}
	}
}
