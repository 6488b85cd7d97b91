package e2e

import (
	"testing"

	"github.com/leat-dev/leat/internal/app"
)

const serviceAccount = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: $ns}
`

// allowAll lets the ServiceAccount do what it likes in the namespace.
const allowAll = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: $ns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: deployer, namespace: $ns}]
`

func TestUnitHasTheRightsOfItsServiceAccountOnly(t *testing.T) {
	byDefault := func(c *app.Config) { c.Options.DefaultServiceAccount = "deployer" }
	for name, c := range map[string]struct {
		options []func(*app.Config)
		spec    string
	}{
		"named in the spec":      {nil, "serviceAccountName: deployer"},
		"named by the flag":      {[]func(*app.Config){byDefault}, ""},
		"the spec before a flag": {[]func(*app.Config){func(c *app.Config) { c.Options.DefaultServiceAccount = "other" }}, "serviceAccountName: deployer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t, c.options...)
			s.apply(serviceAccount)
			s.commit(files{"app/a.yaml": configMap("a", "1")})
			s.apply(source, kustomization("app", "path: ./app", c.spec))
			s.fails("app", "ReconciliationFailed", "ConfigMap/$ns/a", "forbidden", "system:serviceaccount:$ns:deployer")
			s.absent("ConfigMap/a")
			s.apply(allowAll)
			s.ready("app")
			s.data("ConfigMap/a", "1")
		})
	}
}

// Without the right to delete, nothing is deleted in the name of the engine.
func TestPruneHasTheRightsOfTheServiceAccountOnly(t *testing.T) {
	s := up(t)
	s.apply(serviceAccount, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: $ns}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch]}]
`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: $ns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: $ns}]
`)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app", "serviceAccountName: deployer"))
	s.ready("app")
	s.commit(files{"app/b.yaml": ""})
	k := s.fails("app", "PruneFailed", "ConfigMap/$ns/b", "forbidden")
	s.exists("ConfigMap/b")
	if got := len(inventory(k)); got != 2 {
		t.Errorf("inventory: got %q, want both objects", inventory(k))
	}
	s.patch("Role/deployer", `{rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, delete]}]}`)
	s.ready("app")
	s.gone("ConfigMap/b")
}

func TestNoCrossNamespaceReferences(t *testing.T) {
	s := up(t, func(c *app.Config) { c.Options.NoCrossNamespaceRefs = true })
	s.commit(files{"app/a.yaml": configMap("a", "1"), "other/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("by", "path: ./other"))
	s.apply(kustomization("app", "path: ./app", "sourceRef: {kind: GitRepository, name: fleet, namespace: elsewhere}"))
	k := s.fails("app", "AccessDenied", "can't access 'GitRepository/elsewhere/fleet', cross-namespace references have been blocked")
	if got := condition(k, "Stalled").Status; got != "True" {
		t.Errorf("Stalled: got %q, want True", got)
	}
	s.ready("by")
	s.absent("ConfigMap/a")
}
