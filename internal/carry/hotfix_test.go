package carry

import (
	"strings"
	"testing"
	"time"
)

func (o *organisation) fixing(env, component string) Fixing {
	o.Helper()
	return Fixing{Flow: o.flow, Fleet: Onto{Repo: o.open("core"), Author: bot}, Repos: o, Environment: env, Component: component, ID: "123"}
}

// fixed makes a commit on a branch of a repository, as a developer does.
func (o *organisation) fixed(name, branch string, files map[string]string) {
	o.Helper()
	o.up[name].Git("fetch", "-q", "origin")
	o.up[name].Git("checkout", "-q", "-B", branch, "origin/"+branch)
	o.up[name].Commit(branch, files)
}

func (o *organisation) merged(name, branch, into string) {
	o.Helper()
	o.up[name].Git("fetch", "-q", "origin")
	o.up[name].Git("checkout", "-q", "-B", into, "origin/"+into)
	o.up[name].Git("merge", "-q", "--no-ff", "-m", "Merge "+branch, "origin/"+branch)
	o.up[name].Git("push", "-q", "origin", into)
}

// status are the fixes that main lacks, and what could not be looked into.
func (o *organisation) status() (found, unknown []Unmerged, err error) {
	o.Helper()
	all, err := o.fixing("", "").Status(o.Context())
	for _, u := range all {
		if u.Why == "" {
			found = append(found, u)
		} else {
			unknown = append(unknown, u)
		}
	}
	return found, unknown, err
}

// finish proposes what a component's branch has to main.
func (o *organisation) finish(env, component string) (Proposed, error) {
	o.Helper()
	in := o.fixing(env, component)
	at, err := in.Find(o.Context())
	o.must(err)
	return in.Finish(o.Context(), at, nil, "")
}

func subjects[C interface{ Subject() string }](commits []C) string {
	var out []string
	for _, c := range commits {
		out = append(out, c.Subject())
	}
	return strings.Join(out, ", ")
}

// The default strategy of seed 1: from the release branch that production runs, back
// into it, and on to main.
func TestHotfixOfAComponent(t *testing.T) {
	o := lscsde(t)
	o.up["core"].Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	o.up["core"].Commit("main", map[string]string{"core/flux-config.yaml": strings.Replace(fluxConfig, `"release/0.1.44"`, "main", 1)}) // sandbox is elsewhere

	in := o.fixing("prod", "keda")
	in.DryRun = true
	if _, step, err := in.Start(t.Context()); err != nil || step.Done || step.What != "cut from release/0.1.44 at "+step.Commit.String()[:10] {
		t.Errorf("would do %+v, %v", step, err)
	}
	if _, err := o.open("keda").Branch("hotfix/123"); err == nil {
		t.Error("a dry run cut the branch")
	}
	in = o.fixing("prod", "keda")
	at, step, err := in.Start(t.Context())
	o.must(err)
	if at.Branch != "release/0.1.44" || at.Main != "main" || at.Pin.At() != "core/flux-config.yaml:5" || len(at.Followers) != 1 || at.Followers[0].Name != "prod" {
		t.Errorf("runs %+v", at)
	}
	if step.Branch != "hotfix/123" || step.Done {
		t.Errorf("did %+v", step)
	}
	o.shows("keda", strings.TrimSpace(o.up["keda"].InBare("rev-parse", "release/0.1.44")), "rev-parse", "hotfix/123")
	if _, err := in.Submit(t.Context(), at, nil, ""); err == nil || err.Error() != "hotfix/123 has nothing that release/0.1.44 does not have" {
		t.Errorf("submitted nothing: %v", err)
	}

	o.fixed("keda", "hotfix/123", map[string]string{"fix.yaml": "fixed: true\n"})
	in = o.fixing("prod", "keda")
	if at, step, err = in.Start(t.Context()); err != nil || !step.Done {
		t.Errorf("begun anew: %+v, %v", step, err)
	}
	pr, err := in.Submit(t.Context(), at, nil, "")
	o.must(err)
	if pr.Head != "hotfix/123" || pr.Base != "release/0.1.44" || len(pr.Commits) != 1 || !strings.Contains(pr.Instead, "merge hotfix/123 into release/0.1.44") {
		t.Errorf("proposed %+v", pr)
	}
	o.merged("keda", "hotfix/123", "release/0.1.44")

	found, dangling, err := o.status()
	o.must(err)
	if len(dangling) != 2 || !strings.Contains(dangling[0].Why, "which does not exist") || strings.Join(dangling[0].Environments, " ") != "sandbox prod" {
		t.Errorf("dangling: %+v", dangling)
	}
	if len(found) != 1 || found[0].Component != "keda" || found[0].Branch != "release/0.1.44" || strings.Join(found[0].Environments, " ") != "prod" || len(found[0].Commits) != 1 {
		t.Errorf("status: %+v", found)
	}
	pr, err = o.finish("prod", "keda")
	o.must(err)
	if pr.Head != "release/0.1.44" || pr.Base != "main" {
		t.Errorf("finish: %+v", pr)
	}
	o.merged("keda", "release/0.1.44", "main")
	if found, _, err = o.status(); err != nil || len(found) != 0 {
		t.Errorf("status at the end: %+v, %v", found, err)
	}
	if _, err := o.finish("prod", "keda"); err == nil {
		t.Error("finished twice")
	}
}

// The strategy of the core repository: environments are branches of it.
func TestHotfixOfTheFleet(t *testing.T) {
	o := lscsde(t)
	o.up["core"].Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	in := o.fixing("prod", "")
	at, _, err := in.Start(t.Context())
	o.must(err)
	if at.Branch != "prod" || at.Main != "main" || len(at.Followers) != 1 {
		t.Errorf("runs %+v", at)
	}
	o.fixed("core", "hotfix/123", map[string]string{"core/fix.yaml": "a: 1\n"})
	o.merged("core", "hotfix/123", "prod")
	found, _, err := o.status()
	o.must(err)
	if len(found) != 1 || found[0].Component != "" || found[0].Branch != "prod" || subjects(found[0].Commits) == "" {
		t.Errorf("status: %+v", found)
	}
	// A fix that somebody picked by hand is in main, under another name.
	o.up["core"].Git("checkout", "-q", "main")
	o.up["core"].Git("cherry-pick", strings.TrimSpace(o.up["core"].Git("rev-parse", "origin/hotfix/123")))
	o.up["core"].Git("commit", "-q", "--amend", "-m", "the same, by hand")
	o.up["core"].Git("push", "-q", "origin", "main")
	if found, _, err = o.status(); err != nil || len(found) != 0 {
		t.Errorf("status: %+v, %v", found, err)
	}
}

func TestHotfixRefuses(t *testing.T) {
	o := lscsde(t)
	o.up["core"].Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	for name, c := range map[string]struct {
		edit func(*Fixing)
		want string
	}{
		"no environment":    {func(f *Fixing) { f.Environment = "production" }, "there is no environment production; leat.yaml has sandbox, prod"},
		"no pin":            {func(f *Fixing) { f.Component = "umbrella" }, "leat.yaml does not say where its repository is"},
		"a dangling pin":    {func(f *Fixing) { f.Component = "jupyter_hub" }, "prod runs the branch release/0.2.105 of jupyter_hub (core/flux-config.yaml:8), which does not exist"},
		"a space":           {func(f *Fixing) { f.ID = "a b" }, `"a b": a branch cannot have " " in its name`},
		"a flag":            {func(f *Fixing) { f.ID = "--upload-pack=x" }, "is no name of a branch"},
		"another directory": {func(f *Fixing) { f.ID = "../../main" }, "no part of a branch's name can begin with a dot"},
		"a lock":            {func(f *Fixing) { f.ID = "a.lock" }, "or end in .lock"},
		"a line":            {func(f *Fixing) { f.ID = "a\nb" }, "is no name of a branch"},
		"a novel":           {func(f *Fixing) { f.ID = strings.Repeat("x", 300) }, "is no name of a branch"},
	} {
		in := o.fixing("prod", "keda")
		c.edit(&in)
		if _, _, err := in.Start(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	o.up["keda"].Git("checkout", "-q", "--orphan", "elsewhere")
	o.up["keda"].Git("commit", "-q", "--allow-empty", "-m", "elsewhere")
	o.up["keda"].Git("push", "-q", "origin", "HEAD:refs/heads/hotfix/123")
	if _, _, err := o.fixing("prod", "keda").Start(t.Context()); err == nil || !strings.Contains(err.Error(), "exists already and does not begin at what prod runs") {
		t.Errorf("got %v", err)
	}
}

// A fix is as old as its branch has it, however long it was worked on; what only carries
// changes is no fix.
func TestStatusTellsSince(t *testing.T) {
	o := lscsde(t)
	up := o.up["core"]
	up.Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	up.Git("push", "-q", "origin", "HEAD:refs/heads/hotfix/123")
	o.fixed("core", "hotfix/123", map[string]string{"core/fix.yaml": "a: 1\n"})
	o.fixed("core", "prod", map[string]string{"core/first.yaml": "a: 1\n"})
	o.merged("core", "hotfix/123", "prod")
	up.Git("commit", "-q", "--allow-empty", "-m", "Promote to prod\n\nPromoted-From: sandbox@0123")
	up.Git("push", "-q", "origin", "prod")
	found, _, err := o.status()
	o.must(err)
	if len(found) != 1 || subjects(found[0].Commits) != "change core/first.yaml, change core/fix.yaml" {
		t.Fatalf("got %+v", found)
	}
	u := found[0]
	first, fix := u.Commits[0], u.Commits[1]
	if !first.Since.Equal(first.Committer.When) || !u.Oldest().Equal(first.Since) {
		t.Errorf("a commit on the branch came at %s, made at %s", first.Since, first.Committer.When)
	}
	if !fix.Since.After(first.Since) || !fix.Committer.When.Before(first.Committer.When) {
		t.Errorf("a merged commit came at %s, made at %s", fix.Since, fix.Committer.When)
	}
	if late := u.Overdue(first.Since.Add(24*time.Hour+time.Second), 24*time.Hour); len(late) != 1 || late[0].ID != first.ID {
		t.Errorf("overdue: %s", subjects(late))
	}
}
