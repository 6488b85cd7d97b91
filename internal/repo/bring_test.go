package repo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// The head of a pull request from a fork is on no branch of the repository.
func TestBring(t *testing.T) {
	ways(t, func(t *testing.T, up *repotest.Upstream, url string) {
		up.Commit("main", map[string]string{"a": "1\n"})
		up.Commit("theirs", map[string]string{"a": "2\n"})
		head := id(t, strings.TrimSpace(up.InBare("rev-parse", "theirs")))
		up.InBare("update-ref", "refs/pull/1/head", head.String())
		up.InBare("branch", "-D", "theirs")
		r := clone(t, url)
		if _, err := r.Look(head); err == nil {
			t.Fatal("it is here already")
		}
		for range 2 {
			if err := r.Bring(ctx, head); err != nil {
				t.Fatal(err)
			}
		}
		files := must(r.Tree(ctx, head, ""))(t)
		if got, _ := files.ReadFile("a"); string(got) != "2\n" {
			t.Errorf("got %q", got)
		}
		if _, err := r.MergeBase(ctx, must(r.Branch("main"))(t), head); err != nil {
			t.Errorf("its history is not here: %v", err)
		}
		head[0] ^= 1
		if err := r.Bring(ctx, head); err == nil || fault.ClassOf(err) == "" {
			t.Errorf("a commit that is nowhere: got %v, of class %q", err, fault.ClassOf(err))
		}
	})
}

// A commit that is made here may stand on files that came since files were last read.
func TestTreeOfWhatCameLater(t *testing.T) {
	ways(t, func(t *testing.T, up *repotest.Upstream, url string) {
		up.Commit("main", map[string]string{"a": "1\n"})
		r := clone(t, url)
		base := must(r.Branch("main"))(t)
		must(r.Tree(ctx, base, ""))(t)
		many := map[string]string{}
		for i := range 300 {
			many[fmt.Sprintf("dir/%d/file", i)] = fmt.Sprintln(i)
		}
		up.Git("push", "-q", "origin", "main:next")
		up.Commit("next", many)
		up.InBare("gc", "-q")
		if err := r.Fetch(ctx); err != nil {
			t.Fatal(err)
		}
		merged := must(r.Merge(ctx, Merge{Ours: base, Theirs: must(r.Branch("next"))(t), Message: "m", Author: bea}))(t)
		if files := must(r.Tree(ctx, merged.Commit, ""))(t); files.Files() != 301 {
			t.Errorf("%d files", files.Files())
		}
	})
}
