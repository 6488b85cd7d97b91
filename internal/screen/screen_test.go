package screen

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/words"
)

// unitRow is a row for tests: "Kustomization apps/web".
func unitRow(name string, state State, edits ...func(*Row)) Row {
	kind, rest, _ := strings.Cut(name, " ")
	space, id, _ := strings.Cut(rest, "/")
	r := Row{Key: object.Key{Kind: kind, Namespace: space, Name: id}, Kind: kind, Space: space, Name: id, State: state}
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

func on(names ...string) func(*Row)  { return func(r *Row) { r.On = names } }
func missing(name string) func(*Row) { return func(r *Row) { r.On, r.Missing = []string{name}, true } }
func says(message string) func(*Row) { return func(r *Row) { r.Message = message } }
func at(revision string) func(*Row)  { return func(r *Row) { r.Revision = revision } }
func simulated(r *Row)               { r.Simulated = true }
func below(parent string) func(*Row) {
	return func(r *Row) { r.Parent = unitRow(parent, Ready).Key }
}

// busy is a board with everything on it.
func busy() Board {
	root := unit.KustomizationKind + " flux-system/root"
	return Board{Rows: []Row{
		unitRow("GitRepository flux-system/root", Ready, at("main@sha1:0123456789abcdef0123")),
		unitRow(root, Ready, at("main@sha1:0123456789abcdef0123")),
		unitRow("Kustomization flux-system/web", Ready, below(root), simulated),
		unitRow("Kustomization flux-system/bad", Failed, below(root), says("apps/bad.yaml:3: no such field\nand another line")),
		unitRow("Kustomization flux-system/after-bad", Waiting, below(root), on("Kustomization/flux-system/bad")),
		unitRow("Kustomization flux-system/after-that", Waiting, below(root), on("Kustomization/flux-system/after-bad")),
		unitRow("Kustomization flux-system/charts", Progressing, below(root), on("HelmRelease/a/one", "HelmRelease/a/two")),
		unitRow("HelmRelease a/one", Unsupported, below("Kustomization flux-system/charts"), says("HelmRelease is not reconciled by this version of Leat")),
		unitRow("HelmRelease a/two", Unsupported, below("Kustomization flux-system/charts"), says("HelmRelease is not reconciled by this version of Leat")),
		unitRow("Kustomization flux-system/vars-1", Waiting, below(root), missing("ConfigMap/flux-system/vars"), says("not found")),
		unitRow("Kustomization flux-system/vars-2", Waiting, below(root), missing("ConfigMap/flux-system/vars"), says("not found")),
		unitRow("Kustomization flux-system/after-vars", Waiting, below(root), on("Kustomization/flux-system/vars-1", "Kustomization/flux-system/bad")),
		unitRow("Kustomization flux-system/orphan", Waiting, below(root), missing("GitRepository/flux-system/gone"), says("not found")),
		unitRow("Kustomization flux-system/off", Suspended, below(root), says("suspended")),
		unitRow("Kustomization flux-system/slow", Progressing, below(root), on("Deployment/a/slow"), says("Running health checks")),
	}}
}

func TestCauseLinesTellEveryRootCauseOnce(t *testing.T) {
	want := `
✗ Kustomization/flux-system/bad (failed)
    apps/bad.yaml:3: no such field
    and another line
    holds up 3: Kustomization/flux-system/after-bad, Kustomization/flux-system/after-that, Kustomization/flux-system/after-vars
? HelmRelease is not reconciled by this version of Leat
    2 of them: HelmRelease/a/one, HelmRelease/a/two
    holds up 1: Kustomization/flux-system/charts
… ConfigMap/flux-system/vars is missing; pass it with --input FILE
    holds up 3: Kustomization/flux-system/after-vars, Kustomization/flux-system/vars-1, Kustomization/flux-system/vars-2
… GitRepository/flux-system/gone is missing
    holds up 1: Kustomization/flux-system/orphan
⟳ Kustomization/flux-system/slow (progressing)
    Running health checks
    waiting for Deployment/a/slow
`
	same(t, busy().CauseLines(Style{}), want)
	if got, want := busy().Verdict(), "4 of 15 units are ready; 5 causes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a chart or a manifest says reaches the terminal as text.
func TestNothingSteersTheTerminal(t *testing.T) {
	const hostile = "a\x1b[2Jall is well\u202e\nsecond\x07"
	b := Board{Rows: []Row{unitRow("HelmRelease a/web", Failed, says(hostile), at("ma\x1b[1min@sha1:0123456789"), func(r *Row) {
		r.Warnings = []report.Warning{{Reason: "BuildWarning", Message: hostile}}
	})}}
	text := append(b.Tree(Style{}), b.CauseLines(Style{})...)
	text = append(append(text, b.WarningLines(Style{})...), b.Rows[0].Line())
	for _, line := range text {
		if strings.ContainsFunc(line, words.Steers) {
			t.Errorf("got %q", line)
		}
	}
	if all := strings.Join(text, "\n"); strings.Count(all, "all is well") != 5 {
		t.Errorf("the text itself is gone:\n%s", all)
	}
}

func TestTreePutsFailuresFirst(t *testing.T) {
	want := `
✓ Kustomization/flux-system/root            ready       main@01234567
  ✗ Kustomization/flux-system/bad           failed                                  apps/bad.yaml:3: no such field and another line
  ⟳ Kustomization/flux-system/charts        progressing                             waiting for HelmRelease/a/one, HelmRelease/a/two
    ? HelmRelease/a/one                     unsupported                             HelmRelease is not reconciled by this version of Leat
    ? HelmRelease/a/two                     unsupported                             HelmRelease is not reconciled by this version of Leat
  … Kustomization/flux-system/after-bad     waiting                                 waiting for Kustomization/flux-system/bad
  … Kustomization/flux-system/after-that    waiting                                 waiting for Kustomization/flux-system/after-bad
  … Kustomization/flux-system/vars-1        waiting                                 waiting for ConfigMap/flux-system/vars
  … Kustomization/flux-system/vars-2        waiting                                 waiting for ConfigMap/flux-system/vars
  … Kustomization/flux-system/after-vars    waiting                                 waiting for Kustomization/flux-system/vars-1, Kustomization/flux-system/bad
  … Kustomization/flux-system/orphan        waiting                                 waiting for GitRepository/flux-system/gone
  ⟳ Kustomization/flux-system/slow          progressing                             waiting for Deployment/a/slow
  ‖ Kustomization/flux-system/off           suspended                               suspended
  ✓ Kustomization/flux-system/web           ready                                   on simulated pods
✓ GitRepository/flux-system/root            ready       main@01234567
`
	same(t, busy().Tree(Style{}), want)
}

func TestTreeIsCutToTheScreen(t *testing.T) {
	want := `
✓ Kustomization/flux-system/root     ready       main@01234567       …
  ✗ Kustomization/flux-system/bad    failed      apps/bad.yaml:3: no …
… and 13 more
`
	same(t, busy().Tree(Style{Width: 70, Height: 3}), want)
}

func TestACycleIsACauseOfItsOwn(t *testing.T) {
	b := Board{Rows: []Row{
		unitRow("Kustomization a/one", Waiting, on("Kustomization/a/two")),
		unitRow("Kustomization a/two", Waiting, on("Kustomization/a/one")),
	}}
	if got := b.Causes(); len(got) != 2 || len(got[0].Blocking) != 0 {
		t.Errorf("got %+v, want the two units, each its own cause", got)
	}
}

func same(t *testing.T, lines []string, want string) {
	t.Helper()
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	if got := strings.Join(lines, "\n"); got != strings.Trim(want, "\n") {
		t.Errorf("got:\n%s\nwant:%s", got, want)
	}
}
