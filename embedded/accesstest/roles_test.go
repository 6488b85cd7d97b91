package accesstest

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/access"
)

// A Role of a namespace is asked for as ClusterRoles are. It is another one in each
// namespace, is held only where it is, and whoever may write Roles there cannot make the
// grant more.
func TestRolesOfNamespaces(t *testing.T) {
	s := newStand(t)
	role := func(ns, rules string) {
		s.namespace(ns)
		s.create("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: helper, namespace: " + ns + "}\nrules: [" + rules + "]")
	}
	role("north", `{apiGroups: [""], resources: [configmaps, serviceaccounts/token], verbs: [get, list, create]}`)
	role("south", `{apiGroups: [""], resources: [services], verbs: [get, list]}`)
	role("wild", `{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}`)
	s.namespace("none")
	s.policy("mixed", "  roles: [{name: edit, maximum: 1h, namespaces: [north]}, {name: edit, kind: Role, maximum: 1h, namespaces: [south]}]\n")
	s.policy("roles", "  roles: [{name: helper, kind: Role, namespaces: [north, south, wild, none], maximum: 1h}]\n")
	s.start()

	s.cannot("names edit as a ClusterRole and as a Role", "alice", "access", "request", "--env=mixed", "--role=edit", "-n=south", "--reason=x")
	s.cannot("helper is not granted for the whole cluster", "alice", "access", "request", "--env=roles", "--role=helper", "--cluster-wide", "--reason=x")
	for ns, want := range map[string]string{
		"none": "there is no Role helper of namespace none",
		"wild": "Role helper of namespace wild, rule 1 (* on * of *): the wildcard covers",
	} {
		refused := s.reaches(s.asks("alice", "--env=roles", "--role=helper", "-n=north,"+ns, "--reason=x"), access.Refused)
		if !strings.Contains(refused.Why(), want) {
			t.Errorf("%s: got %s, want %s", ns, refused.Why(), want)
		}
	}
	held := s.granted("alice", "--env=roles", "--role=helper", "-n=north,south", "--reason=x")
	shown := s.does("carol", "access", "show", held.Name)
	for _, want := range []string{"it holds in north (sha256:", `get,list,create on configmaps of ""`, "it holds in south (sha256:", `get,list on services of ""`, "of the role in north it does not hold:\n  create serviceaccounts/token"} {
		if !strings.Contains(shown, want) {
			t.Errorf("leat access show: %q is missing in\n%s", want, shown)
		}
	}
	elevated := s.with(s.token(held))
	for _, c := range []struct {
		ns, resource string
		want         bool
	}{{"north", "configmaps", true}, {"north", "services", false}, {"south", "services", true}, {"south", "configmaps", false}, {"wild", "services", false}} {
		_, err := elevated.Resource(schema.GroupVersionResource{Version: "v1", Resource: c.resource}).Namespace(c.ns).List(t.Context(), metav1.ListOptions{})
		if (err == nil) != c.want || err != nil && !apierrors.IsForbidden(err) {
			t.Errorf("%s in %s: got %v, want allowed: %t", c.resource, c.ns, err, c.want)
		}
	}
	binding, err := s.dyn.Resource(bindings).Namespace("south").Get(t.Context(), held.Account(), metav1.GetOptions{})
	s.must(err)
	if ref := binding.Object["roleRef"].(map[string]any); ref["kind"] != "ClusterRole" {
		t.Errorf("the grant rests on %v, which the namespace's people may write", ref)
	}
	s.does("alice", "access", "end", held.Name)
	s.takenBack(s.reaches(held.Name, access.Ended))
}
