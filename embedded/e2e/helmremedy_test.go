package e2e

import (
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
)

// whatEnds is in the message of everything that only another input ends.
const whatEnds = "another spec, chart version or values; or annotate reconcile.fluxcd.io/requestedAt together with resetAt or forceAt"

func TestFailedInstall(t *testing.T) {
	const isBroken = "values: {broken: true}"
	for name, c := range map[string]struct {
		spec, kept string
		attempts   string
		failures   int64
	}{
		"without remediation is stalled":             {"install: {}", "1:failed", "1", 1},
		"remediated, and tried again once":           {"install: {remediation: {retries: 1}}", "1:failed", "2", 2},
		"the last failure is remediated too":         {"install: {remediation: {retries: 1, remediateLastFailure: true}}", "release: not found", "2", 2},
		"without retries, the failure is remediated": {"install: {remediation: {remediateLastFailure: true}}", "release: not found", "1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := releasing(t, fixed, isBroken, c.spec)
			h := s.stalled("web", "RetriesExceeded", "Failed to install after "+c.attempts+" attempt(s)", whatEnds)
			if h.Status.InstallFailures != c.failures {
				t.Errorf("install failures: got %d, want %d", h.Status.InstallFailures, c.failures)
			}
			if strings.Contains(c.spec, "emediateLast") {
				if r := cond(h, "Remediated"); r.Status != "True" || r.Reason != "UninstallSucceeded" {
					t.Errorf("Remediated: got %+v", r)
				}
				if c := cond(h, "Ready"); c.Reason != "InstallFailed" {
					t.Errorf("Ready: got %+v, want what failed", c)
				}
			} else if r := cond(h, "Released"); r.Status != "False" || r.Reason != "InstallFailed" ||
				!strings.HasPrefix(r.Message, s.expand("Helm install failed for release $ns/web with chart web@0.1.0: ")) || cond(h, "Ready").Message != r.Message {
				t.Errorf("Released: got %+v", r)
			}
			e := s.tells("web", "InstallFailed", "Helm install failed for release $ns/web with chart web@0.1.0: ")
			if !strings.Contains(e.Message, "Last Helm logs:") || e.Type != "Warning" || e.Annotations["helm.toolkit.fluxcd.io/revision"] != "0.1.0" {
				t.Errorf("event: got %+v", e)
			}
			s.wantKept("web", c.kept)
			s.idle()
			version := s.releaseNow("web").ResourceVersion
			s.patch("HelmRelease/web", "metadata: {annotations: {reconcile.fluxcd.io/requestedAt: one}}")
			s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "one" })
			h = s.stalled("web", "RetriesExceeded")
			if h.Status.InstallFailures != c.failures || h.ResourceVersion == version {
				t.Errorf("a request makes no attempt when there are none left: %+v", h.Status)
			}
			s.patch("HelmRelease/web", "spec: {values: null}")
			s.release("web", current)
			s.data("ConfigMap/a", "red")
		})
	}
}

// Every input ends "retries exceeded".
func TestStalledReleaseGoesOn(t *testing.T) {
	for name, change := range map[string]func(s *stand){
		"another spec":   func(s *stand) { s.patch("HelmRelease/web", "spec: {install: {disableHooks: true}}") },
		"other values":   func(s *stand) { s.apply(valuesOf("broken: true\ncolor: blue")) },
		"another chart":  func(s *stand) { s.commit(chartOf("0.2.0")) },
		"reset":          func(s *stand) { s.annotate("reset") },
		"force":          func(s *stand) { s.annotate("force") },
		"reset and told": func(s *stand) { s.annotate("reset", "force") },
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(chartOf("0.1.0"))
			s.apply(source, valuesOf("broken: true"), helmRelease("web", fixed, "valuesFrom: [{kind: ConfigMap, name: values}]"))
			s.stalled("web", "RetriesExceeded")
			change(s)
			s.release("web", func(h *v2.HelmRelease) bool {
				latest := h.Status.History.Latest()
				return latest != nil && latest.Version == 2 && cond(h, "Stalled").Status == "True" && h.Status.UpgradeFailures == 1
			})
			s.apply(valuesOf("color: green"))
			s.release("web", current)
			s.data("ConfigMap/a", "green")
		})
	}
}

func valuesOf(text string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values, namespace: $ns}\ndata:\n  values.yaml: |\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
}

// annotate asks for a run, with a reset or by force.
func (s *stand) annotate(what ...string) {
	s.Helper()
	text := "reconcile.fluxcd.io/requestedAt: now"
	for _, w := range what {
		text += ", reconcile.fluxcd.io/" + w + "At: now"
	}
	s.patch("HelmRelease/web", "metadata: {annotations: {"+text+"}}")
}

func TestFailedUpgrade(t *testing.T) {
	for name, c := range map[string]struct {
		spec, kept, reason string
		remains            bool // what was there before
	}{
		"without remediation":  {"upgrade: {}", "1:deployed 2:failed", "UpgradeFailed", true},
		"rolled back":          {"upgrade: {remediation: {remediateLastFailure: true}}", "1:superseded 2:failed 3:deployed", "RollbackSucceeded", true},
		"rolled back, retried": {"upgrade: {remediation: {retries: 1}}", "1:superseded 2:failed 3:superseded 4:failed 5:deployed", "RollbackSucceeded", true},
		"uninstalled":          {"upgrade: {remediation: {remediateLastFailure: true, strategy: uninstall}}", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := releasing(t, fixed, c.spec)
			s.released("web", 1)
			s.patch("HelmRelease/web", "spec: {values: {broken: true, color: blue}}")
			if !c.remains { // is installed again, which fails as often as it may
				s.stalled("web", "RetriesExceeded", "Failed to install after 1 attempt(s)")
				return
			}
			h := s.stalled("web", "RetriesExceeded", "Failed to upgrade after ", whatEnds)
			s.wantKept("web", c.kept)
			if got := cond(h, "Ready"); got.Reason != c.reason {
				t.Errorf("Ready: got %+v, want %s", got, c.reason)
			}
			if c.reason == "RollbackSucceeded" {
				s.data("ConfigMap/a", "red")
				s.tells("web", "RollbackSucceeded", "Helm rollback to previous release $ns/web.v")
			}
			s.patch("HelmRelease/web", "spec: {values: {broken: null, color: green}}")
			s.release("web", current)
			s.data("ConfigMap/a", "green")
		})
	}
}

func TestRetryOnFailure(t *testing.T) {
	s := releasing(t, fixed, "values: {broken: true}", "install: {strategy: {name: RetryOnFailure, retryInterval: 1s}}", "upgrade: {strategy: {name: RetryOnFailure, retryInterval: 1s}}")
	h := s.release("web", func(h *v2.HelmRelease) bool {
		latest := h.Status.History.Latest()
		return latest != nil && latest.Version >= 3 && cond(h, "Reconciling").Reason == "ProgressingWithRetry"
	})
	if c := cond(h, "Reconciling"); c.Message != "retrying after 1s" || cond(h, "Stalled").Type != "" {
		t.Errorf("conditions: got %v", h.Status.Conditions)
	}
	s.patch("HelmRelease/web", "spec: {values: {broken: null, color: blue}}")
	h = s.release("web", current)
	s.data("ConfigMap/a", "blue")
	if h.Status.UpgradeFailures+h.Status.InstallFailures != 0 {
		t.Errorf("failures: got %+v", h.Status)
	}
}

// What fails without a trace is tried again by and by, and at once when
// something changes.
func TestFailureWithoutARelease(t *testing.T) {
	s := releasing(t, fixed, "install: {remediation: {retries: 5}}")
	s.released("web", 1)
	s.commit(chartOf("0.2.0", files{"templates/bad.yaml": `{{ fail "no way" }}`}))
	h := s.refuses("web", "UpgradeFailed", "Helm upgrade failed for release $ns/web with chart web@0.2.0: ", "no way")
	if h.Status.UpgradeFailures != 0 || h.Status.Failures == 0 || cond(h, "Reconciling").Reason != "ProgressingWithRetry" || cond(h, "Stalled").Type != "" {
		t.Errorf("got %+v", h.Status)
	}
	s.wantKept("web", "1:deployed")
	s.commit(chartOf("0.2.1", files{"templates/bad.yaml": "# fine"}))
	s.released("web", 2)
}

// A post renderer that cannot be applied is no success when it is tried again, though chart
// and values are those of the release that is there.
func TestPostRendererThatFails(t *testing.T) {
	s := releasing(t, fixed)
	s.released("web", 1)
	s.patch("HelmRelease/web", `spec: {postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: "- {op: remove, path: /data/none}"}]}}]}`)
	s.refuses("web", "UpgradeFailed", "none")
	s.annotate()
	s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "now" })
	s.refuses("web", "UpgradeFailed", "none")
	s.wantKept("web", "1:deployed")
	s.patch("HelmRelease/web", `spec: {postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: "- {op: replace, path: /data/key, value: x}"}]}}]}`)
	s.released("web", 2)
	s.data("ConfigMap/a", "x")
}

const testJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: %NAME%, annotations: {helm.sh/hook: test}}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {%MARK%}}
    spec: {restartPolicy: Never, containers: [{name: main, image: main}]}
`

func helmTest(name, mark string) string {
	return strings.NewReplacer("%NAME%", name, "%MARK%", mark).Replace(testJob)
}

func TestHelmTests(t *testing.T) {
	good, bad := files{"templates/good.yaml": helmTest("good", "")}, files{"templates/bad.yaml": helmTest("bad", "leat.dev/simulate: job-exit-1")}
	start := func(t *testing.T, chart []files, spec ...string) *stand {
		s := up(t)
		s.commit(chartOf("0.1.0", chart...))
		s.apply(source, helmRelease("web", append(spec, fixed)...))
		return s
	}
	t.Run("succeed", func(t *testing.T) {
		s := start(t, []files{good}, "test: {enable: true}")
		h := s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "TestSuccess").Status == "True" })
		if c := cond(h, "Ready"); c.Reason != "TestSucceeded" || c.Message != s.expand("Helm test succeeded for release $ns/web.v1 with chart web@0.1.0: 1 test hook completed successfully") {
			t.Errorf("Ready: got %+v", c)
		}
		hooks := h.Status.History.Latest().GetTestHooks()
		if len(hooks) != 1 || hooks["good"] == nil || hooks["good"].Phase != "Succeeded" {
			t.Errorf("test hooks: got %v", hooks)
		}
		s.wantKept("web", "1:deployed")
		s.patch("HelmRelease/web", "spec: {test: null}")
		s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "TestSuccess").Type == "" })
	})
	t.Run("are not run", func(t *testing.T) {
		h := start(t, []files{good, bad}).released("web", 1)
		if c := cond(h, "TestSuccess"); c.Type != "" || h.Status.History.Latest().HasBeenTested() {
			t.Errorf("TestSuccess: got %+v", c)
		}
	})
	t.Run("fail", func(t *testing.T) {
		s := start(t, []files{good, bad}, "test: {enable: true}")
		h := s.stalled("web", "RetriesExceeded", "Failed to install after 1 attempt(s)")
		if c := cond(h, "Ready"); c.Reason != "TestFailed" || !strings.Contains(c.Message, "bad") {
			t.Errorf("Ready: got %+v", c)
		}
		if c := cond(h, "Released"); c.Status != "True" {
			t.Errorf("Released: got %+v", c)
		}
		s.wantKept("web", "1:deployed")
	})
	t.Run("fail, and that does not matter", func(t *testing.T) {
		h := start(t, []files{bad}, "test: {enable: true, ignoreFailures: true}").release("web", func(h *v2.HelmRelease) bool {
			return current(h) && cond(h, "TestSuccess").Status == "False"
		})
		if c := cond(h, "Ready"); c.Reason != "InstallSucceeded" {
			t.Errorf("Ready: got %+v", c)
		}
	})
	t.Run("fail after an upgrade, which is rolled back", func(t *testing.T) {
		s := start(t, nil, "test: {enable: true}", "upgrade: {remediation: {remediateLastFailure: true}}")
		s.release("web", current)
		s.commit(chartOf("0.2.0", bad))
		s.stalled("web", "RetriesExceeded")
		s.wantKept("web", "1:superseded 2:superseded 3:deployed")
	})
}

// Hooks run in the order of their weights, the release after them; a failing
// one fails it.
func TestHelmHooks(t *testing.T) {
	hook := func(name, weight string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", annotations: {helm.sh/hook: 'pre-install', helm.sh/hook-weight: '" + weight + "'}}\n"
	}
	s := up(t)
	s.commit(chartOf("0.1.0", files{"templates/second.yaml": hook("second", "5"), "templates/first.yaml": hook("first", "-5"),
		"templates/job.yaml": strings.Replace(helmTest("migrate", "leat.dev/simulate: job-exit-1"), "helm.sh/hook: test", "helm.sh/hook: pre-install, helm.sh/hook-weight: '9'", 1)}))
	s.apply(source, helmRelease("web", fixed))
	s.stalled("web", "RetriesExceeded")
	if h := s.releaseNow("web"); !strings.Contains(cond(h, "Ready").Message, "migrate") {
		t.Errorf("Ready: got %+v", cond(h, "Ready"))
	}
	s.absent("ConfigMap/a")
	version := func(name string) string { return s.get(name).GetResourceVersion() }
	first, second, job := version("ConfigMap/first"), version("ConfigMap/second"), s.get("Job/migrate")
	if len(first) > len(second) || len(first) == len(second) && first > second || len(job.GetResourceVersion()) < len(second) {
		t.Errorf("first was made at %s, second at %s", first, second)
	}
	s.patch("HelmRelease/web", "spec: {install: {disableHooks: true}, upgrade: {disableHooks: true}}")
	s.release("web", current)
	s.data("ConfigMap/a", "red")
}
