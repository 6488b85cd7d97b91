package screen

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

func warned(ws ...report.Warning) func(*Row) { return func(r *Row) { r.Warnings = ws } }

// warnedBoard has one cause on two units, one on a unit and a release, and notes.
func warnedBoard() Board {
	two := report.Warning{Reason: report.ReasonContested, Message: "Namespace/a is wanted by two units: Kustomization/x/one keeps it, Kustomization/x/two leaves it alone"}
	gone := "${v} is defined nowhere and becomes empty"
	empty := report.Warning{Reason: report.ReasonUndefined, Cause: gone, At: "web.yaml:3", Message: gone + " (spec.chart.spec.version of HelmRelease/a/web)"}
	floats := report.Warning{Reason: report.ReasonFloating, Cause: gone, At: "web.yaml:3", Message: "spec.chart.spec.version is empty: the newest version is used"}
	note := func(text string) report.Warning {
		return report.Warning{Reason: report.ReasonBuildWarning, Note: true, Message: text}
	}
	return Board{
		Rows: []Row{
			unitRow("Kustomization x/one", Ready, warned(two, empty)),
			unitRow("Kustomization x/two", Ready, warned(two, note("k.yaml: 'bases' is\ndeprecated"), note("b"), note("c"), note("d"), note("e"))),
			unitRow("HelmRelease a/web", Ready, below("Kustomization x/one"), warned(floats)),
		},
		Warnings: []report.Warning{{Reason: report.ReasonSimulatedHook, Object: "Service/a/hook", Message: "Service/a/hook: webhooks are simulated"}},
	}
}

func TestEveryWarningIsListedOnce(t *testing.T) {
	want := `
! Namespace/a is wanted by two units: Kustomization/x/one keeps it, Kustomization/x/two leaves it alone
! web.yaml:3: spec.chart.spec.version is empty: the newest version is used (2 units: HelmRelease/a/web, Kustomization/x/one)
! Service/a/hook: webhooks are simulated
· b (Kustomization/x/two)
· c (Kustomization/x/two)
· d (Kustomization/x/two)
· and 2 more notes; --output json has all
`
	same(t, warnedBoard().WarningLines(Style{}), want)
}

func TestWarningsStandBelowTheirUnit(t *testing.T) {
	want := `
✓ Kustomization/x/one      ready
    ! Namespace/a is wanted by two units: Kustomization/x/one keeps it, Kustomization/x/two leaves it alone
    ! web.yaml:3: ${v} is defined nowhere and becomes empty (spec.chart.spec.version of HelmRelease/a/web)
  ✓ HelmRelease/a/web      ready
      ! web.yaml:3: spec.chart.spec.version is empty: the newest version is used
✓ Kustomization/x/two      ready
    ! Namespace/a is wanted by two units: Kustomization/x/one keeps it, Kustomization/x/two leaves it alone
`
	same(t, warnedBoard().Tree(Style{}), want)
	short := warnedBoard().Tree(Style{Width: 80, Height: 10})
	if len(short) != 3 || !strings.Contains(short[0], "! 2 warnings") {
		t.Errorf("got %q, want a line for each unit that counts its warnings", short)
	}
}

// However long a name or a message, a line of the tree stays a line of the screen.
func TestNoLineIsLongerThanTheScreen(t *testing.T) {
	long := strings.Repeat("long ", 200)
	b := Board{Rows: []Row{
		unitRow("Kustomization x/"+strings.Repeat("n", 90), Failed, says(long+"\nsecond line")),
		unitRow("Kustomization x/two", Waiting, on(strings.Fields(long)...), warned(report.Warning{Message: long})),
	}}
	for _, s := range []Style{{Width: 60}, {Width: 60, Height: 10}, {Width: 20}, {}} {
		limit := s.Width
		if limit == 0 {
			limit = maxLine
		}
		for _, line := range b.Tree(s) {
			if n := len([]rune(line)); n > limit || strings.Contains(line, "\n") {
				t.Errorf("width %d: got a line of %d: %q", s.Width, n, line)
			}
		}
	}
}

func TestParents(t *testing.T) {
	obj := func(api, kind, name, uid string, labels map[string]string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": api, "kind": kind}}
		u.SetNamespace("a")
		u.SetName(name)
		u.SetLabels(labels)
		u.SetUID(types.UID(uid))
		return u
	}
	made := map[string]string{object.OwnerName: "root", object.OwnerNamespace: "a"}
	b := Make([]*unstructured.Unstructured{
		obj("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "root", "1", made),
		obj("source.extensions.fluxcd.io/v1beta1", "ArtifactGenerator", "gen", "2", made),
		obj("source.toolkit.fluxcd.io/v1", "ExternalArtifact", "app", "3", map[string]string{"source.extensions.fluxcd.io/generator": "2"}),
		obj("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web", "4", made),
		obj("source.toolkit.fluxcd.io/v1", "HelmChart", "a-web", "5", map[string]string{object.HelmOwnerName: "web", object.HelmOwnerNamespace: "a"}),
		obj("image.toolkit.fluxcd.io/v1", "ImagePolicy", "tag", "6", made),
	}, nil)
	want := map[string]string{
		"Kustomization": "", "ArtifactGenerator": "Kustomization/a/root", "ExternalArtifact": "ArtifactGenerator/a/gen",
		"HelmRelease": "Kustomization/a/root", "HelmChart": "HelmRelease/a/web", "ImagePolicy": "Kustomization/a/root",
	}
	for _, r := range b.Rows {
		if r.Owner != want[r.Kind] {
			t.Errorf("%s: got owner %q, want %q", r.Kind, r.Owner, want[r.Kind])
		}
		if r.Kind == "ImagePolicy" && r.State != Unsupported {
			t.Errorf("got %s, want that images are not reconciled", r.State)
		}
	}
}
