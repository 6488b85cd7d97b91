package helmtest

import (
	"slices"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/helm"
)

// maxRequests is the bound of issue 3 for an install of four objects that waits
// until they are ready; looking before and after is in it.
const maxRequests = 28

func TestInstall(t *testing.T) {
	s := newStand(t, server, web("1.0.0"))
	s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object)) // discovery is the cluster's, not the release's
	out, err := s.driver.Install(s.ctx, s.job)
	rel := s.must(out, err)
	s.wantStored("1:deployed")
	d, err := s.kube.AppsV1().Deployments(s.ns).Get(s.ctx, "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Status.AvailableReplicas != 1 {
		t.Errorf("the release is deployed with %d replicas available", d.Status.AvailableReplicas)
	}
	for key, want := range map[string]string{
		"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "demo", "helm.toolkit.fluxcd.io/namespace": s.ns,
	} {
		if got := d.Labels[key]; got != want {
			t.Errorf("label %s is %q, want %q", key, got, want)
		}
	}
	managers := func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == "helm-controller" && m.Operation == metav1.ManagedFieldsOperationApply
	}
	if !slices.ContainsFunc(d.ManagedFields, managers) {
		t.Error("helm-controller applied nothing")
	}
	if got := rel.ApplyMethod; got != "ssa" {
		t.Errorf("apply method %q", got)
	}
	if got, want := len(out.Inventory.Entries), 4; got != want {
		t.Errorf("inventory has %d entries, want %d: %v", got, want, out.Inventory.Entries)
	}
	t.Logf("install until ready: %d requests", out.Requests)
	if out.Requests+2 > maxRequests {
		t.Errorf("the install made %d requests", out.Requests)
	}
}

func TestUpgradeRollbackUninstall(t *testing.T) { everywhere(t, testUpgradeRollbackUninstall) }

func testUpgradeRollbackUninstall(t *testing.T, on place) {
	s := newStand(t, on, web("1.0.0"))
	s.must(s.driver.Install(s.ctx, s.job))
	s.job.Chart, s.job.Values = web("1.1.0"), map[string]any{"color": "blue"}
	out, err := s.driver.Upgrade(s.ctx, s.job)
	s.must(out, err)
	t.Logf("upgrade until ready: %d requests", out.Requests)
	s.wantStored("1:superseded 2:deployed")
	if got := s.value("web"); got != "blue" {
		t.Errorf("after the upgrade the value is %q", got)
	}
	s.must(s.driver.Rollback(s.ctx, s.job, 1))
	s.wantStored("1:superseded 2:superseded 3:deployed")
	if got := s.value("web"); got != "red" {
		t.Errorf("after the rollback the value is %q", got)
	}
	s.must(s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object)))
	s.wantStored("")
	if got := s.value("web"); got != "" {
		t.Errorf("after the uninstall the value is %q", got)
	}
	out, err = s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object))
	if err != nil || len(out.Written) != 0 {
		t.Errorf("uninstalling nothing: %v, wrote %d", err, len(out.Written))
	}
}

func TestPruneAndKeep(t *testing.T) { everywhere(t, testPruneAndKeep) }

func testPruneAndKeep(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": configMap("a", "1"), "templates/b.yaml": configMap("b", "1"),
		"templates/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {helm.sh/resource-policy: keep}}\ndata: {k: '1'}\n",
	}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": configMap("a", "2")})
	s.must(s.driver.Upgrade(s.ctx, s.job))
	if got := s.value("a") + s.value("b") + s.value("c"); got != "21" {
		t.Errorf("a, b and c hold %q, want 2, nothing, 1", got)
	}
}

func TestAllRefusalsAtOnce(t *testing.T) {
	bad := func(name string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {ports: [{port: 99999}]}\n"
	}
	files := map[string]string{"templates/a.yaml": bad("bad-one"), "templates/b.yaml": bad("bad-two"), "templates/c.yaml": configMap("good", "1"),
		"templates/d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad-three}\nspec: {replicas: -1}\n"}
	s := newStand(t, server, chartOf("1.0.0", files))
	_, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "bad-one", "bad-two", "bad-three")
	s.wantStored("1:failed")
	if _, err := s.driver.Upgrade(s.ctx, s.job); err == nil {
		t.Error("the upgrade was not refused")
	} else {
		s.wantError(err, "bad-one", "bad-two", "bad-three")
	}
	s.wantStored("1:failed 2:failed")
}

func TestUnknownKindsAtOnce(t *testing.T) { everywhere(t, testUnknownKindsAtOnce) }

func testUnknownKindsAtOnce(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": "apiVersion: example.org/v1\nkind: One\nmetadata: {name: a}\n",
		"templates/b.yaml": "apiVersion: example.org/v1\nkind: Two\nmetadata: {name: b}\n",
	}))
	_, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, `no matches for kind "One"`, `no matches for kind "Two"`)
	s.wantStored("")
}

func TestTakesOwnership(t *testing.T) { everywhere(t, testTakesOwnership) }

func testTakesOwnership(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("mine", "chart")}))
	other := chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("mine", "other")})
	job := s.job
	job.Chart, job.Object = other, s.job.Object.DeepCopy()
	job.Object.Name = "other"
	s.must(s.driver.Install(s.ctx, job))
	refused := s.job
	refused.Object = s.job.Object.DeepCopy()
	refused.Object.Spec.Install = &v2.Install{DisableTakeOwnership: true}
	_, err := s.driver.Install(s.ctx, refused)
	s.wantError(err, "exists and cannot be imported")
	s.must(s.driver.Install(s.ctx, s.job))
	if got := s.value("mine"); got != "chart" {
		t.Errorf("the value is %q", got)
	}
}

func TestInstallsAgainWhereHistoryWasKept(t *testing.T) {
	everywhere(t, testInstallsAgainWhereHistoryWasKept)
}

func testInstallsAgainWhereHistoryWasKept(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	s.job.Object.Spec.Uninstall = &v2.Uninstall{KeepHistory: true}
	s.must(s.driver.Install(s.ctx, s.job))
	s.must(s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object)))
	s.wantStored("1:uninstalled")
	if out, err := s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object)); err != nil || len(out.Written) != 0 {
		t.Errorf("uninstalling twice: %v", err)
	}
	if did, _ := s.converge(); words(did) != "install" || s.value("a") != "1" {
		t.Errorf("did %q, a holds %q", words(did), s.value("a"))
	}
	s.wantStored("1:superseded 2:deployed")
}

// A release of which a kind is gone can still be uninstalled.
func TestUninstallWithoutTheKind(t *testing.T) { everywhere(t, testUninstallWithoutTheKind) }

func testUninstallWithoutTheKind(t *testing.T, on place) {
	group := "gone.example.org"
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"crds/a.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things." + group + "}\nspec: {group: " + group +
			", scope: Namespaced, names: {kind: Thing, plural: things, singular: thing, listKind: ThingList}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n",
		"templates/a.yaml": "apiVersion: " + group + "/v1\nkind: Thing\nmetadata: {name: x}\n", "templates/b.yaml": configMap("b", "1"),
	}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.deleteCRD("things." + group)
	out, err := s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object))
	s.must(out, err)
	s.wantStored("")
	if len(out.Notes) == 0 || !strings.Contains(out.Notes[0], "Thing") || s.value("b") != "" {
		t.Errorf("notes %q, b holds %q", out.Notes, s.value("b"))
	}
}

func TestSecretsAreHidden(t *testing.T) { everywhere(t, testSecretsAreHidden) }

func testSecretsAreHidden(t *testing.T, on place) {
	const canary = "canary-hunter2"
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": "{{ fail (printf \"cannot use %s\" .Values.password) }}",
	}))
	s.job.Values, s.job.Secrets = map[string]any{"password": canary}, []string{canary}
	var lines []string
	s.job.Log = func(line string) { lines = append(lines, line) }
	out, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "cannot use «secret»")
	s.job.Chart = chartOf("1.0.0", map[string]string{
		"templates/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '{{ .Values.password }}'}\n",
		"templates/b.yaml": "kind: {{ .Values.password }}\n",
	})
	out2, err2 := s.driver.Install(s.ctx, s.job)
	s.wantError(err2)
	all := strings.Join(append(lines, out.Log, out2.Log, err.Error(), err2.Error()), "\n")
	if strings.Contains(all, canary) {
		t.Errorf("a secret shows:\n%s", all)
	}
}

// TestNamespaceOfAKindWithoutNamespaces: what a chart writes so stays in the cluster when
// the release is upgraded, and is in the inventory as it stands.
func TestNamespaceOfAKindWithoutNamespaces(t *testing.T) {
	everywhere(t, testNamespaceOfAKindWithoutNamespaces)
}

func testNamespaceOfAKindWithoutNamespaces(t *testing.T, on place) {
	role := func(s string) string {
		return "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: \"{{ .Release.Namespace }}-role\", namespace: default}\n" +
			"rules: [{apiGroups: [''], resources: [pods], verbs: [" + s + "]}]\n"
	}
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/role.yaml": role("get")}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.job.Chart = chartOf("1.1.0", map[string]string{"templates/role.yaml": role("list")})
	out, err := s.driver.Upgrade(s.ctx, s.job)
	s.must(out, err)
	got, err := s.kube.RbacV1().ClusterRoles().Get(s.ctx, s.ns+"-role", metav1.GetOptions{})
	if err != nil || got.Rules[0].Verbs[0] != "list" {
		t.Fatalf("got %v, %v; want the role of the new chart", got, err)
	}
	s.must(s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object)))
	if _, err := s.kube.RbacV1().ClusterRoles().Get(s.ctx, s.ns+"-role", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("got %v; want that the role went with its release", err)
	}
}
