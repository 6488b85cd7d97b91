package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/cli"
	"github.com/leat-dev/leat/internal/drift"
)

// leat drift says what people and controllers changed of a suspended unit, which
// field, by whom, and leaves it as it is.
func TestDriftVerb(t *testing.T) {
	s := up(t, func(c *app.Config) { c.Artifacts = "127.0.0.1:0" })
	s.commit(files{
		"app/a.yaml": configMap("a", "1"), "app/gone.yaml": configMap("gone", "1"), "app/same.yaml": configMap("same", "1"), "app/token.yaml": configMap("token", "${TOKEN}"),
		"app/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: hidden, namespace: $ns}\nstringData: {password: c4n4ry-of-git}\n",
		"app/web.yaml":    fmt.Sprintf(deployment, "", "", "1"),
	})
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: vars, namespace: $ns}\nstringData: {TOKEN: c4n4ry-of-vars}\n")
	s.apply(source, kustomization("app", "path: ./app", "prune: true", "postBuild: {substituteFrom: [{kind: Secret, name: vars}]}"))
	s.ready("app")
	s.idle()
	if code, text := s.drift(); code != 0 || !strings.Contains(text, "6 objects of 1 units are as Git wants them") {
		t.Fatalf("without drift: exit %d\n%s", code, text)
	}
	s.patch("Kustomization/app", `{spec: {suspend: true}}`)
	s.idle()
	s.patchAs("kubectl-edit", "ConfigMap/a", `{data: {key: "2", added: "by hand"}}`)
	s.patchAs("some-operator", "ConfigMap/same", `{metadata: {labels: {theirs: "1"}}}`)
	s.patched("kube-controller-manager", "Deployment/web", `{spec: {replicas: 5}}`, "scale")
	s.patchAs("vault", "Secret/hidden", `{stringData: {password: c4n4ry-of-vault}}`)
	s.patchAs("person", "ConfigMap/token", `{data: {key: c4n4ry-of-person}}`)
	s.delete("ConfigMap/gone")
	before := s.get("ConfigMap/a").GetResourceVersion()

	code, text := s.drift()
	if code != 2 {
		t.Errorf("exit %d, want 2", code)
	}
	for _, want := range []string{
		"5 of 6 objects differ", "suspended: nothing puts them right",
		"- ConfigMap/" + s.ns + "/gone  is wanted and does not exist",
		`/data/key: "2", Git wants "1"  by kubectl-edit, `, `/data/added: "by hand", Git wants nothing  by kubectl-edit, `,
		"/spec/replicas: 5, Git wants 1  by kube-controller-manager (scale)", "/data/password: \"secret:",
		"/data/key: \"secret:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "c4n4ry") || strings.Contains(text, "YzRuNHJ5") {
		t.Errorf("a secret is told:\n%s", text)
	}
	if strings.Contains(text, "/same") {
		t.Errorf("a label that Git says nothing of is no drift:\n%s", text)
	}
	if got := s.get("ConfigMap/a").GetResourceVersion(); got != before {
		t.Errorf("the object was written: %s, was %s", got, before)
	}
	s.driftOfDirectory()
}

// driftOfDirectory looks at a checkout that is ahead of what was delivered.
func (s *stand) driftOfDirectory() {
	s.Helper()
	s.save(files{"app/a.yaml": "", "app/new.yaml": configMap("new", "1")})
	snap, err := s.reader.Read(s.Context())
	s.must(err)
	report, err := app.Drift(s.Context(), app.DriftConfig{
		REST: s.cfg.REST, Namespace: s.ns, Local: app.LocalTree{URL: repository + ".git", Revision: snap.Revision(), Tree: snap.Tree},
	})
	s.must(err)
	states := map[string]drift.State{}
	for _, u := range report.Units {
		if u.Revision != snap.Revision() {
			s.Errorf("compared with %s, want %s", u.Revision, snap.Revision())
		}
		for _, o := range u.Objects {
			states[o.Ref.Name] = o.State
		}
	}
	for name, want := range map[string]drift.State{"a": drift.Extra, "new": drift.Missing, "gone": drift.Missing, "web": drift.Changed} {
		if states[name] != want {
			s.Errorf("%s is %q, want %q: %v", name, states[name], want, states)
		}
	}
}

// drift runs the verb, in both formats.
func (s *stand) drift() (code int, text string) {
	s.Helper()
	var out, errs bytes.Buffer
	args := []string{"drift", "--kubeconfig", kubetest.Shared(s.T).Kubeconfig, "-n", s.ns}
	code = cli.Main(s.Context(), args, cli.Env{Out: &out, Err: &errs})
	text = out.String() + errs.String()
	out.Reset()
	again := cli.Main(s.Context(), append(slices.Clone(args), "-o", "json"), cli.Env{Out: &out, Err: &errs})
	var doc struct {
		Version string
		Drift   bool
		Units   []struct {
			Kind    string
			Objects []struct {
				Name   string
				Fields []struct {
					Path   string
					Writer *struct{ Since time.Time }
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Version != drift.Version || doc.Drift != (code == 2) || again != code {
		s.Errorf("JSON: exit %d, %v: %s", again, err, out.String())
	}
	for _, u := range doc.Units {
		for _, o := range u.Objects {
			for _, f := range o.Fields {
				// The API server keeps no time of what is written through scale.
				if f.Writer == nil || f.Writer.Since.IsZero() && f.Path != "/spec/replicas" {
					s.Errorf("%s %s: who wrote it, and when, is not told", o.Name, f.Path)
				}
			}
		}
	}
	return code, text
}

// A release is compared with what Helm stored of it, by the rules of its spec.
func TestDriftVerbKnowsReleases(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0", various))
	s.apply(source, helmRelease("web", fixed, `driftDetection: {ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}]}`))
	s.release("web", current)
	s.idle()
	if code, text := s.drift(); code != 0 {
		t.Fatalf("without drift: exit %d\n%s", code, text)
	}
	s.patchAs("kubectl-patch", "ConfigMap/a", `{data: {key: "2"}}`)
	s.patchAs("kubectl-patch", "Deployment/web", `{spec: {replicas: 2}}`)
	s.delete("Service/web")
	code, text := s.drift()
	if code != 2 {
		t.Errorf("exit %d, want 2", code)
	}
	for _, want := range []string{`/data/key: "2", Git wants "red"  by kubectl-patch, `, "- Service/" + s.ns + "/web  is wanted and does not exist", "2 of 6 objects differ"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "replicas") {
		t.Errorf("what is ignored is no drift:\n%s", text)
	}
}
