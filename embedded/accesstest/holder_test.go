package accesstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/access"
)

// tempting is a role that names everything by which a grant could be prolonged or
// copied, beside what is harmless.
const tempting = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tempting}
rules:
  - {apiGroups: [""], resources: [configmaps, secrets, pods, serviceaccounts, services], verbs: ["*"]}
  - {apiGroups: [""], resources: [serviceaccounts/token, pods/exec, pods/attach, pods/ephemeralcontainers, nodes/proxy, persistentvolumes], verbs: ["*"]}
  - {apiGroups: [""], resources: [users, groups, serviceaccounts], verbs: [impersonate]}
  - {apiGroups: [apps], resources: ["*"], verbs: ["*"]}
  - {apiGroups: [batch], resources: ["*"], verbs: ["*"]}
  - {apiGroups: [rbac.authorization.k8s.io], resources: ["*"], verbs: ["*", bind, escalate]}
  - {apiGroups: [certificates.k8s.io], resources: ["*"], verbs: ["*", approve, sign]}
  - {apiGroups: [admissionregistration.k8s.io, apiregistration.k8s.io, apiextensions.k8s.io], resources: ["*"], verbs: ["*"]}
  - {apiGroups: [leat.dev], resources: ["*"], verbs: ["*"]}
  - {apiGroups: [kustomize.toolkit.fluxcd.io, source.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}`

// attempts are what a holder might do to keep or copy a grant. Each must be refused,
// with the real token by the rights of the grant, and by admission alone for a holder
// who may do everything.
var attempts = []struct{ what, text string }{
	{"a binding", "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x, namespace: tempted}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]"},
	{"a role", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x, namespace: tempted}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]"},
	{"a certificate", "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: x}\nspec: {request: $csr, signerName: kubernetes.io/kube-apiserver-client, usages: [client auth]}"},
	{"a request", strings.Replace(ask("x", "alice", ""), "environment: held", "environment: tempted", 1)},
	{"an admission policy's webhook", "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: x}"},
	{"a unit", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x, namespace: tempted}\nspec: {interval: 1h, prune: true, sourceRef: {kind: GitRepository, name: x}}"},
	{"a source", "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: x, namespace: tempted}\nspec: {interval: 1h, url: https://example.com/x}"},
	{"a volume of a node", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: x}\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /}}"},
	{"in the engine's namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: flux-system}"},
	{"in the namespace of grants", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x, namespace: leat-access}"},
	{"in kube-system", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}"},
}

// temptations are those that the rights of the grant allow and admission must refuse.
var temptations = []struct{ what, text string }{
	{"a token that lasts", "apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: tempted, annotations: {kubernetes.io/service-account.name: web}}\ntype: kubernetes.io/service-account-token"},
	{"a pod of another account", "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: tempted}\nspec: {serviceAccountName: web, containers: [{name: x, image: x}]}"},
	{"a Deployment of another account", strings.Replace(deployment, "name: web,", "name: x, namespace: tempted,", 1)},
	{"a CronJob of another account", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x, namespace: tempted}\nspec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {serviceAccountName: web, restartPolicy: Never, containers: [{name: x, image: x}]}}}}}"},
	{"a privileged pod", "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: tempted}\nspec: {containers: [{name: x, image: x, securityContext: {privileged: true}}]}"},
	{"a pod in its node", "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: tempted}\nspec: {hostPID: true, containers: [{name: x, image: x}]}"},
	{"a pod that may do more to its node", "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: tempted}\nspec: {containers: [{name: x, image: x, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}"},
	{"all that may be done to a node", "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: tempted}\nspec: {containers: [{name: x, image: x}], initContainers: [{name: z, image: x, securityContext: {capabilities: {add: [all]}}}]}"},
	{"what a StatefulSet makes its pods of", "apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: x, namespace: tempted}\nrevision: 1\ndata: {spec: {template: {spec: {serviceAccountName: web}}}}"},
	{"files of a node", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x, namespace: tempted}\nspec: {template: {spec: {restartPolicy: Never, volumes: [{name: x, hostPath: {path: /}}], containers: [{name: x, image: x}]}}}"},
}

// near is at its node by who put it there: in its network, with some of its files.
const near = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: near, namespace: tempted}
spec:
  selector: {matchLabels: {app: near}}
  template:
    metadata: {labels: {app: near}}
    spec:
      hostNetwork: true
      volumes: [{name: logs, hostPath: {path: /var/log}}]
      containers: [{name: web, image: web:1, securityContext: {capabilities: {add: [NET_ADMIN]}}}]`

// harmless is what a holder may do.
var harmless = []struct{ what, text string }{
	{"a ConfigMap", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine, namespace: tempted}"},
	{"a Secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: fine, namespace: tempted}\nstringData: {a: b}"},
	{"a pod", "apiVersion: v1\nkind: Pod\nmetadata: {name: fine, namespace: tempted}\nspec: {containers: [{name: x, image: x, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}]}"},
	{"a CronJob", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: fine, namespace: tempted}\nspec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}}}"},
}

// With a grant of a role that names every way to keep or copy it, none works.
func TestAGrantIsNeitherKeptNorCopied(t *testing.T) {
	s := newStand(t)
	s.namespace("tempted")
	s.create(tempting)
	for _, name := range []string{"web", "default"} {
		s.account("tempted", name)
	}
	s.policy("tempted", "  roles: [{name: tempting, namespaces: [tempted], maximum: 1h}]\n")
	s.create(strings.Replace(deployment, "name: web,", "name: web, namespace: tempted,", 1))
	s.create(near)
	s.create("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: tempted}\nspec: {interval: 24h, prune: true, path: ./a, sourceRef: {kind: GitRepository, name: apps}}")
	s.start()
	held := s.granted("alice", "--env=tempted", "--role=tempting", "-n=tempted", "--reason=x")
	real := s.with(s.token(held))
	mighty := s.as(held.Status.Grant.User, access.HoldersGroup, "system:serviceaccounts", "system:masters")

	csr := s.certificateRequest()
	for _, c := range attempts {
		text := strings.Replace(c.text, "$csr", csr, 1)
		_, err := s.make(real, text)
		refused(t, c.what, "forbidden", err)
		_, err = s.make(mighty, text)
		refused(t, c.what+", allowed everything", "ValidatingAdmissionPolicy", err)
	}
	for _, c := range temptations {
		_, err := s.make(real, c.text)
		refused(t, c.what, "ValidatingAdmissionPolicy 'leat-access-holders", err)
	}
	for _, c := range harmless {
		if _, err := s.make(real, c.text); err != nil {
			t.Errorf("%s is refused: %v", c.what, err)
		}
	}
	s.changes(real)
	s.subresources(held, mighty)
	s.copies(held)
	s.does("alice", "access", "end", held.Name)
	over := s.reaches(held.Name, access.Ended)
	s.takenBack(over)
	if got := len(over.Status.End.Writes); got < len(harmless) {
		t.Errorf("%d writes are told, want %d at least: %+v", got, len(harmless), over.Status.End)
	}
}

// certificateRequest is one for alice, in base64.
func (s *stand) certificateRequest() string {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "alice"}}, key)
	s.must(err)
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// account waits for a ServiceAccount, or makes it.
func (s *stand) account(ns, name string) {
	s.Helper()
	if name != "default" {
		s.create("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + name + ", namespace: " + ns + "}")
		return
	}
	kubetest.AwaitObject(s.T, s.dyn.Resource(accounts).Namespace(ns), name, func(*unstructured.Unstructured) bool { return true })
}

// changes are made to what is there: some may be, some not.
func (s *stand) changes(real dynamic.Interface) {
	s.Helper()
	for _, c := range []struct {
		what  string
		gvr   schema.GroupVersionResource
		name  string
		patch string
		words string // of the refusal; empty: it works
		sub   string
		by    string
	}{
		{what: "an image", gvr: deployments, name: "web", patch: `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"other"}]}}}}`},
		{what: "the account that it had not", gvr: deployments, name: "web", patch: `{"spec":{"template":{"spec":{"serviceAccountName":"other"}}}}`, words: "runs as the service account default, or as the one it had"},
		{what: "the default account", gvr: deployments, name: "web", patch: `{"spec":{"template":{"spec":{"serviceAccountName":"default"}}}}`},
		{what: "a node", gvr: deployments, name: "web", patch: `{"spec":{"template":{"spec":{"hostNetwork":true}}}}`, words: "does not reach its node"},
		{what: "suspend", gvr: units, name: "apps", patch: `{"spec":{"suspend":true}}`},
		{what: "ask for a run", gvr: units, name: "apps", patch: `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`},
		{what: "another path", gvr: units, name: "apps", patch: `{"spec":{"path":"./b"}}`, words: "changes spec.suspend and annotations"},
		{what: "another field", gvr: units, name: "apps", patch: `{"spec":{"targetNamespace":"kube-system"}}`, words: "changes spec.suspend and annotations"},
		{what: "less of it", gvr: units, name: "apps", patch: `{"spec":{"path":null}}`, words: "changes spec.suspend and annotations"},
		{what: "an owner whose end is its own", gvr: units, name: "apps", patch: `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"fine","uid":"x"}]}}`, words: "changes spec.suspend and annotations"},
		{what: "a label of who applies it", gvr: units, name: "apps", patch: `{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"x"}}}`, words: "changes spec.suspend and annotations"},
		{what: "a finalizer", gvr: units, name: "apps", patch: `{"metadata":{"finalizers":[]}}`, words: "changes spec.suspend and annotations"},
		{what: "more of its node", gvr: deployments, name: "near", patch: `{"spec":{"template":{"spec":{"containers":[{"name":"web","securityContext":{"privileged":true}}]}}}}`, words: "does not reach its node"},
		{what: "other files of its node", gvr: deployments, name: "near", patch: `{"spec":{"template":{"spec":{"volumes":[{"name":"root","hostPath":{"path":"/"}}]}}}}`, words: "does not reach its node"},
		{what: "an image of what reaches its node", gvr: deployments, name: "near", patch: `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"other"}]}}}}`},
		{what: "a status of the engine", gvr: units, name: "apps", sub: "status", patch: `{"status":{"lastAppliedRevision":"x"}}`, words: "changes spec.suspend and annotations"},
		{what: "as if it were the engine", gvr: deployments, name: "web", by: "kustomize-controller", patch: `{"spec":{"replicas":5}}`, words: "none of a controller's"},
		{what: "scale as if it were the engine", gvr: deployments, name: "web", sub: "scale", by: "kustomize-controller", patch: `{"spec":{"replicas":5}}`, words: "none of a controller's"},
		{what: "scale", gvr: deployments, name: "web", sub: "scale", by: "-", patch: `{"spec":{"replicas":5}}`},
		{what: "as nobody", gvr: deployments, name: "web", by: "-", patch: `{"spec":{"replicas":5}}`, words: "none of a controller's"},
	} {
		options := metav1.PatchOptions{FieldManager: "kubectl-patch"}
		if c.by != "" {
			options.FieldManager = strings.TrimPrefix(c.by, "-")
		}
		_, err := real.Resource(c.gvr).Namespace("tempted").Patch(s.Context(), c.name, types.StrategicMergePatchType, []byte(c.patch), options, nonEmpty(c.sub)...)
		if c.gvr == units || c.sub != "" {
			_, err = real.Resource(c.gvr).Namespace("tempted").Patch(s.Context(), c.name, types.MergePatchType, []byte(c.patch), options, nonEmpty(c.sub)...)
		}
		switch {
		case c.words != "":
			refused(s.T, c.what, c.words, err)
		case err != nil:
			s.Errorf("%s is refused: %v", c.what, err)
		}
	}
}

func nonEmpty(sub string) []string {
	if sub == "" {
		return nil
	}
	return []string{sub}
}

// subresources are asked for: tokens, commands in pods, nodes.
func (s *stand) subresources(held access.Request, mighty dynamic.Interface) {
	s.Helper()
	cfg := rest.AnonymousClientConfig(s.cluster.Config)
	cfg.BearerToken = s.token(held)
	client, err := kubernetes.NewForConfig(cfg)
	s.must(err)
	for ns, name := range map[string]string{"tempted": "web", access.Namespace: held.Account()} {
		_, err := client.CoreV1().ServiceAccounts(ns).CreateToken(s.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		refused(s.T, "a token of "+name, "forbidden", err)
	}
	err = client.CoreV1().RESTClient().Post().Resource("pods").Namespace("tempted").Name("fine").SubResource("exec").Param("command", "id").Do(s.Context()).Error()
	refused(s.T, "a command in a pod", "forbidden", err)
	cfg = rest.CopyConfig(s.cluster.Config)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: held.Status.Grant.User, Groups: []string{access.HoldersGroup, "system:masters"}}
	client, err = kubernetes.NewForConfig(cfg)
	s.must(err)
	_, err = client.CoreV1().ServiceAccounts("tempted").CreateToken(s.Context(), "web", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	refused(s.T, "a token, allowed everything", "ValidatingAdmissionPolicy", err)
	err = client.CoreV1().RESTClient().Post().Resource("pods").Namespace("kube-system").Name("x").SubResource("exec").Param("command", "id").Do(s.Context()).Error()
	refused(s.T, "a command in kube-system, allowed everything", "ValidatingAdmissionPolicy", err)
	own := s.as(held.Status.Grant.User, access.HoldersGroup, "system:masters").Resource(roles)
	_, err = own.Patch(s.Context(), held.Account(), types.MergePatchType, []byte(`{"rules":[]}`), metav1.PatchOptions{FieldManager: "kubectl"})
	refused(s.T, "other rules, allowed everything", "ValidatingAdmissionPolicy", err)
	err = mighty.Resource(units).Namespace("tempted").Delete(s.Context(), "apps", metav1.DeleteOptions{})
	refused(s.T, "deleting a unit, allowed everything", "ValidatingAdmissionPolicy", err)
	err = mighty.Resource(bindings).Namespace("tempted").Delete(s.Context(), held.Account(), metav1.DeleteOptions{})
	refused(s.T, "deleting the binding, allowed everything", "ValidatingAdmissionPolicy", err)
}

// copies of the grant's binding are refused to everybody but the controller.
func (s *stand) copies(held access.Request) {
	s.Helper()
	binding := func(name, subject string) string {
		return "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: " + name + "}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [" + subject + "]"
	}
	for what, text := range map[string]string{
		"its account":        binding("copy-a", "{kind: ServiceAccount, namespace: leat-access, name: "+held.Account()+"}"),
		"all holders":        binding("copy-b", "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:serviceaccounts:leat-access'}"),
		"its user":           binding("copy-c", "{apiGroup: rbac.authorization.k8s.io, kind: User, name: '"+held.Status.Grant.User+"'}"),
		"under another name": strings.Replace(binding("copy-d", "{kind: ServiceAccount, namespace: leat-access, name: "+held.Account()+"}"), "name: view", "name: "+held.Account(), 1),
	} {
		_, err := s.make(s.dyn, text)
		refused(s.T, "a binding of "+what, "only the controller of Leat binds accounts", err)
	}
	_, err := s.admin.CoreV1().ServiceAccounts(access.Namespace).CreateToken(s.Context(), held.Account(), &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	refused(s.T, "a token by an administrator", "namespace leat-access is for the grants", err)
	if _, err := s.make(s.dyn, binding("fine", "{kind: ServiceAccount, namespace: tempted, name: web}")); err != nil {
		s.Errorf("a binding of others is refused: %v", err)
	}
}
