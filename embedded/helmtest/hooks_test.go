package helmtest

import (
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/release"
)

func hook(name, events, weight, more string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name +
		"\n  annotations: {helm.sh/hook: '" + events + "', helm.sh/hook-weight: '" + weight + "'" + more + "}\ndata: {k: '1'}\n"
}

// job is a hook that the simulated nodes run to its end, or not (none, or as the
// annotation leat.dev/simulate says).
func job(name, events, simulate string) string {
	return `apiVersion: batch/v1
kind: Job
metadata: {name: ` + name + `, annotations: {helm.sh/hook: "` + events + `"}}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {` + map[bool]string{true: "leat.dev/simulate: " + simulate}[simulate != "none"] + `}}
    spec: {restartPolicy: Never, containers: [{name: a, image: example.org/a:1}]}
`
}

func TestHooksInOrder(t *testing.T) { everywhere(t, testHooksInOrder) }

func testHooksInOrder(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/second.yaml": hook("second", "pre-install,pre-upgrade", "5", ""),
		"templates/first.yaml":  hook("first", "pre-install", "-5", ""),
		"templates/gone.yaml":   hook("gone", "pre-install", "0", ", helm.sh/hook-delete-policy: hook-succeeded"),
		"templates/job.yaml":    job("migrate", "pre-install", "none"),
		"templates/a.yaml":      configMap("a", "1"),
	}))
	rel := s.must(s.driver.Install(s.ctx, s.job))
	var order []string
	started := map[string]relv1.HookExecution{}
	for _, h := range rel.Hooks {
		started[h.Name] = h.LastRun
		if h.LastRun.Phase != relv1.HookPhaseSucceeded {
			t.Errorf("hook %s is %q", h.Name, h.LastRun.Phase)
		}
		order = append(order, h.Name)
	}
	if first, second := started["first"], started["second"]; !first.StartedAt.Before(second.StartedAt) {
		t.Errorf("first ran at %v, second at %v of %v", first.StartedAt, second.StartedAt, order)
	}
	if got := s.value("first") + s.value("second") + s.value("gone"); got != "11" {
		t.Errorf("hooks left %q, want first and second only", got)
	}
}

func TestHookFailureFailsTheRelease(t *testing.T) {
	s := newStand(t, server, chartOf("1.0.0", map[string]string{
		"templates/job.yaml": job("migrate", "pre-install", "job-exit-1"), "templates/a.yaml": configMap("a", "1"),
	}))
	out, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "failed pre-install", "migrate")
	s.wantStored("1:failed")
	if got := s.value("a"); got != "" {
		t.Errorf("a hook failed before, yet the chart was applied: %q", got)
	}
	if !strings.Contains(out.Log, "creating") {
		t.Errorf("the log does not hold Helm's last lines: %q", out.Log)
	}
}

func TestHooksDisabled(t *testing.T) { everywhere(t, testHooksDisabled) }

func testHooksDisabled(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/job.yaml": job("migrate", "pre-install", "job-exit-1"), "templates/a.yaml": configMap("a", "1")}))
	s.job.Object.Spec.Install = &v2.Install{DisableHooks: true}
	s.must(s.driver.Install(s.ctx, s.job))
	s.wantStored("1:deployed")
}

func TestTests(t *testing.T) { everywhere(t, testTests) }

func testTests(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml":    configMap("a", "1"),
		"templates/good.yaml": job("good", "test", "none"), "templates/bad.yaml": job("bad", "test", "job-exit-1"),
	}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.job.Object.Spec.Test = &v2.Test{Enable: true, Filters: &[]v2.Filter{{Name: "bad", Exclude: true}}}
	rel := s.must(s.driver.Test(s.ctx, s.job))
	hooks := release.TestHooks(rel, s.job.Object.Spec.Test.GetFilters())
	if len(hooks) != 1 || hooks["good"] == nil || hooks["good"].Phase != "Succeeded" {
		t.Errorf("tests: %v", hooks)
	}
	s.wantStored("1:deployed")
}

func TestTestsThatFail(t *testing.T) {
	s := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1"), "templates/bad.yaml": job("bad", "test", "job-exit-1")}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.job.Object.Spec.Test = &v2.Test{Enable: true}
	_, err := s.driver.Test(s.ctx, s.job)
	s.wantError(err, "bad")
	s.wantStored("1:deployed")
}

// A release in which a test fails is remediated: uninstalled after an install.
func TestConvergeWithFailingTest(t *testing.T) {
	s := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1"), "templates/bad.yaml": job("bad", "test", "job-exit-1")}))
	s.job.Object.Spec.Test = &v2.Test{Enable: true}
	s.job.Object.Spec.Install = &v2.Install{Remediation: &v2.InstallRemediation{Retries: 1}}
	done, last := s.converge()
	if got := words(done); got != "install test uninstall" || last.End != release.Again {
		t.Errorf("did %q, ended %v", got, last.End)
	}
	done, last = s.converge()
	if got := words(done); got != "install test" || last.Stall != release.RetriesExceeded {
		t.Errorf("did %q, stalled %q", got, last.Stall)
	}
	s.wantStored("1:deployed")
}

func words(actions []release.Action) string {
	out := make([]string, len(actions))
	for i, a := range actions {
		out[i] = string(a)
	}
	return strings.Join(out, " ")
}

func TestCRDPolicies(t *testing.T) { everywhere(t, testCRDPolicies) }

func testCRDPolicies(t *testing.T, on place) {
	crd := func(group, field string) string {
		return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing, listKind: ThingList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, description: "` + field + `"}}}]
`
	}
	const thing = "apiVersion: GROUP/v1\nkind: Thing\nmetadata: {name: x}\n"
	group := strings.ReplaceAll(strings.ToLower(t.Name()), "/", ".") + ".example.org"
	build := func(version, field string) helm.Job {
		return helm.Job{Chart: chartOf(version, map[string]string{
			"crds/thing.yaml":      crd(group, field),
			"crds/other.yaml":      configMap("not-a-crd", "1"),
			"templates/thing.yaml": strings.ReplaceAll(thing, "GROUP", group),
			"templates/caps.yaml":  configMap("caps", "{{ .Capabilities.APIVersions.Has \""+group+"/v1/Thing\" }}"),
		})}
	}
	s := newStand(t, on, nil)
	description := func() string {
		return s.crdDescription("things." + group)
	}
	s.job.Chart = build("1.0.0", "one").Chart
	skipping := s.job
	skipping.Object = s.job.Object.DeepCopy()
	skipping.Object.Spec.Install = &v2.Install{CRDs: v2.Skip}
	_, err := s.driver.Install(s.ctx, skipping)
	s.wantError(err, "no matches for kind")
	out, err := s.driver.Install(s.ctx, s.job)
	s.must(out, err)
	if got := description(); got != "one" {
		t.Errorf("after the install the CRD is %q", got)
	}
	if got := s.value("caps"); got != "true" {
		t.Errorf("a chart does not see its own CRD in .Capabilities: %q", got)
	}
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "not-a-crd") {
		t.Errorf("notes: %q", out.Notes)
	}
	s.job.Chart = build("1.1.0", "two").Chart
	s.must(s.driver.Upgrade(s.ctx, s.job))
	if got := description(); got != "one" {
		t.Errorf("policy Create changed the CRD to %q", got)
	}
	s.job.Chart = build("1.2.0", "three").Chart
	s.job.Object.Spec.Upgrade = &v2.Upgrade{CRDs: v2.CreateReplace}
	s.must(s.driver.Upgrade(s.ctx, s.job))
	if got := description(); got != "three" {
		t.Errorf("policy CreateReplace left the CRD at %q", got)
	}
}
