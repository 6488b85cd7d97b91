package e2e

import (
	"fmt"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
)

func TestReleasesDependOnEachOther(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0"))
	s.commit(files{"app/b.yaml": configMap("b", "1")})
	s.apply(source,
		helmRelease("last", fixed, "releaseName: last", "targetNamespace: $ns", "dependsOn: [{name: app, kind: Kustomization}]", "install: {disableTakeOwnership: false}", "values: {color: last}"),
		kustomization("app", "path: ./app", "dependsOn: [{name: second, kind: HelmRelease}]"),
		helmRelease("second", fixed, "releaseName: second", "values: {color: second}", "dependsOn: [{name: first}]"))
	s.refuses("second", "DependencyNotReady", "dependency '$ns/first' not found")
	s.fails("app", "DependencyNotReady", "dependency 'HelmRelease/$ns/second' is not ready")
	s.refuses("last", "DependencyNotReady", "dependency 'Kustomization/$ns/app' is not ready")
	s.absent("ConfigMap/a")
	s.says("HelmChart/"+s.ns+"-second", "True", "ChartPackageSucceeded", "0.1.0") // it is fetched meanwhile
	s.apply(helmRelease("first", fixed, "releaseName: first", "values: {color: first}"))
	s.release("first", current)
	s.release("second", current)
	s.ready("app")
	s.release("last", current)
	t.Run("an expression decides alone", func(t *testing.T) {
		s.apply(helmRelease("expr", fixed, "releaseName: expr",
			`dependsOn: [{name: first, readyExpr: "has(dep.metadata.annotations) && 'go' in dep.metadata.annotations"}]`))
		s.refuses("expr", "DependencyNotReady", "dependency '$ns/first' is not ready according to readyExpr eval")
		s.patch("HelmRelease/first", "metadata: {annotations: {go: 'yes'}}")
		s.release("expr", current)
	})
	t.Run("a circle across kinds is stalled and printed", func(t *testing.T) {
		s.patch("HelmRelease/first", "spec: {dependsOn: [{name: last}]}")
		s.stalled("first", "DependencyNotReady", "$ns/first → $ns/last → Kustomization/$ns/app → $ns/second → $ns/first")
		s.patch("HelmRelease/first", "spec: {dependsOn: null}")
		s.release("first", current)
	})
}

// Objects of the versions before v2 act, with the fields that v2 has no more.
func TestHelmReleaseOfOldVersions(t *testing.T) {
	for _, version := range []string{"v2beta1", "v2beta2", "v2"} {
		t.Run(version, func(t *testing.T) {
			s := up(t)
			s.commit(chartOf("0.1.0", files{"prod.yaml": "color: prod\n"}))
			chart := "chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: fleet}, valuesFile: ./chart/prod.yaml}}"
			render := `postRenderers: [{kustomize: {patchesStrategicMerge: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: $ns}, data: {merged: "1"}}], patchesJson6902: [{target: {kind: ConfigMap, name: a}, patch: [{op: add, path: /data/patched, value: "1"}]}]}}]`
			want := `{"key":"prod","merged":"1","patched":"1"}`
			if version == "v2" {
				chart = strings.Replace(chart, "valuesFile: ./chart/prod.yaml", "valuesFiles: [./chart/prod.yaml]", 1)
				render = `postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap, name: a}, patch: '[{"op": "add", "path": "/data/patched", "value": "1"}]'}]}}]` + "\ncommonMetadata: {labels: {team: red}, annotations: {note: x}}"
				want = `{"key":"prod","patched":"1"}`
			}
			s.apply(source, strings.Replace(helmRelease("web", chart, render), "fluxcd.io/v2\n", "fluxcd.io/"+version+"\n", 1))
			s.released("web", 1)
			o := s.has("ConfigMap/a", want, "data")
			if version != "v2" {
				return
			}
			if o.GetLabels()["team"] != "red" || o.GetAnnotations()["note"] != "x" {
				t.Errorf("labels %v, annotations %v", o.GetLabels(), o.GetAnnotations())
			}
			s.patch("HelmRelease/web", "spec: {commonMetadata: {labels: {team: blue}}}")
			s.released("web", 2)
			if got := s.get("ConfigMap/a").GetLabels()["team"]; got != "blue" {
				t.Errorf("team: got %s", got)
			}
			s.patch("HelmRelease/web", "spec: {postRenderers: null}")
			s.released("web", 3)
		})
	}
}

// A value of a Secret shows nowhere, whatever fails.
func TestSecretValuesAreHidden(t *testing.T) {
	const canary = "canary-8d1f"
	for name, extra := range map[string]files{
		"schema":   {"values.schema.json": `{"properties": {"password": {"type": "integer", "maximum": 3}}}`},
		"pattern":  {"values.schema.json": `{"properties": {"password": {"type": "string", "pattern": "^[0-9]$"}}}`},
		"template": {"templates/b.yaml": `{{ fail (printf "no %s" .Values.password) }}`},
		"required": {"templates/b.yaml": `{{ include .Values.password . }}`},
		"yaml":     {"templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {a: {{ .Values.password }}: x}\n"},
		"apply":    {"templates/b.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 80, protocol: {{ .Values.password | quote }}}]}\n"},
		"strict":   {"templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n{{ .Values.password }}: x\n"},
		"kind":     {"templates/b.yaml": "apiVersion: v1\nkind: {{ .Values.password }}\nmetadata: {name: b}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(chartOf("0.1.0", extra))
			s.apply(source, "apiVersion: v1\nkind: Secret\nmetadata: {name: values, namespace: $ns}\nstringData: {values.yaml: 'password: "+canary+"'}\n",
				helmRelease("web", fixed, "valuesFrom: [{kind: Secret, name: values}]"))
			s.release("web", func(h *v2.HelmRelease) bool { return cond(h, "Released").Status == "False" })
			s.tried()
			s.stop() // writes the events that wait
			all := fmt.Sprint(text(t, s.releaseNow("web").Status), s.logs.tail(), s.logs.whole())
			for _, e := range s.told("web") {
				all += e.Message + fmt.Sprint(e.Annotations)
			}
			if i := strings.Index(all, canary); i >= 0 {
				t.Errorf("the secret shows: …%s…", all[max(0, i-200):min(len(all), i+100)])
			}
		})
	}
}

// tried waits until the first attempts are over.
func (s *stand) tried() {
	s.Helper()
	s.release("web", func(h *v2.HelmRelease) bool { return cond(h, "Stalled").Status == "True" || h.Status.Failures > 1 })
}

func (l *logs) whole() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// A chart that would take all memory or time, or that makes Helm panic, is
// refused; others go on.
func TestHostileChartsHarmNobody(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0"))
	s.apply(source)
	for name, template := range map[string]string{
		"repeat":  `{{ repeat 1000000000 "x" }}`,
		"until":   `{{ range until 1000000000 }}x{{ end }}`,
		"include": `{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`,
		"index":   `{{ index .Values.none 3 }}`,
	} {
		at := "hostile-" + name
		s.commit(files{at + "/Chart.yaml": "apiVersion: v2\nname: x\nversion: 0.1.0\n", at + "/templates/a.yaml": template})
		s.apply(helmRelease(at, "releaseName: "+at, "chart: {spec: {chart: ./"+at+", sourceRef: {kind: GitRepository, name: fleet}}}"))
	}
	s.apply(helmRelease("web", fixed))
	s.release("web", current)
	for _, name := range []string{"repeat", "until", "include", "index"} {
		h := s.release("hostile-"+name, func(h *v2.HelmRelease) bool { return cond(h, "Ready").Reason == "InstallFailed" })
		if m := cond(h, "Ready").Message; len(m) > 32<<10 {
			t.Errorf("%s: a message of %d bytes", name, len(m))
		}
	}
	s.patch("HelmRelease/web", "spec: {values: {color: blue}}")
	s.released("web", 2)
}
