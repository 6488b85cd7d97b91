package carry

import (
	"strings"
	"testing"
)

const declared = `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: sandbox, branch: main}
  - {name: prod, branch: prod, follows: sandbox, move: merge}
pins:
  - {file: core/flux-config.yaml, path: .components.*.repository.branch, kind: branch}
  - {file: core/helm-config.yaml, path: .components.*.chart_version, kind: chart}
components:
  - {name: keda, repository: $keda, directory: iac/flux/keda}
  - {name: jupyter_hub, repository: $jupyter, directory: iac/flux/jupyter}
  - {name: guacamole, repository: $guacamole}
release:
  umbrellas: [{repository: $umbrella}]
  charts: {repository: $charts}
`

const fluxConfig = `
components:
  keda:
    repository:
      branch: "release/0.1.44" # quoted, as a person wrote it
  jupyter_hub:
    repository:
      branch: release/0.2.105
  guacamole:
    repository:
      branch: release/0.1.0
`

func lscsde(t *testing.T) *organisation {
	o := newOrganisation(t, "core", "keda", "jupyter", "guacamole", "umbrella", "charts")
	o.up["core"].Commit("main", map[string]string{
		"core/flux-config.yaml": fluxConfig, "core/helm-config.yaml": "components:\n  guacamole:\n    chart_version: 0.1.0",
	})
	o.up["keda"].Commit("main", map[string]string{"kustomization.yaml": "resources: []\n"})
	o.up["keda"].Git("push", "-q", "origin", "HEAD:refs/heads/release/0.1.44")
	o.up["keda"].Commit("main", map[string]string{"a.yaml": "a: 1\n"})
	o.up["jupyter"].Commit("main", map[string]string{"kustomization.yaml": "resources: []\n"})
	o.up["jupyter"].Git("push", "-q", "origin", "HEAD:refs/tags/0.2.105")
	o.up["jupyter"].Commit("main", map[string]string{"a.yaml": "a: 1\n"})
	o.up["jupyter"].Commit("main", map[string]string{"a.yaml": "a: 2\n"})
	o.up["guacamole"].Commit("main", map[string]string{"Chart.yaml": "apiVersion: v2\nname: guacamole\nversion: 0.0.0\n", "templates/a.yaml": "kind: X\n"})
	o.up["guacamole"].Git("push", "-q", "origin", "HEAD:refs/tags/v0.1.0")
	o.up["guacamole"].Commit("main", map[string]string{"templates/a.yaml": "kind: Y\n"})
	o.up["umbrella"].Commit("main", map[string]string{"README.md": "all\n"})
	for _, at := range []string{"keda", "jupyter"} {
		o.up["umbrella"].Git("update-index", "--add", "--cacheinfo", "160000,"+strings.TrimSpace(o.up[at].Git("rev-parse", "HEAD~1"))+",iac/flux/"+at)
	}
	o.up["umbrella"].Git("commit", "-q", "-m", "submodules")
	o.up["umbrella"].Git("push", "-q", "origin", "HEAD:main")
	o.up["charts"].Commit("main", map[string]string{"index.yaml": "apiVersion: v1\nentries: {}\n"})
	o.declare(declared)
	return o
}

func (o *organisation) head(name string) string {
	return strings.TrimSpace(o.up[name].InBare("rev-parse", "main"))
}

// A merge to main becomes a release: a branch, the umbrella, the pin; what the
// release workflows of seed 1 do in three repositories.
func TestRelease(t *testing.T) {
	o := lscsde(t)
	out, err := Release(t.Context(), o.releasing("keda"))
	o.must(err)
	if len(out.Cuts) != 1 || out.Cuts[0].Branch() != "release/0.1.45" || len(out.Steps) != 3 {
		t.Errorf("got %+v", out)
	}
	o.shows("keda", o.head("keda"), "rev-parse", "release/0.1.45")
	o.shows("core", "Updating file at core/flux-config.yaml setting .components.keda.repository.branch to release/0.1.45", "log", "-1", "--format=%B", "main")
	o.shows("core", "lsc-sde <bot@example.com>", "log", "-1", "--format=%an <%ae>", "main")
	o.shows("core", strings.Replace(fluxConfig, "0.1.44", "0.1.45", 1), "show", "main:core/flux-config.yaml")
	o.shows("umbrella", "Updated submodule at iac/flux/keda to version 0.1.45", "log", "-1", "--format=%B", "main")
	o.shows("umbrella", "160000 commit "+o.head("keda")+"\tiac/flux/keda", "ls-tree", "main", "iac/flux/keda")
	for _, name := range []string{"core", "keda", "umbrella"} {
		o.up[name].InBare("fsck", "--strict")
	}
	core := o.head("core")
	again, err := Release(t.Context(), o.releasing("keda")) // nothing is left to do
	o.must(err)
	for _, step := range again.Steps {
		if !step.Done {
			t.Errorf("did again: %+v", step)
		}
	}
	o.shows("core", core, "rev-parse", "main")
}

// Several components are one commit of pins; a chart is packaged and its version
// pinned.
func TestReleaseOfSeveral(t *testing.T) {
	o := lscsde(t)
	out, err := Release(t.Context(), o.releasing("jupyter_hub", "guacamole"))
	o.must(err)
	o.shows("core", `Updating file at core/flux-config.yaml setting .components.jupyter_hub.repository.branch to release/0.2.107
Updating file at core/flux-config.yaml setting .components.guacamole.repository.branch to release/0.1.1
Updating file at core/helm-config.yaml setting .components.guacamole.chart_version to 0.1.1`, "log", "-1", "--format=%B", "main")
	o.shows("core", "2", "rev-list", "--count", "main")
	o.shows("core", "components:\n  guacamole:\n    chart_version: 0.1.1", "show", "main:core/helm-config.yaml")
	o.shows("charts", "guacamole-0.1.1.tgz\nindex.yaml", "ls-tree", "--name-only", "main")
	o.shows("charts", "Updated Package at guacamole to version 0.1.1", "log", "-1", "--format=%B", "main")
	if index := o.up["charts"].InBare("show", "main:index.yaml"); !strings.Contains(index, "version: 0.1.1") || !strings.Contains(index, "guacamole-0.1.1.tgz") {
		t.Errorf("index:\n%s", index)
	}
	if len(out.Steps) != 5 {
		t.Errorf("got %d steps: %+v", len(out.Steps), out.Steps)
	}
}

// What failed half way goes on: what was cut is not cut anew, and until the pins are
// written nothing has changed for an environment.
func TestReleaseResumes(t *testing.T) {
	o := lscsde(t)
	core := o.head("core")
	o.fails = "umbrella"
	if _, err := Release(t.Context(), o.releasing("keda")); err == nil {
		t.Fatal("it did not fail")
	}
	o.shows("core", core, "rev-parse", "main")
	o.fails = ""
	out, err := Release(t.Context(), o.releasing("keda"))
	o.must(err)
	if out.Cuts[0].Version.String() != "0.1.45" {
		t.Errorf("cut %s", out.Cuts[0].Version)
	}
	o.shows("core", strings.Replace(fluxConfig, "0.1.44", "0.1.45", 1), "show", "main:core/flux-config.yaml")
	o.shows("keda", "main\nrelease/0.1.44\nrelease/0.1.45", "for-each-ref", "--format=%(refname:short)", "refs/heads")
}

// A tag at the head of main names the version, and no branch: it is cut before it is
// pinned.
func TestReleaseOfATag(t *testing.T) {
	o := lscsde(t)
	o.up["keda"].Git("push", "-q", "origin", "HEAD:refs/tags/v0.1.45")
	out, err := Release(t.Context(), o.releasing("keda"))
	o.must(err)
	if out.Cuts[0].Version.String() != "0.1.45" || out.Steps[0].Done {
		t.Errorf("got %+v", out.Steps)
	}
	o.shows("keda", o.head("keda"), "rev-parse", "release/0.1.45")
}

// Two releases at the same time: both pins are there afterwards.
func TestReleasesAtOnce(t *testing.T) {
	o := lscsde(t)
	first, second := o.releasing("keda"), o.releasing("jupyter_hub")
	errs := make(chan error, 2)
	for _, in := range []Releasing{first, second} {
		go func() { _, err := Release(t.Context(), in); errs <- err }()
	}
	for range 2 {
		o.must(<-errs)
	}
	want := strings.NewReplacer("0.1.44", "0.1.45", "0.2.105", "0.2.107").Replace(fluxConfig)
	o.shows("core", want, "show", "main:core/flux-config.yaml")
	o.shows("core", "3", "rev-list", "--count", "main")
}

func TestReleaseDry(t *testing.T) {
	o := lscsde(t)
	in := o.releasing("keda", "guacamole")
	in.DryRun = true
	out, err := Release(t.Context(), in)
	o.must(err)
	var got []string
	for _, step := range out.Steps {
		got = append(got, step.What)
	}
	want := "cut from main at " + o.head("keda")[:10] + `
cut from main at ` + o.head("guacamole")[:10] + `
Updated Package at guacamole to version 0.1.1
Updated submodule at iac/flux/keda to version 0.1.45
Updating file at core/flux-config.yaml setting .components.keda.repository.branch to release/0.1.45
Updating file at core/flux-config.yaml setting .components.guacamole.repository.branch to release/0.1.1
Updating file at core/helm-config.yaml setting .components.guacamole.chart_version to 0.1.1`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	o.shows("keda", "main\nrelease/0.1.44", "for-each-ref", "--format=%(refname:short)", "refs/heads")
}

func TestReleaseRefuses(t *testing.T) {
	o := lscsde(t)
	for name, want := range map[string]string{
		"nothing": "component nothing: leat.yaml does not say where its repository is: add - {name: nothing, repository: URL} under components",
	} {
		if _, err := Release(t.Context(), o.releasing(name)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	o.up["keda"].Git("push", "-q", "origin", "HEAD:refs/heads/release/0.1.45") // released by hand, and unpinned
	o.declare(strings.Replace(declared, "flux-config.yaml, path: .components.*", "flux-config.yaml, path: .modules.*", 1))
	if _, err := Release(t.Context(), o.releasing("keda")); err == nil || !strings.Contains(err.Error(), "no pin of leat.yaml names it in sandbox") {
		t.Errorf("got %v", err)
	}
}

func TestTagged(t *testing.T) {
	for pinned, want := range map[string]string{
		"0.1.1": "0.1.2", "lscsde/awms:0.1.1": "lscsde/awms:0.1.2", "awms:0.1.1": "awms:0.1.2", "lscsde/awms": "lscsde/awms:0.1.2",
		"registry:5000/awms": "registry:5000/awms:0.1.2", "registry:5000/awms:0.1.1@sha256:00ff": "registry:5000/awms:0.1.2",
		"lscsde/awms@sha256:00ff": "lscsde/awms:0.1.2",
	} {
		if got := tagged(pinned, "0.1.2"); got != want {
			t.Errorf("%s becomes %s, want %s", pinned, got, want)
		}
	}
}
