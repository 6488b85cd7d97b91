package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// The numbers are those of the list of attack cases that the issues name.

// Three loops in each other over what an object of a megabyte can hold.
const costly = "data.key.split('').all(a, data.key.split('').all(b, data.key.split('').all(c, a == b || b == c || c != '')))"

func TestCase13ExpressionBombs(t *testing.T) {
	big := configMap("big", strings.Repeat("x", 100_000))
	for name, spec := range map[string]string{
		"readyExpr":        "dependsOn: [{name: big, readyExpr: \"" + strings.ReplaceAll(costly, "data.key", "dep.spec.path") + "\"}]",
		"healthCheckExprs": "healthChecks: [{apiVersion: v1, kind: ConfigMap, name: big, namespace: $ns}]\nhealthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: \"" + costly + "\"}]",
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.save(files{"app/a.yaml": configMap("a", "1"), "big/big.yaml": big})
			s.bystander()
			s.apply(source, kustomization("big", "path: ./"+strings.Repeat("./", 5000)+"big"), kustomization("app", "path: ./app", spec))
			s.await("Kustomization/app", func(o *unstructured.Unstructured) bool {
				return o != nil && !isReady(o) && strings.Contains(field(o, "status", "conditions"), "does too much work")
			})
			s.ready("by")
			s.commit(files{"by/b.yaml": configMap("by", "2")})
			s.ready("by")
		})
	}
}

func TestCase14SubstitutionBombs(t *testing.T) {
	huge := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		vars, text string
		want       string // the value it comes to, or
		fails      string // the words it fails with
	}{
		"refers to itself": {`{a: "$${a}$${a}"}`, configMap("a", "${a}"), "${a}${a}", ""},
		"in a circle":      {`{a: "$${b}", b: "$${a}"}`, configMap("a", "${a}"), "${b}", ""},
		"adds a document":  {`{a: "1\"\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: stolen, namespace: $ns}\nx: \""}`, configMap("a", "${a}"), "", "a"},
		"huge, and often":  {`{a: "` + huge + `"}`, configMap("a", strings.Repeat("${a}", 2000)), "", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.save(files{"app/a.yaml": c.text})
			s.bystander()
			s.apply(source, kustomization("app", "path: ./app", "postBuild: {substitute: "+strings.ReplaceAll(c.vars, "$${", "${")+"}"))
			s.await("Kustomization/app", func(o *unstructured.Unstructured) bool {
				text := field(o, "status", "conditions")
				return c.want != "" && isReady(o) || c.fails != "" && strings.Contains(text, "BuildFailed") && strings.Contains(text, c.fails)
			})
			if isReady(s.get("Kustomization/app")) {
				s.data("ConfigMap/a", c.want)
			}
			s.absent("Secret/stolen")
			s.ready("by")
		})
	}
}

// Health is asked for with the rights of the unit's account, also of what the
// engine knows by itself.
func TestCase33HealthWithTheRightsOfTheServiceAccount(t *testing.T) {
	allowed := `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: $ns}
rules: [{apiGroups: [""], resources: [configmaps], resourceNames: [a], verbs: [get, patch]}, {apiGroups: [""], resources: [configmaps], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: $ns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: $ns}]
`
	for name, kind := range map[string]string{"of another unit": "ConfigMap, name: by", "of nobody": "Secret, name: s"} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.apply(serviceAccount, allowed, "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: $ns}\n")
			s.save(files{"app/a.yaml": configMap("a", "1")})
			s.bystander()
			s.apply(source)
			s.ready("by")
			s.apply(kustomization("app", "path: ./app", "serviceAccountName: deployer",
				"healthChecks: [{apiVersion: v1, kind: "+kind+", namespace: $ns}]"))
			s.fails("app", "HealthCheckFailed", "forbidden", "system:serviceaccount:$ns:deployer")
			s.data("ConfigMap/a", "1")
		})
	}
}

// Files count as YAML by the same rule whatever their case.
func TestCase9ExtensionsInCapitals(t *testing.T) {
	s := up(t)
	s.save(files{"app/a.yaml": configMap("a", "1"), "app/b.YAML": configMap("b", "1"), "app/c.YmL": configMap("c", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	k := s.ready("app")
	if got := inventory(k); len(got) != 1 {
		t.Errorf("inventory: got %q, want that of a.yaml, as in Flux, whose scan is for .yaml and .yml", got)
	}
}

// An inventory that was edited to name what others own deletes nothing of them.
func TestCase36InventoryThatNamesOthers(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	theirs := s.bystanders()[:1]
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: $ns}\n")
	s.idle()
	s.setStatus("Kustomization/app", `{status: {inventory: {entries: [{id: $ns_a__ConfigMap, v: v1}, {id: $ns_plain__ConfigMap, v: v1}, {id: $ns_s__Secret, v: v1}]}}}`)
	s.commit(files{"app/a.yaml": "", "app/b.yaml": configMap("b", "1")})
	s.ready("app")
	s.absent("ConfigMap/a")
	s.untouched(theirs)
	s.exists("Secret/s")
	s.delete("Kustomization/app")
	s.gone("Kustomization/app")
	s.untouched(theirs)
	s.exists("Secret/s")
}

// Every interval is a day, nothing is asked for: whatever happens is heard of.
func TestNothingPolls(t *testing.T) {
	runs := make(chan object.Key, 1024)
	s := up(t, counting(runs))
	s.save(generation(1))
	s.apply(source, kustomization("two", "path: ./two", "dependsOn: [{name: app}]"),
		kustomization("app", "path: ./app", "wait: true", "postBuild: {substituteFrom: [{kind: ConfigMap, name: late}]}"))
	s.fails("app", "BuildFailed", "late")
	s.apply(configMap("late", "1"))
	s.honest(1)
	s.delete("ConfigMap/a")
	s.data("ConfigMap/a", "1")
	s.commit(generation(2))
	s.honest(2)
	s.idle()
	for len(runs) > 0 {
		<-runs
	}
	asked := s.asked()
	s.apply(configMap("unrelated", "1"))
	s.exists("ConfigMap/unrelated")
	s.idle()
	if got := s.asked(); got != asked || len(runs) > 0 {
		t.Errorf("an object of others made %d requests and %d runs", got-asked, len(runs))
	}
	if warned := s.events("two", corev1.EventTypeWarning); len(warned) > 0 {
		t.Errorf("waiting for a dependency was told as a fault: %q", warned)
	}
}
