package accesstest

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/access"
)

// ask is a request as somebody might write it by hand.
func ask(name, requester, more string) string {
	return fmt.Sprintf(`
apiVersion: leat.dev/v1alpha1
kind: AccessRequest
metadata: {name: %s}
spec: {requester: {username: %s, groups: [developers]}, environment: held, role: edit, namespaces: [held], for: 10m, key: %s, reason: x%s}`, name, requester, strings.Repeat("A", 43)+"=", more)
}

func decide(r access.Request, by, verdict, requester string) string {
	return fmt.Sprintf(`
apiVersion: leat.dev/v1alpha1
kind: AccessDecision
metadata: {name: %s-by-%s-%s}
spec:
  request: {name: %s, uid: %s, requester: %s, digest: "%s"}
  by: {username: %q, groups: [%s]}
  verdict: %s`, r.Name, strings.ReplaceAll(by, ":", "-"), strings.ToLower(verdict), r.Name, r.UID, requester, digestOf(r), by, strings.Join(people[by], ","), verdict)
}

func digestOf(r access.Request) string {
	if r.Status.Snapshot == nil {
		return "sha256:" + strings.Repeat("0", 64)
	}
	return r.Status.Snapshot.Digest
}

// refused expects an error with these words.
func refused(t *testing.T, what, words string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: got %v, want it refused with %q", what, err, words)
	}
}

// Nobody can say in the API that they are somebody else, approve their own request,
// change what was asked or what became of it, or write what does not print: the API
// server refuses it, with no controller running.
func TestNobodyActsForOthers(t *testing.T) {
	s := newStand(t)
	s.namespace("held")
	s.policy("held", edit("held"))
	alice, carol, root := s.as("alice", "developers", "system:masters"), s.as("carol", "platform", "system:masters"), s.dyn
	account := s.as("system:serviceaccount:default:bot", "system:serviceaccounts", "system:masters")
	holder := s.as("system:serviceaccount:"+access.Namespace+":grant-x", access.HoldersGroup, "system:masters")
	made, err := s.make(alice, ask("held", "alice", ""))
	s.must(err)
	r, err := access.DecodeRequest(made)
	s.must(err)

	for _, c := range []struct {
		what, words string
		client      dynamic.Interface
		text        string
	}{
		{"a request in another's name", "the name of the user who makes it", alice, ask("a", "bob", "")},
		{"a request of an administrator in another's name", "the name of the user who makes it", root, ask("a", "bob", "")},
		{"a request with groups of others", "no groups that the user is not in", alice, strings.Replace(ask("a", "alice", ""), "developers", "platform", 1)},
		{"a request of a holder", "ValidatingAdmissionPolicy 'leat-access-", holder, ask("a", `"system:serviceaccount:`+access.Namespace+`:grant-x"`, "")},
		{"an approval in another's name", "the name of the user who makes it", alice, decide(r, "carol", "Approve", "alice")},
		{"an approval of oneself", "nobody decides about their own request", alice, decide(r, "alice", "Approve", "alice")},
		{"an approval of an account", "people decide, not service accounts", account, decide(r, "system:serviceaccount:default:bot", "Approve", "alice")},
		{"an approval of a holder", "ValidatingAdmissionPolicy 'leat-access-", holder, decide(r, "system:serviceaccount:"+access.Namespace+":grant-x", "Approve", "alice")},
		{"a short grant", "a grant is for 10m to 24h", alice, strings.Replace(ask("a", "alice", ""), "for: 10m", "for: 9m", 1)},
		{"a long grant", "a grant is for 10m to 24h", alice, strings.Replace(ask("a", "alice", ""), "for: 10m", "for: 25h", 1)},
		{"a reason of several lines", "spec.reason", alice, strings.Replace(ask("a", "alice", ""), "reason: x", `reason: "x\nApproved-by: carol"`, 1)},
		{"a reason that turns around", "spec.reason", alice, strings.Replace(ask("a", "alice", ""), "reason: x", `reason: "x \u202e y"`, 1)},
		{"a reason for terminals", "spec.reason", alice, strings.Replace(ask("a", "alice", ""), "reason: x", `reason: "\e[31m"`, 1)},
		{"a request that somebody else ends", "neither owners nor finalizers", alice, strings.Replace(ask("a", "alice", ""), "name: a}", "name: a, ownerReferences: [{apiVersion: leat.dev/v1alpha1, kind: AccessRequest, name: held, uid: "+string(r.UID)+"}]}", 1)},
		{"a request that stays for ever", "neither owners nor finalizers", alice, strings.Replace(ask("a", "alice", ""), "name: a}", "name: a, finalizers: [example.com/mine]}", 1)},
		{"a request that was proposed already", "what was written is proposed when", alice, strings.Replace(ask("a", "alice", ""), "name: a}", "name: a, annotations: {"+access.Proposed+": x}}", 1)},
		{"a decision that stays for ever", "neither owners nor finalizers", carol, strings.Replace(decide(r, "carol", "Deny", "alice"), "metadata: {", "metadata: {finalizers: [example.com/mine], ", 1)},
		{"everywhere and somewhere", "for some namespaces, or for the whole cluster", alice, ask("a", "alice", ", clusterWide: true")},
	} {
		_, err := s.make(c.client, c.text)
		refused(t, c.what, c.words, err)
	}

	change := func(client dynamic.Interface, patch string, sub ...string) error {
		_, err := client.Resource(requests).Patch(t.Context(), "held", types.MergePatchType, []byte(patch), metav1.PatchOptions{}, sub...)
		return err
	}
	refused(t, "a longer time", "a request does not change", change(alice, `{"spec":{"for":"24h"}}`))
	refused(t, "a status", "only the controller", change(alice, `{"status":{"phase":"Active"}}`, "status"))
	refused(t, "a status by an administrator", "only the controller", change(root, `{"status":{"phase":"Active"}}`, "status"))

	// What passes is worth nothing where it lies: Alice says that it was Bob who asked.
	_, err = s.make(alice, decide(r, "alice", "Approve", "bob"))
	s.must(err)
	approval, err := s.make(carol, decide(r, "carol", "Deny", "alice"))
	s.must(err)
	_, err = carol.Resource(decisions).Patch(t.Context(), approval.GetName(), types.MergePatchType, []byte(`{"spec":{"verdict":"Approve"}}`), metav1.PatchOptions{})
	refused(t, "a decision that changes", "a decision does not change", err)
	s.start()
	s.reaches("held", access.Denied)
}

// While a guard is missing or changed nothing is granted, and it is said.
func TestNothingIsGrantedUnguarded(t *testing.T) {
	s := newStand(t)
	s.namespace("unguarded")
	s.policy("unguarded", edit("unguarded"))
	s.start()
	guards := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"}
	patch := func(to string) {
		_, err := s.dyn.Resource(guards).Patch(t.Context(), "leat-access-holders", types.MergePatchType, []byte(`{"spec":{"validationActions":["`+to+`"]}}`), metav1.PatchOptions{})
		s.must(err)
	}
	patch("Warn")
	name := s.asks("alice", "--env=unguarded", "--role=edit", "-n=unguarded", "--reason=x")
	s.looked(name)
	s.does("carol", "access", "approve", name)
	s.await(name, func(r access.Request) bool {
		return strings.Contains(r.Why(), "ValidatingAdmissionPolicyBinding leat-access-holders was changed: nothing is granted without it")
	})
	patch("Deny")
	s.reaches(name, access.Active)
}

// What the role becomes after it was looked at does not become part of the grant,
// neither before the approval nor after; roles that are joined of others included.
func TestTheRoleGrows(t *testing.T) {
	s := newStand(t)
	s.namespace("grows")
	s.policy("grows", "  roles: [{name: joined, namespaces: [grows], maximum: 1h}]\n")
	part := func(name, resources string) {
		s.create(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: ` + name + `, labels: {join: "yes"}}
rules: [{apiGroups: [""], resources: [` + resources + `], verbs: [get, list]}]`)
	}
	part("part-a", "configmaps")
	s.create(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: joined}
rules: []
aggregationRule: {clusterRoleSelectors: [{matchLabels: {join: "yes"}}]}`)
	s.roleHas("configmaps")
	s.start()
	name := s.asks("alice", "--env=grows", "--role=joined", "-n=grows", "--reason=x")
	looked := s.looked(name)
	part("part-b", "services")
	s.roleHas("services")
	s.does("carol", "access", "approve", name)
	held := s.reaches(name, access.Active)
	if held.Status.Snapshot.Digest != looked.Status.Snapshot.Digest {
		t.Error("another snapshot is granted than was approved")
	}
	part("part-c", "endpoints")
	s.roleHas("endpoints")
	elevated := s.with(s.token(held))
	for resource, want := range map[string]bool{"configmaps": true, "services": false, "endpoints": false} {
		_, err := elevated.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace("grows").List(t.Context(), metav1.ListOptions{})
		if (err == nil) != want {
			t.Errorf("%s: got %v, want allowed: %t", resource, err, want)
		}
	}
	own, err := s.dyn.Resource(roles).Get(t.Context(), held.Account(), metav1.GetOptions{})
	s.must(err)
	if _, joined := own.Object["aggregationRule"]; joined {
		t.Error("the grant's own role is joined of others")
	}
}

// roleHas waits until the controller of roles has joined a resource.
func (s *stand) roleHas(resource string) {
	s.Helper()
	kubetest.AwaitObject(s.T, s.dyn.Resource(roles), "joined", func(u *unstructured.Unstructured) bool {
		text, err := u.MarshalJSON()
		s.must(err)
		return strings.Contains(string(text), `"`+resource+`"`)
	})
}

// A request that nobody answers is over, and no later approval changes that, neither at
// once nor for a controller that comes back.
func TestNobodyAnswers(t *testing.T) {
	s := newStand(t)
	s.namespace("silent")
	s.policy("silent", edit("silent")+"  wait: 1s\n  keep: 720h\n")
	s.policy("held2", edit("silent"))
	s.start()
	s.policy("forgets", edit("silent")+"  wait: 1s\n  keep: 1s\n")
	brief := s.asks("alice", "--env=forgets", "--role=edit", "-n=silent", "--reason=x")
	name := s.asks("alice", "--env=silent", "--role=edit", "-n=silent", "--reason=x")
	forgotten, err := s.dyn.Resource(requests).Get(t.Context(), brief, metav1.GetOptions{})
	s.must(err)
	r, err := access.DecodeRequest(forgotten)
	s.must(err)
	s.gone(r)
	over := s.reaches(name, access.Expired)
	s.cannot("is over (Expired)", "carol", "access", "approve", name)
	_, err = s.make(s.as("carol", "platform", "system:masters"), decide(over, "carol", "Approve", "alice"))
	s.must(err)
	s.takenBack(over)
	s.stop()
	s.start()
	s.does("alice", "access", "end", s.granted("alice", "--env=held2", "--role=edit", "-n=silent", "--reason=x").Name) // it has looked at all by now
	still, err := s.dyn.Resource(requests).Get(t.Context(), name, metav1.GetOptions{})
	s.must(err)
	if phase, _, _ := unstructured.NestedString(still.Object, "status", "phase"); phase != string(access.Expired) {
		t.Errorf("approved when it was over: got %s", phase)
	}
}
