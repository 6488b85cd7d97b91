package helmtest

import (
	"crypto/rand"
	"encoding/base64"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/helm"
)

func TestHostileTemplates(t *testing.T) { everywhere(t, testHostileTemplates) }

func testHostileTemplates(t *testing.T, on place) {
	t.Setenv("LEAT_CANARY", "canary")
	for name, tc := range map[string]struct{ template, want string }{
		"repeat":         {`{{ repeat 1000000000 "x" }}`, "more than"},
		"until":          {`{{ range until 1000000000 }}x{{ end }}`, "more than"},
		"untilStep":      {`{{ range untilStep 0 1000000000 1 }}x{{ end }}`, "more than"},
		"include":        {`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "rendering template has a nested reference name"},
		"a long loop":    {`{{ range 1000000000 }}x{{ end }}`, "more than"},
		"a bomb":         {`{{ define "a" }}{{ include "b" . }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ if lt (len .) 60 }}{{ include "a" (append . 1) }}{{ end }}{{ end }}{{ include "a" (list 1) }}`, "more than"},
		"memory":         {`{{ $s := repeat 4000000 "x" }}{{ range 100000 }}{{ $s }}{{ end }}`, "more than"},
		"env":            {`{{ env "LEAT_CANARY" }}`, `function "env" not defined`},
		"expandenv":      {`{{ expandenv "$LEAT_CANARY" }}`, `function "expandenv" not defined`},
		"not YAML":       {"a: [", "YAML"},
		"lookup of rest": {`{{ lookup "no.such/v1" "Thing" "" "" }}`, "no matches for kind"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": tc.template}))
			_, err := s.driver.Install(s.ctx, s.job)
			s.wantError(err, tc.want)
			s.wantStored("")
		})
	}
}

// What is stored is the chart as it came, not as it is rendered.
func TestStoredChartIsUntouched(t *testing.T) { everywhere(t, testStoredChartIsUntouched) }

func testStoredChartIsUntouched(t *testing.T, on place) {
	const loop = "{{- range until 3 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'c{{ . }}'}\n{{- end }}\n"
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": loop}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.must(s.driver.Upgrade(s.ctx, s.job))
	stored, err := s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object))
	if err != nil {
		t.Fatal(err)
	}
	for _, rel := range stored {
		if got := string(rel.Chart.Templates[0].Data); got != loop {
			t.Errorf("version %d holds the template %q", rel.Version, got)
		}
	}
	if got := string(s.job.Chart.Templates[0].Data); got != loop {
		t.Errorf("the chart given became %q", got)
	}
}

func TestNoNameIsResolved(t *testing.T) { everywhere(t, testNoNameIsResolved) }

func testNoNameIsResolved(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", `[{{ getHostByName "localhost" }}]`)}))
	s.must(s.driver.Install(s.ctx, s.job))
	if got := s.value("a"); got != "[]" {
		t.Errorf("a name was resolved: %q", got)
	}
}

// tenant returns a driver that may only touch its own namespace.
func (s *stand) tenant() *helm.Driver {
	s.Helper()
	rbac := s.kube.RbacV1()
	if _, err := rbac.Roles(s.ns).Create(s.ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "all"}, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "all"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.ns, Name: "tenant"}},
	}
	if _, err := rbac.RoleBindings(s.ns).Create(s.ctx, binding, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	return s.cluster.As(helm.Identity{User: "system:serviceaccount:" + s.ns + ":tenant"})
}

// A tenant's lookup, objects and storage are all asked for as the tenant.
func TestIdentity(t *testing.T) {
	s := newStand(t, server, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": configMap("a", `{{ (lookup "v1" "ConfigMap" .Release.Namespace "seen").data.k }}{{ (lookup "v1" "ConfigMap" .Release.Namespace "none").data }}`),
	}))
	s.driver = s.tenant()
	seen := s.job
	seen.Object = s.job.Object.DeepCopy()
	seen.Object.Name, seen.Chart = "other", chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("seen", "yes")})
	s.must(s.driver.Install(s.ctx, seen))
	s.must(s.driver.Install(s.ctx, s.job))
	if got := s.value("a"); got != "yes" {
		t.Errorf("lookup in the own namespace found %q", got)
	}
	for _, template := range []string{
		`{{ lookup "v1" "Secret" "kube-system" "" }}`, `{{ lookup "v1" "Namespace" "" "kube-system" }}`, `{{ lookup "v1" "Secret" "" "" }}`,
	} {
		s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": template})
		_, err := s.driver.Upgrade(s.ctx, s.job)
		s.wantError(err, "forbidden", "tenant")
	}
	s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + s.ns + "-more}\n"})
	_, err := s.driver.Upgrade(s.ctx, s.job)
	s.wantError(err, "forbidden", "tenant")
	s.job.Object.Spec.StorageNamespace = "kube-system"
	_, err = s.driver.Install(s.ctx, s.job)
	s.wantError(err, "forbidden", "tenant")
}

func TestSubcharts(t *testing.T) { everywhere(t, testSubcharts) }

func testSubcharts(t *testing.T, on place) {
	parent := chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "{{ .Values.global.g }}")})
	left, right := chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("left", "{{ .Values.x }}{{ .Values.global.g }}")}), chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("right", "1")})
	left.Metadata.Name, right.Metadata.Name = "left", "right"
	parent.AddDependency(left, right)
	parent.Metadata.Dependencies = []*chart.Dependency{{Name: "left", Version: "1.0.0", Condition: "left.enabled"}, {Name: "right", Version: "1.0.0", Condition: "right.enabled"}}
	s := newStand(t, on, parent)
	s.job.Values = map[string]any{"left": map[string]any{"enabled": true, "x": "x"}, "right": map[string]any{"enabled": false}, "global": map[string]any{"g": "g"}}
	s.must(s.driver.Install(s.ctx, s.job))
	if got := s.value("a") + " " + s.value("left") + " " + s.value("right"); got != "g xg " {
		t.Errorf("a, left and right hold %q", got)
	}
	if len(parent.Dependencies()) != 2 || len(s.job.Values) != 3 {
		t.Error("the install changed the chart or the values it was given")
	}
	s.job.Values = map[string]any{"left": map[string]any{"enabled": false}, "global": map[string]any{"g": "h"}, "right": map[string]any{"enabled": true}}
	s.must(s.driver.Upgrade(s.ctx, s.job))
	if got := s.value("a") + " " + s.value("left") + " " + s.value("right"); got != "h  1" {
		t.Errorf("a, left and right hold %q", got)
	}
}

func TestReleaseTooLargeForASecret(t *testing.T) { everywhere(t, testReleaseTooLargeForASecret) }

func testReleaseTooLargeForASecret(t *testing.T, on place) {
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1"), "noise": base64.StdEncoding.EncodeToString(noise)}))
	_, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "must fit into one Secret", ".helmignore")
	s.wantStored("")
	if got := s.value("a"); got != "" {
		t.Errorf("nothing is stored, yet the chart was applied: %q", got)
	}
}

func TestSchemaIsChecked(t *testing.T) { everywhere(t, testSchemaIsChecked) }

func testSchemaIsChecked(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	s.job.Chart.Schema = []byte(`{"type":"object","properties":{"n":{"type":"integer"}}}`)
	s.job.Values = map[string]any{"n": "text"}
	_, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "schema", "n")
	s.job.Object.Spec.Install = &v2.Install{DisableSchemaValidation: true}
	s.must(s.driver.Install(s.ctx, s.job))
}

// Objects in a List are marked as the others are: whoever follows the objects of releases
// finds them by these labels.
func TestListsAreTakenApart(t *testing.T) { everywhere(t, testListsAreTakenApart) }

func testListsAreTakenApart(t *testing.T, on place) {
	item := func(name, more string) string {
		return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + more + "}, data: {k: '1'}}"
	}
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": "apiVersion: v1\nkind: List\nitems:\n- " + item("a", "") + "\n- {apiVersion: v1, kind: ConfigMapList, items: [" + item("b", "") + "]}\n",
		"templates/c.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems: []\n",
		"templates/d.yaml": configMap("d", "1"),
		"templates/e.yaml": "apiVersion: v1\nkind: List\nitems: [" + item("e", ", annotations: {helm.sh/hook: pre-install}") + "]\n",
	}))
	s.job.Object.Spec.CommonMetadata = &v2.CommonMetadata{Annotations: map[string]string{"n": "1"}}
	out, err := s.driver.Install(s.ctx, s.job)
	rel := s.must(out, err)
	for _, name := range []string{"a", "b", "d", "e"} {
		found, err := s.kube.CoreV1().ConfigMaps(s.ns).Get(s.ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Error(err)
			continue
		}
		if found.Labels["helm.toolkit.fluxcd.io/name"] != "demo" || found.Annotations["n"] != "1" {
			t.Errorf("%s has labels %v, annotations %v", name, found.Labels, found.Annotations)
		}
	}
	if len(rel.Hooks) != 1 || len(out.Inventory.Entries) != 3 {
		t.Errorf("got %d hooks, inventory %v", len(rel.Hooks), out.Inventory.Entries)
	}
}

func TestPostRenderers(t *testing.T) { everywhere(t, testPostRenderers) }

func testPostRenderers(t *testing.T, on place) {
	templates := map[string]string{"templates/a.yaml": configMap("a", "1"), "templates/b.yaml": hook("b", "pre-install", "0", "")}
	s := newStand(t, on, chartOf("1.0.0", templates))
	s.job.Object.Spec.PostRenderers = []v2.PostRenderer{{Kustomize: &v2.Kustomize{
		Patches: []kustomize.Patch{{Patch: "- {op: replace, path: /data/k, value: patched}", Target: &kustomize.Selector{Kind: "ConfigMap"}}},
	}}}
	s.job.Object.Spec.CommonMetadata = &v2.CommonMetadata{Labels: map[string]string{"team": "a", "helm.toolkit.fluxcd.io/name": "lie"}, Annotations: map[string]string{"n": "1"}}
	s.job.Old = []helm.OldPostRenderer{{
		PatchesStrategicMerge: []apiextensionsv1.JSON{{Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"merged":"yes"}}`)}},
		PatchesJSON6902: []kustomize.JSON6902Patch{{
			Patch:  []kustomize.JSON6902{{Op: "add", Path: "/data/added", Value: &apiextensionsv1.JSON{Raw: []byte(`"yes"`)}}},
			Target: kustomize.Selector{Kind: "ConfigMap", Name: "a"},
		}},
	}}
	s.must(s.driver.Install(s.ctx, s.job))
	a, err := s.kube.CoreV1().ConfigMaps(s.ns).Get(s.ctx, "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Data["k"] != "patched" || a.Data["merged"] != "yes" || a.Data["added"] != "yes" {
		t.Errorf("a holds %v", a.Data)
	}
	if a.Labels["team"] != "a" || a.Labels["helm.toolkit.fluxcd.io/name"] != "demo" || a.Annotations["n"] != "1" {
		t.Errorf("a has labels %v, annotations %v", a.Labels, a.Annotations)
	}
	if got := s.value("b"); got != "patched" { // combined is the default
		t.Errorf("the hook holds %q", got)
	}
	for strategy, want := range map[v2.PostRenderStrategy]string{v2.PostRenderStrategyNoHooks: "1", v2.PostRenderStrategySeparate: "patched"} {
		s := newStand(t, on, chartOf("1.0.0", templates))
		s.job.Object.Spec.PostRenderStrategy = strategy
		s.job.Object.Spec.PostRenderers = []v2.PostRenderer{{Kustomize: &v2.Kustomize{
			Patches: []kustomize.Patch{{Patch: "- {op: replace, path: /data/k, value: patched}", Target: &kustomize.Selector{Kind: "ConfigMap"}}},
		}}}
		s.must(s.driver.Install(s.ctx, s.job))
		if got := s.value("b"); got != want {
			t.Errorf("with strategy %s the hook holds %q, want %q", strategy, got, want)
		}
	}
}
