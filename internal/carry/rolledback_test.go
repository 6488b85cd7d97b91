package carry

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/flow"
)

// rolled rolls an environment back and merges that, as a person does.
func (o *organisation) rolled(name string, e flow.Environment) Rolled {
	o.Helper()
	out, err := Rollback(o.Context(), Rolling{Fleet: Onto{Repo: o.open(name), Author: bot}, Environment: e}, nil, func(Rolled) string { return "" })
	o.must(err)
	o.merged(name, out.Head, out.Base)
	return out
}

// What was rolled back in playground stays out of the next promotion, of one of all and
// of one after history that no promotion tells of; it comes when it is asked for.
func TestPromoteRespectsARollback(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0")})
	first := o.promoting("development", "playground")
	first.Only = []string{"operator.yaml"} // a part tells nothing of the rest: pins come by themselves
	out, err := Promote(t.Context(), first, nil)
	o.must(err)
	o.merged("fleet", out.Head, "release")
	playground, _ := o.flow.Environment("playground")
	back := o.rolled("fleet", playground)

	in := o.promoting("development", "playground")
	out, err = Promote(t.Context(), in, nil)
	if err != nil || !out.Nothing || len(out.Rollbacks) != 1 || out.Rollbacks[0].ID != back.Commit || !strings.Contains(out.Files.Text(), "rolled back by "+back.Commit.String()[:10]+" (lsc-sde, 2026-11-20)") {
		t.Errorf("got %v, nothing %v, %d rollbacks\n%s", err, out.Nothing, len(out.Rollbacks), out.Files.Text())
	}
	in.Again = true
	out, err = Promote(t.Context(), in, nil)
	o.must(err)
	o.shows("fleet", operator("release", "radixprod", "1.3.0"), "show", out.Head+":playground-configs/operator.yaml")

	// A newer version is another one.
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.3.1")})
	out, err = Promote(t.Context(), o.promoting("development", "playground"), nil)
	o.must(err)
	o.shows("fleet", operator("release", "radixprod", "1.3.1"), "show", out.Head+":playground-configs/operator.yaml")
	o.merged("fleet", out.Head, "release")
	if out, err = Promote(t.Context(), o.promoting("development", "playground"), nil); err != nil || len(out.Rollbacks) != 0 {
		t.Errorf("it is in force still: %v, %v", out.Rollbacks, err)
	}
}

// Branches that are merged: history keeps out what was rolled back, --again undoes the
// rollback first. Where a forge has squashed, history does not tell, and it is refused.
func TestMergeRespectsARollback(t *testing.T) {
	for _, squashed := range []bool{false, true} {
		o := newOrganisation(t, "fleet")
		up := o.up["fleet"]
		up.Commit("main", map[string]string{"core/a.yaml": "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n"})
		up.Git("push", "-q", "origin", "HEAD:refs/heads/prod")
		up.Commit("main", map[string]string{"core/a.yaml": "a: 2\nb: 1\nc: 1\nd: 1\ne: 1\n"})
		o.declare("apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: sandbox, branch: main}\n  - {name: prod, branch: prod, follows: sandbox}\n")
		out, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
		o.must(err)
		if squashed {
			up.Git("fetch", "-q", "origin")
			up.Git("checkout", "-q", "-B", "prod", "origin/prod")
			up.Git("merge", "-q", "--squash", "origin/"+out.Head)
			up.Git("commit", "-q", "-m", "all in one, and nothing said")
			up.Git("push", "-q", "origin", "prod")
		} else {
			o.merged("fleet", out.Head, "prod")
		}
		prod, _ := o.flow.Environment("prod")
		o.rolled("fleet", prod)
		o.fixed("fleet", "main", map[string]string{"core/a.yaml": "a: 2\nb: 1\nc: 1\nd: 1\ne: 2\n"})

		out, err = Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
		var back *RestoredError
		switch {
		case squashed && (!errors.As(err, &back) || !strings.Contains(err.Error(), "core/a.yaml:1: .a: it was rolled back by ")):
			t.Fatalf("squashed: got %v", err)
		case !squashed:
			o.must(err)
			o.shows("fleet", "a: 1\nb: 1\nc: 1\nd: 1\ne: 2", "show", out.Head+":core/a.yaml")
			if len(out.Rollbacks) != 1 {
				t.Errorf("%d rollbacks are told", len(out.Rollbacks))
			}
		}
		in := o.promoting("sandbox", "prod")
		in.Again = true
		out, err = Promote(t.Context(), in, nil)
		o.must(err)
		o.shows("fleet", "a: 2\nb: 1\nc: 1\nd: 1\ne: 2", "show", out.Head+":core/a.yaml")
	}
}

// What was rolled back in the source, and came back there, was never rolled back in the
// target, though its history holds the rollback.
func TestPromoteAfterARollbackOfTheSource(t *testing.T) {
	o := newOrganisation(t, "fleet")
	o.up["fleet"].Commit("main", map[string]string{"a.yaml": "a: 1\n"})
	o.up["fleet"].Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	o.up["fleet"].Commit("main", map[string]string{"a.yaml": "a: 2\n"})
	o.declare("apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: sandbox, branch: main}\n  - {name: prod, branch: prod, follows: sandbox}\n")
	sandbox, _ := o.flow.Environment("sandbox")
	o.rolled("fleet", sandbox)
	_, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
	o.must(err)
	o.merged("fleet", "promote/prod", "prod")
	o.fixed("fleet", "main", map[string]string{"a.yaml": "a: 2\n"})
	out, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
	if err != nil || len(out.Rollbacks) > 0 {
		t.Fatalf("got %v, %v", out.Rollbacks, err)
	}
	o.shows("fleet", "a: 2", "show", "promote/prod:a.yaml")
}

// A forge that squashes, and keeps what the promotion says: the next one goes on from
// there, and does not ask about what it brought.
func TestPromoteAfterASquash(t *testing.T) {
	o := newOrganisation(t, "fleet")
	up := o.up["fleet"]
	up.Commit("main", map[string]string{"a.yaml": "a: 1\n"})
	up.Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	up.Commit("main", map[string]string{"a.yaml": "a: 2\n"})
	o.declare("apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: sandbox, branch: main}\n  - {name: prod, branch: prod, follows: sandbox}\n")
	out, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
	o.must(err)
	up.Git("fetch", "-q", "origin")
	up.Git("checkout", "-q", "-B", "prod", "origin/prod")
	up.Git("merge", "-q", "--squash", "origin/"+out.Head)
	up.Git("commit", "-q", "-m", strings.TrimSpace(up.InBare("log", "-1", "--format=%B", out.Head)))
	up.Git("push", "-q", "origin", "prod")
	if out, err = Promote(t.Context(), o.promoting("sandbox", "prod"), nil); err != nil || !out.Nothing {
		t.Errorf("after the squash: nothing %v, %v", out.Nothing, err)
	}
	o.fixed("fleet", "main", map[string]string{"a.yaml": "a: 3\n"}) // both sides have changed the line since they parted
	out, err = Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
	o.must(err)
	o.shows("fleet", "a: 3", "show", out.Head+":a.yaml")
}

// A release that was rolled back is not written again by the next run of the same.
func TestReleaseRespectsARollback(t *testing.T) {
	o := lscsde(t)
	_, err := Release(t.Context(), o.releasing("keda"))
	o.must(err)
	sandbox, _ := o.flow.Environment("sandbox")
	o.rolled("core", sandbox)
	_, err = Release(t.Context(), o.releasing("keda"))
	var back *RestoredError
	if !errors.As(err, &back) || len(back.Places) != 1 || back.Places[0].On != "core/flux-config.yaml:.components.keda.repository.branch" {
		t.Fatalf("got %v", err)
	}
	o.shows("core", fluxConfig, "show", "main:core/flux-config.yaml")
	in := o.releasing("keda")
	in.Again = true
	_, err = Release(t.Context(), in)
	o.must(err)
	o.shows("core", strings.Replace(fluxConfig, "0.1.44", "0.1.45", 1), "show", "main:core/flux-config.yaml")
	o.rolled("core", sandbox)
	o.up["keda"].Commit("main", map[string]string{"a.yaml": "a: 9\n"})
	_, err = Release(t.Context(), o.releasing("keda")) // the next version is another one
	o.must(err)
	o.shows("core", strings.Replace(fluxConfig, "0.1.44", "0.1.46", 1), "show", "main:core/flux-config.yaml")
}

// What a person has committed to the branch of a promotion is not replaced; what is
// promoted in parts has branches of its own; and the same at another time stays.
func TestBranchesOfPromotions(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "master", map[string]string{
		"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0"), "development-configs/new.yaml": "a: 1\n", "development-configs/other.yaml": "a: 1\n",
	})
	var heads []string
	for _, only := range [][]string{{"new.yaml"}, {"other.yaml"}, {"../playground-configs/"}, nil} {
		in := o.promoting("development", "playground")
		in.Only = only
		out, err := Promote(t.Context(), in, nil)
		if len(only) > 0 && strings.HasPrefix(only[0], "..") {
			if err == nil {
				t.Errorf("%v was promoted", only)
			}
			continue
		}
		o.must(err)
		heads = append(heads, out.Head)
		was := out.Commit
		in.Fleet.Author.When = bot.When.Add(time.Hour)
		if out, err = Promote(t.Context(), in, nil); err != nil || out.Commit != was {
			t.Errorf("an hour later it is %s, was %s, %v", out.Commit, was, err)
		}
	}
	if got := strings.Join(heads, " "); got != "promote/playground+new-yaml-7665bb promote/playground+other-yaml-021979 promote/playground" {
		t.Errorf("branches: %s", got)
	}
	o.fixed("fleet", "promote/playground", map[string]string{"playground-configs/new.yaml": "a: 2\n"})
	o.fixed("fleet", "master", map[string]string{"development-configs/other.yaml": "a: 2\n"})
	if _, err := Promote(t.Context(), o.promoting("development", "playground"), nil); err == nil || !strings.Contains(err.Error(), "«change playground-configs/new.yaml» of Ann, which would be lost") {
		t.Errorf("got %v", err)
	}
	o.merged("fleet", "promote/playground", "release") // then it is in, and the branch is ours again
	_, err := Promote(t.Context(), o.promoting("development", "playground"), nil)
	o.must(err)
}

// Both sides changed the same lines: a person merges where the promotion would be, and
// the next run proposes that.
func TestMergeByHand(t *testing.T) {
	o := newOrganisation(t, "fleet")
	up := o.up["fleet"]
	up.Commit("main", map[string]string{"a.yaml": "a: 1\n"})
	up.Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	o.fixed("fleet", "main", map[string]string{"a.yaml": "a: 2\n"})
	o.fixed("fleet", "prod", map[string]string{"a.yaml": "a: 3\n"})
	o.declare("apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: sandbox, branch: main}\n  - {name: prod, branch: prod, follows: sandbox}\n")
	var by *MergeError
	if _, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil); !errors.As(err, &by) {
		t.Fatalf("got %v", err)
	}
	up.Git("fetch", "-q", "origin")
	up.Git("checkout", "-q", "-B", by.Head, "origin/"+by.Into)
	up.Git("merge", "-q", "-X", "theirs", by.From)
	up.Git("push", "-q", "origin", by.Head)
	out, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil)
	o.must(err)
	if out.Commit.String() != strings.TrimSpace(up.Git("rev-parse", "HEAD")) {
		t.Errorf("proposed %s", out.Commit)
	}
	o.shows("fleet", "a: 2", "show", "promote/prod:a.yaml")
}
