package carry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/repo"
)

// radix is seed 3 in small: environments are directories of two branches.
func radix(t *testing.T) *organisation {
	o := newOrganisation(t, "fleet")
	dev := map[string]string{
		"development-configs/operator.yaml": operator("master", "radixdev", "1.2.0"), "development-configs/flux-system/gotk-sync.yaml": "branch: master\n",
		"playground-configs/operator.yaml": operator("release", "radixprod", "1.1.0"), "playground-configs/own.yaml": "only: here\n",
		"playground-configs/flux-system/gotk-sync.yaml": "branch: release\n",
		"production-configs/operator.yaml":              operator("release", "radixprod", "1.1.0"),
	}
	o.up["fleet"].Commit("main", map[string]string{"README.md": "fleet\n"})
	o.up["fleet"].Commit("master", dev)
	o.up["fleet"].Git("push", "-q", "origin", "HEAD:refs/heads/release")
	o.declare(`apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: development, branch: master, directory: development-configs}
  - {name: playground, branch: release, directory: playground-configs, follows: development, move: copy}
  - {name: production, branch: release, directory: production-configs, follows: playground, move: copy}
pins:
  - {file: "**/*.yaml", path: .spec.chart.version, kind: chart}
stays:
  - files: ["**/flux-system/**"]
  - {files: ["**/*.yaml"], path: .spec.values.replicas}
maps:
  - {name: registry, values: {development: radixdev, playground: radixprod, production: radixprod}}
  - {name: filter, path: '.metadata.annotations."filter.fluxcd.io/*"', values: {development: "glob:master-*", playground: "glob:release-*", production: "glob:release-*"}}
`)
	return o
}

func operator(branch, registry, version string) string {
	return `apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: operator
  annotations:
    filter.fluxcd.io/chart-image: glob:` + branch + `-*
spec:
  chart: {version: ` + version + `} # the chart
  values:
    image: ` + registry + `.azurecr.io/operator
    replicas: ` + map[string]string{"radixdev": "1", "radixprod": "3"}[registry] + "\n"
}

func (o *organisation) promoting(from, to string) Promoting {
	o.Helper()
	in := Promoting{Flow: o.flow, Fleet: Onto{Repo: o.open("fleet"), Author: bot}}
	in.From, _ = o.flow.Environment(from)
	in.To, _ = o.flow.Environment(to)
	return in
}

// From development to playground to production: words become others, declared fields
// and files stay, and each promotion is one branch with one commit.
func TestPromoteByDirectory(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "master", map[string]string{
		"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0"), "development-configs/new.yaml": "image: radixdev.azurecr.io/new\n",
	})
	in := o.promoting("development", "playground")
	said := ""
	in.Body = func(_ context.Context, p Promotion) (string, error) { said = p.Files.Text(); return said, nil }
	out, err := Promote(t.Context(), in, nil)
	o.must(err)
	if out.Head != "promote/playground" || out.Base != "release" || len(out.Brings) != 2 || !strings.Contains(out.Instead, "merge promote/playground into release") {
		t.Errorf("got %s into %s, %d commits, %s", out.Head, out.Base, len(out.Brings), out.Instead)
	}
	o.shows("fleet", operator("release", "radixprod", "1.3.0"), "show", "promote/playground:playground-configs/operator.yaml")
	o.shows("fleet", "image: radixprod.azurecr.io/new", "show", "promote/playground:playground-configs/new.yaml")
	o.shows("fleet", "playground-configs/new.yaml\nplayground-configs/operator.yaml", "diff", "--name-only", "release", "promote/playground")
	if !strings.Contains(said, "stays") || !strings.Contains(said, "1.1.0 → 1.3.0") {
		t.Errorf("the request says\n%s", said)
	}
	commit := o.up["fleet"].InBare("rev-parse", "promote/playground")
	if _, err = Promote(t.Context(), o.promoting("development", "playground"), nil); err != nil { // again: the same commit
		t.Fatal(err)
	}
	o.shows("fleet", commit, "rev-parse", "promote/playground")

	// The source goes on, and the proposal with it.
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.4.0")})
	_, err = Promote(t.Context(), o.promoting("development", "playground"), nil)
	o.must(err)
	o.shows("fleet", operator("release", "radixprod", "1.4.0"), "show", "promote/playground:playground-configs/operator.yaml")
	o.shows("fleet", "1", "rev-list", "--count", "release..promote/playground")
	o.merged("fleet", "promote/playground", "release")
	if out, err = Promote(t.Context(), o.promoting("development", "playground"), nil); err != nil || !out.Nothing {
		t.Errorf("after the merge: %+v, %v", out, err)
	}

	out, err = Promote(t.Context(), o.promoting("playground", "production"), nil)
	o.must(err)
	o.shows("fleet", operator("release", "radixprod", "1.4.0"), "show", "promote/production:production-configs/operator.yaml")
	o.up["fleet"].InBare("fsck", "--strict")
}

// Two environments of one branch that follow the same one: what was promoted to one is
// not taken for what the other has.
func TestPromoteToEachOfABranch(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "release", map[string]string{"production-configs/operator.yaml": operator("release", "radixprod", "1.2.0")})
	out, err := Promote(t.Context(), o.promoting("development", "production"), nil)
	if err != nil || !out.Nothing {
		t.Fatalf("got %+v, %v", out, err)
	}
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0")})
	for _, to := range []string{"playground", "production"} {
		out, err := Promote(t.Context(), o.promoting("development", to), nil)
		o.must(err)
		o.shows("fleet", operator("release", "radixprod", "1.3.0"), "show", "promote/"+to+":"+to+"-configs/operator.yaml")
		o.shows("fleet", "Promoted-From: development@"+out.Source.String()+" to "+to, "log", "-1", "--format=%(trailers)", "promote/"+to)
		o.merged("fleet", "promote/"+to, "release")
	}
}

// What both have changed since the last promotion is for a person; a dry run pushes
// nothing.
func TestPromoteRefusesConflicts(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0")})
	_, err := Promote(t.Context(), o.promoting("development", "playground"), nil)
	o.must(err)
	o.merged("fleet", "promote/playground", "release")
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.4.0")})
	o.fixed("fleet", "release", map[string]string{"playground-configs/operator.yaml": operator("release", "radixprod", "1.3.5")})
	_, err = Promote(t.Context(), o.promoting("development", "playground"), nil)
	var refused *RefusedError
	if !errors.As(err, &refused) || len(refused.Refusals) != 1 || !strings.Contains(err.Error(), "playground-configs/operator.yaml:8") {
		t.Fatalf("got %v", err)
	}
	in := o.promoting("development", "playground")
	in.Take, in.DryRun = []string{refused.Refusals[0].On}, true
	out, err := Promote(t.Context(), in, nil)
	o.must(err)
	if len(out.Files.Refusals) != 0 || (out.Commit == repo.Hash{}) {
		t.Errorf("got %s into %s, %d commits, %s", out.Head, out.Base, len(out.Brings), out.Instead)
	}
	was := o.up["fleet"].InBare("rev-parse", "promote/playground")
	in = o.promoting("development", "playground")
	in.Keep = []string{refused.Refusals[0].On}
	if out, err = Promote(t.Context(), in, nil); err != nil || !out.Nothing {
		t.Errorf("kept: %+v, %v", out, err)
	}
	o.shows("fleet", was, "rev-parse", "promote/playground")
}

// Environments that are branches: seed 1's core repository.
func TestPromoteByMerge(t *testing.T) {
	o := newOrganisation(t, "fleet")
	up := o.up["fleet"]
	up.Commit("main", map[string]string{"core/a.yaml": "a: 1\nb: 1\nc: 1\nd: 1\n"})
	up.Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	up.Commit("main", map[string]string{"core/a.yaml": "a: 2\nb: 1\nc: 1\nd: 1\n"})
	up.Git("push", "-q", "origin", "HEAD:refs/heads/release/0.1.2")
	up.Commit("main", map[string]string{"core/b.yaml": "later: true\n"})
	o.fixed("fleet", "prod", map[string]string{"core/a.yaml": "a: 1\nb: 1\nc: 1\nd: 9\n"})
	o.declare(`apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: sandbox, branch: main}
  - {name: prod, branch: prod, follows: sandbox, move: merge}
`)
	in := o.promoting("sandbox", "prod")
	in.Of = "release/0.1.2"
	out, err := Promote(t.Context(), in, nil)
	o.must(err)
	if out.Head != "promote/prod" || len(out.Brings) != 1 {
		t.Errorf("got %s into %s, %d commits, %s", out.Head, out.Base, len(out.Brings), out.Instead)
	}
	o.shows("fleet", "a: 2\nb: 1\nc: 1\nd: 9", "show", "promote/prod:core/a.yaml")
	if parents := strings.Fields(o.up["fleet"].InBare("log", "-1", "--format=%p", "promote/prod")); len(parents) != 2 {
		t.Errorf("no merge: %v", parents)
	}
	if _, err := Promote(t.Context(), func() Promoting { p := in; p.Only = []string{"core"}; return p }(), nil); err == nil {
		t.Error("part of a branch was promoted")
	}
	o.fixed("fleet", "prod", map[string]string{"core/a.yaml": "a: 3\nb: 1\nc: 1\nd: 9\n"})
	var refused *MergeError
	if _, err := Promote(t.Context(), o.promoting("sandbox", "prod"), nil); !errors.As(err, &refused) || refused.Refusals[0].On != "core/a.yaml" || !strings.Contains(err.Error(), "git switch -c promote/prod origin/prod") {
		t.Errorf("got %v", err)
	}
}

// What was looked at is what is promoted, whatever is pushed meanwhile.
func TestPromoteWhatWasSeen(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0")})
	in := o.promoting("development", "playground")
	var err error
	in.Seen, err = in.Fleet.Repo.Branch("master")
	o.must(err)
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.4.0")})
	o.must(in.Fleet.Repo.Fetch(t.Context()))
	out, err := Promote(t.Context(), in, nil)
	if err != nil || out.Source != in.Seen {
		t.Fatalf("promoted %s, %s was seen: %v", out.Source, in.Seen, err)
	}
	o.shows("fleet", operator("release", "radixprod", "1.3.0"), "show", "promote/playground:playground-configs/operator.yaml")
}

// Two at once, from clones that do not know of each other: both end at one proposal, and
// who comes late with less looks again. A release branch that is gone is said.
func TestTwoPromotionsAtOnce(t *testing.T) {
	o := radix(t)
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.3.0")})
	mine, theirs, late := o.promoting("development", "playground"), o.promoting("development", "playground"), o.promoting("development", "playground")
	theirs.Fleet.Author.Name = "somebody else"
	out, err := Promote(t.Context(), theirs, nil)
	o.must(err)
	again, err := Promote(t.Context(), mine, nil)
	if err != nil || again.Commit != out.Commit || again.Head != out.Head {
		t.Errorf("the second proposed %s on %s, the first %s: %v", again.Commit, again.Head, out.Commit, err)
	}
	o.fixed("fleet", "master", map[string]string{"development-configs/operator.yaml": operator("master", "radixdev", "1.4.0")})
	_, err = Promote(t.Context(), late, nil)
	o.must(err)
	o.shows("fleet", operator("release", "radixprod", "1.4.0"), "show", "promote/playground:playground-configs/operator.yaml")

	gone := o.promoting("development", "playground")
	gone.Of = "release/0.1.2"
	if _, err := Promote(t.Context(), gone, nil); err == nil || !strings.Contains(err.Error(), `--of: "release/0.1.2" is no branch, tag or commit`) {
		t.Errorf("got %v", err)
	}
	gone = o.promoting("development", "playground")
	gone.To.Branch = "gone"
	if _, err := Promote(t.Context(), gone, nil); err == nil || err.Error() != `environment playground: there is no branch "gone"` {
		t.Errorf("got %v", err)
	}
}
