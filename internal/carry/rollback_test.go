package carry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/flow"
)

func TestRollback(t *testing.T) {
	o := newOrganisation(t, "fleet")
	up := o.up["fleet"]
	up.Commit("main", map[string]string{"leat.yaml": "a: 1\n", "prod/a.yaml": "a: 1\n", "prod/b.yaml": "b: 1\n", "dev/a.yaml": "a: 1\n"})
	good := strings.TrimSpace(up.Git("rev-parse", "HEAD"))
	up.Commit("main", map[string]string{"prod/a.yaml": "a: 2\n", "prod/c.yaml": "c: 1\n"})
	up.Commit("main", map[string]string{"dev/a.yaml": "a: 2\n"})
	up.Commit("main", map[string]string{"prod/b.yaml": "", "leat.yaml": "a: 2\n"})
	said := func(r Rolled) string { return "undone: " + subjects(r.Undone) }
	in := func(env flow.Environment) Rolling {
		return Rolling{Fleet: Onto{Repo: o.open("fleet"), Author: bot}, Environment: env}
	}
	prod := flow.Environment{Name: "prod", Branch: "main", Directory: "prod"}

	dry := in(prod)
	dry.DryRun = true
	out, err := Rollback(t.Context(), dry, nil, said)
	o.must(err)
	if len(out.Undone) != 1 { // the last change of prod, not that of dev
		t.Errorf("undone: %s", subjects(out.Undone))
	}
	o.shows("fleet", "main", "for-each-ref", "--format=%(refname:short)", "refs/heads")

	to := in(prod)
	to.To, err = to.Fleet.Repo.Resolve(good)
	o.must(err)
	out, err = Rollback(t.Context(), to, nil, said)
	o.must(err)
	name := "rollback/prod-" + good[:10]
	if out.Head != name || out.Base != "main" || len(out.Undone) != 2 || !strings.Contains(out.Instead, "merge "+name+" into main") {
		t.Errorf("got %+v", out)
	}
	o.shows("fleet", "", "diff", "--stat", good, name, "--", "prod")
	o.shows("fleet", "", "diff", "--stat", "main", name, "--", "dev", "leat.yaml")
	o.shows("fleet", "Roll prod back to "+good[:10], "log", "-1", "--format=%s", name)
	if _, err = Rollback(t.Context(), to, nil, said); err != nil { // the same again
		t.Error(err)
	}
	up.Git("fetch", "-q", "origin")
	up.Git("merge", "-q", "--ff-only", "origin/"+name)
	up.Git("push", "-q", "origin", "main")
	if _, err = Rollback(t.Context(), func() Rolling { r := in(prod); r.To = to.To; return r }(), nil, said); err == nil || !strings.Contains(err.Error(), "is what it was at "+good[:10]) {
		t.Errorf("got %v", err)
	}

	// A whole branch is rolled back but for leat.yaml, which is no state of it.
	up.Commit("main", map[string]string{"dev/a.yaml": "a: 3\n"})
	up.Commit("main", map[string]string{"leat.yaml": "a: 3\n"})
	last := in(flow.Environment{Name: "all", Branch: "main"})
	last.DryRun = true
	if out, err = Rollback(t.Context(), last, nil, said); err != nil || subjects(out.Undone) != "change dev/a.yaml" {
		t.Errorf("got %s, %v", subjects(out.Undone), err)
	}
	whole := in(flow.Environment{Name: "all", Branch: "main"})
	whole.To = to.To
	out, err = Rollback(t.Context(), whole, nil, said)
	o.must(err)
	o.shows("fleet", "leat.yaml", "diff", "--name-only", good, out.Head)
}

// Links and submodules become what they were too; an environment that was not there
// does not become nothing.
func TestRollbackOfEverythingInADirectory(t *testing.T) {
	o := newOrganisation(t, "fleet")
	up := o.up["fleet"]
	first := up.Commit("main", map[string]string{"dev/a.yaml": "a: 1\n"})
	second := up.Commit("main", map[string]string{"prod/a.yaml": "a: 1\n"})
	if err := os.Symlink("a.yaml", filepath.Join(up.Work, "dev", "link")); err != nil {
		t.Fatal(err)
	}
	up.Git("add", "dev/link")
	up.Git("update-index", "--add", "--cacheinfo", "160000,"+first+",dev/apps/vendored")
	up.Git("commit", "-q", "-m", "both")
	good := up.Git("rev-parse", "HEAD")
	up.Git("rm", "-q", "--cached", "dev/link")
	up.Git("update-index", "--cacheinfo", "160000,"+second+",dev/apps/vendored")
	up.Git("commit", "-q", "-m", "neither is a file")
	up.Git("push", "-q", "origin", "main")
	in := Rolling{Fleet: Onto{Repo: o.open("fleet"), Author: bot}, Environment: flow.Environment{Name: "dev", Branch: "main", Directory: "dev"}}
	out, err := Rollback(t.Context(), in, nil, func(Rolled) string { return "" })
	o.must(err)
	o.shows("fleet", "", "diff", "--raw", good, out.Head)
	up.InBare("fsck", "--strict")
	in.Environment = flow.Environment{Name: "prod", Branch: "main", Directory: "prod"}
	in.To, err = in.Fleet.Repo.Resolve(first)
	o.must(err)
	if _, err := Rollback(t.Context(), in, nil, nil); err == nil || err.Error() != "prod was not there at "+first[:10]+": there is no prod" {
		t.Errorf("got %v", err)
	}
}
