package repo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/git/wire"
	"github.com/leat-dev/leat/internal/tree"
)

var (
	ctx = context.Background()
	bea = Person{Name: "Bea", Email: "bea@example.com", When: time.Unix(1_700_100_000, 0).UTC()}
)

func id(t *testing.T, s string) Hash {
	t.Helper()
	h, err := wire.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func clone(t *testing.T, url string) *Repo {
	t.Helper()
	r := must(Clone(ctx, url, Options{Dir: t.TempDir(), Credential: &git.Credential{}}))(t)
	t.Cleanup(func() { r.Close() })
	return r
}

func text(s string) *tree.Blob { return tree.BlobOf([]byte(s)) }

// ways are the kinds of remotes that everything must work with.
func ways(t *testing.T, run func(t *testing.T, up *repotest.Upstream, url string)) {
	for name, url := range map[string]func(t *testing.T, up *repotest.Upstream) string{
		"http": func(t *testing.T, up *repotest.Upstream) string { return repotest.Serve(t, up) },
		"path": func(_ *testing.T, up *repotest.Upstream) string { return up.Bare },
	} {
		t.Run(name, func(t *testing.T) {
			up := repotest.New(t)
			run(t, up, url(t, up))
		})
	}
}

func TestCommitAndPush(t *testing.T) {
	ways(t, func(t *testing.T, up *repotest.Upstream, url string) {
		os.WriteFile(filepath.Join(up.Work, "run.sh"), []byte("#!/bin/sh\n"), 0o755)
		os.Symlink("run.sh", filepath.Join(up.Work, "link"))
		first := up.Commit("main", map[string]string{"apps/web.yaml": "a: 1\n", "apps/db.yaml": "b: 1\n", "README.md": "x\n"})
		up.Git("update-index", "--add", "--cacheinfo", "160000,"+first+",vendored")
		up.Git("commit", "-q", "-m", "a submodule")
		up.Git("push", "-q", "origin", "main")
		r := clone(t, url)
		head := must(r.Branch("main"))(t)

		draft := Draft{Parents: []Hash{head}, Message: "promote\n\nwhy", Author: bea, Changes: map[string]*tree.Blob{
			"apps/web.yaml": text("a: 2\n"), "apps/db.yaml": nil, "new/deep/file.yaml": text("c: 1\n"), "run.sh": text("#!/bin/sh\necho\n"),
		}}
		made := must(r.Commit(ctx, draft))(t)
		if again := must(r.Commit(ctx, draft))(t); again != made {
			t.Errorf("equal drafts gave %s and %s", made, again)
		}
		if err := r.Push(ctx, Update{Branch: "promote/web", New: made}); err != nil {
			t.Fatal(err)
		}
		up.InBare("fsck", "--strict", "--no-dangling")
		got := up.InBare("ls-tree", "-r", "promote/web")
		for _, want := range []string{"100755 blob", "120000 blob", "160000 commit " + first, "apps/web.yaml", "new/deep/file.yaml"} {
			if !strings.Contains(got, want) {
				t.Errorf("ls-tree lacks %q:\n%s", want, got)
			}
		}
		if strings.Contains(got, "db.yaml") {
			t.Errorf("apps/db.yaml was not deleted:\n%s", got)
		}
		if got := up.InBare("log", "-1", "--format=%an <%ae> %at %B", "promote/web"); got != "Bea <bea@example.com> 1700100000 promote\n\nwhy" {
			t.Errorf("got %q", got)
		}
		for _, p := range []string{"link", "vendored", "vendored/x", "apps"} {
			if _, err := r.Commit(ctx, Draft{Parents: []Hash{head}, Message: "m", Author: bea, Changes: map[string]*tree.Blob{p: text("x")}}); fault.ClassOf(err) != fault.Unsafe {
				t.Errorf("a file in place of %s: got %v, want Unsafe", p, err)
			}
		}
		if at := must(r.Branch("promote/web"))(t); at != made {
			t.Errorf("the copy has %s, want %s", at, made)
		}
	})
}

func TestCommitOfATree(t *testing.T) {
	up := repotest.New(t)
	up.Commit("main", map[string]string{"prod/a.yaml": "a\n", "prod/sub/b.yaml": "b\n", "dev/a.yaml": "d\n"})
	r := clone(t, up.Bare)
	head := must(r.Branch("main"))(t)
	files := must(tree.FromFiles(map[string]string{"a.yaml": "new\n", "c.yaml": "c\n"}))(t)
	made := must(r.Commit(ctx, Draft{Parents: []Hash{head}, Message: "m", Author: bea, Dir: "prod", Files: &files}))(t)
	got := must(r.Tree(ctx, made, "prod"))(t)
	if got.Hash() != files.Hash() {
		t.Errorf("prod differs: %v", tree.Changed(got, files))
	}
	if dev := must(r.Tree(ctx, made, "dev"))(t); dev.Files() != 1 {
		t.Errorf("dev has %d files, want 1", dev.Files())
	}
	if _, err := r.Commit(ctx, Draft{Parents: []Hash{made}, Message: "m", Author: bea, Dir: "prod", Files: &files}); !errors.Is(err, ErrNoChange) {
		t.Errorf("got %v, want ErrNoChange", err)
	}
	for _, p := range []string{".git/config", "a/.GIT/x", "../x", "git~1"} {
		if _, err := r.Commit(ctx, Draft{Parents: []Hash{head}, Message: "m", Author: bea, Changes: map[string]*tree.Blob{p: text("x")}}); err == nil {
			t.Errorf("%s was written", p)
		}
	}
}

func TestPushSaysWhatItExpects(t *testing.T) {
	ways(t, func(t *testing.T, up *repotest.Upstream, url string) {
		up.Commit("main", map[string]string{"a": "1\n"})
		up.Commit("release", map[string]string{"r": "1\n"})
		r := clone(t, url)
		main, release := must(r.Branch("main"))(t), must(r.Branch("release"))(t)
		next := func(parent Hash, word string) Hash {
			return must(r.Commit(ctx, Draft{Parents: []Hash{parent}, Message: word, Author: bea, Changes: map[string]*tree.Blob{"w": text(word)}}))(t)
		}
		a, b := next(main, "ours"), next(release, "ours too")
		other := up.Commit("release", map[string]string{"r": "2\n"})

		err := r.Push(ctx, Update{Branch: "main", Old: main, New: a}, Update{Branch: "release", Old: release, New: b})
		var moved *MovedError
		if !errors.As(err, &moved) || fault.ClassOf(err) != fault.Conflict || moved.Ref != "refs/heads/release" || moved.Have.String() != other {
			t.Fatalf("got %v, want a MovedError of release", err)
		}
		if got := up.InBare("rev-parse", "main"); got != main.String() {
			t.Errorf("main moved to %s though the push failed", got)
		}
		if err := r.Fetch(ctx); err != nil {
			t.Fatal(err)
		}
		b = next(id(t, other), "ours too")
		if err := r.Push(ctx, Update{Branch: "main", Old: main, New: a}, Update{Branch: "release", Old: id(t, other), New: b}); err != nil {
			t.Fatal(err)
		}
		if err := r.Push(ctx, Update{Branch: "main", Old: a, New: main}); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("got %v, want a refusal to lose commits", err)
		}
		if err := r.Push(ctx, Update{Branch: "main", New: b}); fault.ClassOf(err) != fault.Conflict {
			t.Errorf("got %v, want a Conflict for a branch that is there", err)
		}
		tag := must(r.WriteTag("v1.0.0", a, "first", bea))(t)
		if err := r.Push(ctx, Update{Tag: "v1.0.0", New: tag}, Update{Branch: "release", Old: b}); err != nil {
			t.Fatal(err)
		}
		if got := must(r.Tag("v1.0.0"))(t); got != a {
			t.Errorf("v1.0.0 is %s, want %s", got, a)
		}
		if _, err := r.Branch("release"); fault.ClassOf(err) != fault.NotFound {
			t.Errorf("got %v, want NotFound of a deleted branch", err)
		}
		up.InBare("fsck", "--strict", "--no-dangling")
	})
}

// A second process that pushes between our look and our push is refused, not lost.
func TestTwoPushAtOnce(t *testing.T) {
	ways(t, func(t *testing.T, up *repotest.Upstream, url string) {
		up.Commit("main", map[string]string{"a": "1\n"})
		one, two := clone(t, url), clone(t, url)
		head := must(one.Branch("main"))(t)
		errs := make(chan error, 2)
		for i, r := range []*Repo{one, two} {
			made := must(r.Commit(ctx, Draft{Parents: []Hash{head}, Message: "m", Author: bea, Changes: map[string]*tree.Blob{"w": text(string(rune('a' + i)))}}))(t)
			go func() { errs <- r.Push(ctx, Update{Branch: "main", Old: head, New: made}) }()
		}
		failed := 0
		for range 2 {
			if err := <-errs; err != nil {
				failed++
				if fault.ClassOf(err) != fault.Conflict {
					t.Errorf("got %v, want a Conflict", err)
				}
			}
		}
		if failed != 1 {
			t.Errorf("%d of two pushes failed, want 1", failed)
		}
		for _, r := range []*Repo{one, two} { // what the other pushed arrives
			if err := r.Fetch(ctx); err != nil {
				t.Fatal(err)
			}
			if at := must(r.Branch("main"))(t); at.String() != up.InBare("rev-parse", "main") || at == head {
				t.Errorf("main is %s after the race", at)
			}
		}
	})
}

func TestHooksOfTheServer(t *testing.T) {
	up := repotest.New(t)
	up.Commit("main", map[string]string{"a": "1\n"})
	hook := filepath.Join(up.Bare, "hooks", "pre-receive")
	os.MkdirAll(filepath.Dir(hook), 0o755)
	os.WriteFile(hook, []byte("#!/bin/sh\necho 'Not allowed to push to protected branch main' >&2\nexit 1\n"), 0o755)
	r := clone(t, repotest.Serve(t, up))
	head := must(r.Branch("main"))(t)
	made := must(r.Commit(ctx, Draft{Parents: []Hash{head}, Message: "m", Author: bea, Changes: map[string]*tree.Blob{"w": text("w")}}))(t)
	err := r.Push(ctx, Update{Branch: "main", Old: head, New: made})
	if fault.ClassOf(err) != fault.Protected || !strings.Contains(err.Error(), "Not allowed to push") {
		t.Errorf("got %v (%s), want Protected with the hook's words", err, fault.ClassOf(err))
	}
}

func TestHistory(t *testing.T) {
	up := repotest.New(t)
	base := up.Commit("main", map[string]string{"pins.yaml": "web: 1\ndb: 1\n", "docs/x": "1\n"})
	up.Commit("prod", map[string]string{"pins.yaml": "web: 2\ndb: 1\n"})
	fix := up.Commit("prod", map[string]string{"fix.yaml": "fixed: true\n"})
	up.Git("checkout", "-q", "main")
	up.Git("cherry-pick", fix+"~1")
	up.Git("push", "-q", "origin", "main")
	ahead := up.Commit("main", map[string]string{"docs/x": "2\n"})
	r := clone(t, up.Bare)
	main, prod := must(r.Branch("main"))(t), must(r.Branch("prod"))(t)

	if got := must(r.MergeBase(ctx, main, prod))(t); got.String() != base {
		t.Errorf("merge base %s, want %s", got, base)
	}
	if got := must(r.Missing(ctx, prod, main, SameCommit))(t); len(got) != 2 {
		t.Errorf("%d commits by name, want 2", len(got))
	}
	got := must(r.Missing(ctx, prod, main, SamePatch))(t)
	if len(got) != 1 || got[0].ID.String() != fix || got[0].Files[0] != "fix.yaml" {
		t.Errorf("by patch: %v, want %s alone", got, fix)
	}
	if want := strings.Count(up.Git("cherry", "main", "prod"), "+"); len(got) != want {
		t.Errorf("git cherry finds %d, we %d", want, len(got))
	}
	log := must(r.Log(ctx, Range{From: main, Paths: []string{"docs"}, Files: true}))(t)
	if len(log) != 2 || log[0].ID.String() != ahead || log[0].Author.Name != "Ann" {
		t.Errorf("log of docs: %v", log)
	}
	if in := must(r.Contains(main, id(t, base)))(t); !in {
		t.Error("main does not contain its base")
	}
}

func TestMerge(t *testing.T) {
	long := "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
	for name, c := range map[string]struct {
		ours, theirs map[string]string
		want         map[string]string // or
		conflict     string
	}{
		"other files":        {ours: map[string]string{"a": "2\n"}, theirs: map[string]string{"b": "2\n"}, want: map[string]string{"a": "2\n", "b": "2\n"}},
		"other lines":        {ours: map[string]string{"l": strings.Replace(long, "one", "ONE", 1)}, theirs: map[string]string{"l": strings.Replace(long, "six", "SIX", 1)}, want: map[string]string{"l": "ONE\ntwo\nthree\nfour\nfive\nSIX\nseven\n"}},
		"same lines":         {ours: map[string]string{"l": strings.Replace(long, "one", "ONE", 1)}, theirs: map[string]string{"l": strings.Replace(long, "one", "Uno", 1)}, conflict: "l: both sides changed the same lines"},
		"side by side":       {ours: map[string]string{"l": strings.Replace(long, "one", "ONE", 1)}, theirs: map[string]string{"l": strings.Replace(long, "two", "TWO", 1)}, conflict: "l: both sides changed the same lines"},
		"same change":        {ours: map[string]string{"l": "same\n"}, theirs: map[string]string{"l": "same\n", "b": "3\n"}, want: map[string]string{"l": "same\n"}},
		"changed, deleted":   {ours: map[string]string{"a": "2\n"}, theirs: map[string]string{"a": ""}, conflict: "a: one side changed it, the other deleted it"},
		"both add":           {ours: map[string]string{"n": "1\n"}, theirs: map[string]string{"n": "2\n"}, conflict: "n: both sides added it, with different contents"},
		"add in a directory": {ours: map[string]string{"d/x": "1\n"}, theirs: map[string]string{"d/y": "1\n"}, want: map[string]string{"d/x": "1\n", "d/y": "1\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := repotest.New(t)
			up.Commit("main", map[string]string{"a": "1\n", "b": "1\n", "l": long})
			up.Git("branch", "theirs")
			up.Commit("main", c.ours)
			up.Commit("theirs", c.theirs)
			r := clone(t, up.Bare)
			got, err := r.Merge(ctx, Merge{Ours: must(r.Branch("main"))(t), Theirs: must(r.Branch("theirs"))(t), Message: "merge", Author: bea})
			if err != nil {
				t.Fatal(err)
			}
			if c.conflict != "" {
				if len(got.Conflicts) != 1 || got.Conflicts[0].String() != c.conflict {
					t.Errorf("conflicts %v, want %q", got.Conflicts, c.conflict)
				}
				return
			}
			if len(got.Conflicts) > 0 {
				t.Fatalf("conflicts: %v", got.Conflicts)
			}
			files := must(r.Tree(ctx, got.Commit, ""))(t)
			for p, want := range c.want {
				if have, _ := files.ReadFile(p); !bytes.Equal(have, []byte(want)) {
					t.Errorf("%s is %q, want %q", p, have, want)
				}
			}
			up.Git("checkout", "-q", "main") // git makes the same tree
			up.Git("merge", "-q", "-m", "merge", "theirs")
			if err := r.Push(ctx, Update{Branch: "merged", New: got.Commit}); err != nil {
				t.Fatal(err)
			}
			if ours, theirs := up.InBare("rev-parse", "merged^{tree}"), up.Git("rev-parse", "HEAD^{tree}"); ours != theirs {
				t.Errorf("git merges to %s, we to %s", theirs, ours)
			}
		})
	}
}

func TestRevert(t *testing.T) {
	up := repotest.New(t)
	before := up.Commit("main", map[string]string{"a": "1\n", "b": "1\n"})
	bad := up.Commit("main", map[string]string{"a": "2\n"})
	head := up.Commit("main", map[string]string{"b": "2\n"})
	r := clone(t, up.Bare)
	got := must(r.Merge(ctx, Merge{Base: id(t, bad), Theirs: id(t, before), Ours: id(t, head), Parents: []Hash{id(t, head)}, Message: "Revert", Author: bea}))(t)
	files := must(r.Tree(ctx, got.Commit, ""))(t)
	a, _ := files.ReadFile("a")
	b, _ := files.ReadFile("b")
	if string(a) != "1\n" || string(b) != "2\n" {
		t.Errorf("a %q, b %q; want 1 and 2", a, b)
	}
}

// A person's clone: commits and pushes leave its work tree, index and branches alone.
func TestPersonsClone(t *testing.T) {
	up := repotest.New(t)
	up.Commit("main", map[string]string{"a": "1\n"})
	up.Git("remote", "set-url", "origin", repotest.Serve(t, up))
	up.Git("fetch", "-q")
	r := must(Open(filepath.Join(up.Work), Options{Credential: &git.Credential{}}))(t)
	defer r.Close()
	if err := r.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	head := must(r.Branch("main"))(t)
	made := must(r.Commit(ctx, Draft{Parents: []Hash{head}, Message: "m", Author: bea, Changes: map[string]*tree.Blob{"a": text("2\n")}}))(t)
	if err := r.Push(ctx, Update{Branch: "fix", New: made}); err != nil {
		t.Fatal(err)
	}
	if got := up.Git("status", "--porcelain", "--branch"); got != "## main" {
		t.Errorf("the clone is disturbed: %q", got)
	}
	if got := up.Git("rev-parse", "refs/remotes/origin/fix"); got != made.String() {
		t.Errorf("origin/fix is %s, want %s", got, made)
	}
	up.Git("fsck", "--strict", "--no-dangling")
}

// Reading a clone needs neither its remote nor a credential for it.
func TestOpenIsOffline(t *testing.T) {
	up := repotest.New(t)
	first := up.Commit("main", map[string]string{"a": "1\n"})
	up.Git("remote", "set-url", "origin", "git@git.example.invalid:team/fleet.git")
	t.Setenv("SSH_AUTH_SOCK", "")
	t.Setenv("HOME", t.TempDir())
	r := must(Open(up.Work, Options{}))(t)
	defer r.Close()
	if got := must(r.Branch("main"))(t); got.String() != first {
		t.Errorf("main is %s, want %s", got, first)
	}
	if r.URL() != "ssh://git.example.invalid/team/fleet.git" {
		t.Errorf("the remote is %s", r.URL())
	}
	if err := r.Fetch(ctx); fault.ClassOf(err) != fault.Auth {
		t.Errorf("fetch: got %v (%s), want Auth", err, fault.ClassOf(err))
	}
}

// A copy that is kept is one user's at a time: who comes meanwhile has one of their own,
// and both see the same.
func TestTwoUseACopy(t *testing.T) {
	up := repotest.New(t)
	first := up.Commit("main", map[string]string{"a": "1\n"})
	dir := t.TempDir()
	open := func() *Repo {
		r, err := Clone(t.Context(), up.Bare, Options{Dir: dir, Credential: &git.Credential{}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	one, two := open(), open()
	if one.Dir() == two.Dir() {
		t.Error("both have the same directory")
	}
	for _, r := range []*Repo{one, two} {
		if head := must(r.Branch("main"))(t); head.String() != first {
			t.Errorf("main is %s, want %s", head, first)
		}
	}
	kept, own := one.Dir(), two.Dir()
	for _, r := range []*Repo{two, one} {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(own); err == nil {
		t.Error("the other copy is left behind")
	}
	third := open()
	if third.Dir() != kept {
		t.Error("the kept copy was not used again")
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}
