package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/world"
)

const farWeb = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: $ns}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: main}]}}
`

const rolledOut = `{status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1,
  conditions: [{type: Progressing, status: "True", reason: NewReplicaSetAvailable, message: enough, lastTransitionTime: "2026-01-01T00:00:00Z", lastUpdateTime: "2026-01-01T00:00:00Z"}, {type: Available, status: "True", reason: Enough, message: enough, lastTransitionTime: "2026-01-01T00:00:00Z", lastUpdateTime: "2026-01-01T00:00:00Z"}]}}`

// The life of a Kustomization in another cluster, in which every interval is a day.
func TestKustomizationInAnotherCluster(t *testing.T) {
	s, there := remotely(t)
	s.save(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1"), "app/web.yaml": farWeb})
	s.bystander()
	s.apply(source, kustomization("app", "path: ./app", "wait: true", "timeout: 1h", inFar))
	s.fails("app", "ReconciliationFailed", "spec.kubeConfig: Secret/$ns/far not found")
	s.apply(secretOf(there.kubeconfig()))
	there.data("ConfigMap/a", "1")
	s.unit("app", func(k *kustomizev1.Kustomization) bool {
		return condition(k, "Ready").Status == "Unknown" && strings.Contains(condition(k, "Reconciling").Message, "health checks")
	})
	there.setStatus("Deployment/web", rolledOut)
	s.ready("app")
	s.ready("by")
	for _, name := range []string{"ConfigMap/a", "Deployment/web"} {
		s.absent(name) // nothing of it is here
	}
	there.patch("ConfigMap/a", `{data: {key: "2"}}`)
	there.data("ConfigMap/a", "1")
	there.delete("ConfigMap/a")
	there.data("ConfigMap/a", "1")
	s.commit(files{"app/b.yaml": "", "app/c.yaml": configMap("c", "1")})
	there.exists("ConfigMap/c")
	there.gone("ConfigMap/b")
	s.ready("app")
	s.delete("Kustomization/app")
	s.gone("Kustomization/app")
	for _, name := range []string{"ConfigMap/a", "ConfigMap/c", "Deployment/web"} {
		there.gone(name)
	}
	there.silent()
}

// The life of a HelmRelease in another cluster: Helm's storage is there too.
func TestHelmReleaseInAnotherCluster(t *testing.T) {
	s, there := remotely(t)
	s.commit(chartOf("0.1.0", files{"templates/web.yaml": strings.ReplaceAll(farWeb, ", namespace: $ns", "")}))
	s.apply(source, secretOf(there.kubeconfig(), "value.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vals, namespace: $ns}\ndata: {values.yaml: \"color: blue\"}\n",
		helmRelease("web", detecting, inFar, "valuesFrom: [{kind: ConfigMap, name: vals}]"))
	there.exists("Deployment/web")
	s.running("web", "install")
	there.setStatus("Deployment/web", rolledOut)
	s.released("web", 1)
	there.data("ConfigMap/a", "blue")
	there.exists("Secret/sh.helm.release.v1.web.v1")
	for _, name := range []string{"ConfigMap/a", "Deployment/web", "Secret/sh.helm.release.v1.web.v1"} {
		s.absent(name)
	}
	there.patch("ConfigMap/a", `{data: {key: green}}`)
	there.data("ConfigMap/a", "blue")
	there.delete("Secret/sh.helm.release.v1.web.v1") // its storage is watched there
	there.exists("Secret/sh.helm.release.v1.web.v1")
	there.setStatus("Deployment/web", rolledOut)
	s.patch("ConfigMap/vals", `{data: {values.yaml: "color: red"}}`)
	there.data("ConfigMap/a", "red")
	s.release("web", current)
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	there.gone("ConfigMap/a")
	there.absent("Secret/sh.helm.release.v1.web.v1")
	there.silent()
}

// Case 17: what a kubeconfig may not ask for. Nothing of it is done, and the
// change of the Secret is heard of.
func TestCase17Kubeconfig(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "executed")
	program := &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: "touch", Args: []string{mark}, InteractiveMode: api.NeverExecInteractiveMode}
	user := func(u api.AuthInfo) func(*api.Config) {
		return func(c *api.Config) { c.AuthInfos["me"] = &u }
	}
	for name, c := range map[string]struct {
		edit func(*api.Config)
		want string
	}{
		"a program":         {user(api.AuthInfo{Exec: program}), "--insecure-kubeconfig-exec"},
		"an auth provider":  {user(api.AuthInfo{AuthProvider: &api.AuthProviderConfig{Name: "oidc"}}), "auth-provider"},
		"a file of a token": {user(api.AuthInfo{TokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token"}), "tokenFile"},
		"a file of a key":   {user(api.AuthInfo{ClientKey: "/etc/key"}), "client-key"},
		"a file, not used":  {func(c *api.Config) { c.Clusters["x"] = &api.Cluster{CertificateAuthority: "/etc/ca"} }, "certificate-authority"},
		"no verification": {func(c *api.Config) {
			c.Clusters["far"].InsecureSkipTLSVerify, c.Clusters["far"].CertificateAuthorityData = true, nil
		}, "--insecure-kubeconfig-tls"},
		"a password in the URL": {func(c *api.Config) { c.Clusters["far"].Server = "https://me:" + canary + "@127.0.0.1:1" }, "credential in its server"},
		"no context":            {func(c *api.Config) { c.CurrentContext = "none" }, "current-context"},
		"no server":             {func(c *api.Config) { c.Clusters["far"].Server = "file:///etc" }, "https://host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			s, there := remotely(t)
			s.save(files{"app/a.yaml": configMap("a", "1")})
			s.commit(chartOf("0.1.0"))
			s.bystander()
			s.apply(secretOf(there.kubeconfig(c.edit)), source, kustomization("app", "path: ./app", inFar), helmRelease("web", inFar))
			s.fails("app", "ReconciliationFailed", "spec.kubeConfig: Secret/$ns/far: ", c.want)
			s.refuses("web", "RESTClientError", "spec.kubeConfig: Secret/$ns/far: ", c.want)
			s.ready("by")
			if all, _ := there.line.counts(); all > 0 {
				t.Errorf("there were %d connections", all)
			}
			if _, err := os.Stat(mark); !os.IsNotExist(err) {
				t.Errorf("the program of a kubeconfig was run: %v", err)
			}
			s.absent("ConfigMap/a") // neither there nor, by mistake, here
			s.apply(secretOf(there.kubeconfig()))
			s.ready("app")
			s.released("web", 1)
			there.exists("ConfigMap/a")
			s.stop()
			s.hides(canary)
		})
	}
}

// hides fails the test where the engine shows a secret.
func (s *stand) hides(secret string) {
	s.Helper()
	for where, text := range s.exposed() {
		if at := strings.Index(text, secret); at >= 0 {
			s.Errorf("%s holds a secret: …%s", where, text[max(0, at-200):min(len(text), at+60)])
		}
	}
}

// What the flags allow is done.
func TestKubeconfigsMayDoWhatTheFlagsAllow(t *testing.T) {
	s, there := remotely(t, func(c *app.Config) { c.Remotes.Exec, c.Remotes.Insecure = true, true })
	s.save(files{"app/a.yaml": configMap("a", "1")})
	token := there.token("deployer")
	there.apply(serviceAccount, allowAll)
	credential := `{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "` + token + `"}}`
	s.apply(secretOf(there.kubeconfig(func(c *api.Config) {
		c.Clusters["far"].InsecureSkipTLSVerify, c.Clusters["far"].CertificateAuthorityData = true, nil
		c.AuthInfos["me"] = &api.AuthInfo{Exec: &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "echo", Args: []string{credential}, InteractiveMode: api.NeverExecInteractiveMode,
		}}
	})), source, kustomization("app", "path: ./app", inFar))
	s.ready("app")
	there.exists("ConfigMap/a")
	s.stop()
	s.hides(token)
}

// token makes a token of a ServiceAccount.
func (f *far) token(account string) string {
	f.Helper()
	f.apply(serviceAccount)
	return f.made(account).Status.Token
}

func (f *far) made(account string) *authenticationv1.TokenRequest {
	f.Helper()
	made, err := f.set().CoreV1().ServiceAccounts(f.ns).CreateToken(context.Background(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	f.must(err)
	return made
}

// A cluster that is away is told of, disturbs nobody, and comes back by itself.
func TestAnotherClusterIsAway(t *testing.T) {
	s, there := remotely(t)
	s.commit(chartOf("0.1.0", files{"../app/a.yaml": configMap("k", "1")}))
	s.bystander()
	s.apply(source, secretOf(there.kubeconfig()), kustomization("app", "path: ./app", inFar), helmRelease("web", inFar))
	s.ready("app")
	s.released("web", 1)
	s.idle()
	at := there.line.addr()
	there.line.cut()
	s.commit(files{"app/a.yaml": configMap("k", "2"), "chart/values.yaml": "color: green\n", "by/b.yaml": configMap("by", "2")})
	s.ready("by")
	s.fails("app", "ReconciliationFailed", "Secret/$ns/far", "does not answer")
	s.refuses("web", "RESTClientError", "Secret/$ns/far", "does not answer")
	s.delete("HelmRelease/web")
	s.release("web", func(h *v2.HelmRelease) bool { return strings.Contains(cond(h, "Ready").Message, "does not answer") })
	s.must(there.line.mend(at))
	there.data("ConfigMap/k", "2")
	s.ready("app")
	s.gone("HelmRelease/web")
	there.gone("ConfigMap/a")
}

// Units with the same kubeconfig share one connection; another kubeconfig is
// another one, and the old one ends.
func TestConnectionsAreSharedAndEnd(t *testing.T) {
	s, there := remotely(t)
	s.save(files{"one/a.yaml": configMap("one", "1"), "two/a.yaml": configMap("two", "1")})
	s.apply(source, secretOf(there.kubeconfig()), kustomization("one", "path: ./one", inFar))
	s.ready("one")
	before, _ := there.line.counts()
	s.apply(kustomization("two", "path: ./two", inFar))
	s.ready("two")
	if after, _ := there.line.counts(); after != before {
		t.Errorf("connections: got %d, want the %d of the first unit", after, before)
	}
	s.apply(secretOf(kubeconfigFor(s, s.cfg.REST, s.cfg.REST.Host))) // which leads home
	s.data("ConfigMap/one", "1")
	s.data("ConfigMap/two", "1")
	there.silent()
	s.delete("ConfigMap/one") // drift is heard of at the new place
	s.data("ConfigMap/one", "1")
	there.data("ConfigMap/one", "1") // left behind, as in Flux
}

// A unit of another cluster and one of this one never meet at an object.
func TestObjectsOfTheSameNameInTwoClusters(t *testing.T) {
	s, there := remotely(t)
	s.save(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.apply(source, secretOf(there.kubeconfig()), kustomization("here", "path: ./app"), kustomization("there", "path: ./app", inFar))
	s.ready("here")
	s.ready("there")
	s.data("ConfigMap/a", "1")
	there.data("ConfigMap/a", "1")
	s.delete("Kustomization/there")
	s.gone("Kustomization/there")
	there.gone("ConfigMap/a")
	s.data("ConfigMap/a", "1")
	s.idle()
	// There may be an engine of its own, with a unit of our name and namespace.
	there.apply(configMap("theirs", "1", "labels: {kustomize.toolkit.fluxcd.io/name: again, kustomize.toolkit.fluxcd.io/namespace: $ns}"))
	s.apply(kustomization("again", "path: ./app", inFar))
	s.ready("again")
	there.data("ConfigMap/theirs", "1")
}

// The account of the spec is impersonated there.
func TestServiceAccountOfAnotherCluster(t *testing.T) {
	s, there := remotely(t)
	s.save(files{"app/a.yaml": configMap("a", "1")})
	s.commit(chartOf("0.1.0"))
	s.apply(source, secretOf(there.kubeconfig()), serviceAccount, allowAll, // which is of no use here
		kustomization("app", "path: ./app", "serviceAccountName: deployer", inFar), helmRelease("web", "serviceAccountName: deployer", inFar))
	s.fails("app", "ReconciliationFailed", "forbidden", "system:serviceaccount:$ns:deployer")
	s.refuses("web", "StateError", "forbidden", "system:serviceaccount:$ns:deployer")
	there.apply(serviceAccount, allowAll)
	for _, name := range []string{"Kustomization/app", "HelmRelease/web"} {
		s.patch(name, `{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "1"}}}`)
	}
	s.ready("app")
	s.released("web", 1)
	there.exists("ConfigMap/a")
}

// Who may only do what it needs in one namespace needs no more.
func TestKubeconfigOfFewRights(t *testing.T) {
	s, there := remotely(t)
	s.save(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1"), "app/web.yaml": strings.Replace(farWeb, "name: web,", "name: other,", 1)})
	s.commit(chartOf("0.1.0", files{"templates/web.yaml": strings.ReplaceAll(farWeb, ", namespace: $ns", "")}))
	there.apply(serviceAccount, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: $ns}
rules: [{apiGroups: [""], resources: [configmaps, secrets], verbs: ["*"]}, {apiGroups: [apps], resources: [deployments], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: $ns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: $ns}]
`)
	s.apply(source, secretOf(there.kubeconfig(withToken(there.token("deployer")))), kustomization("app", "path: ./app", "wait: true", "timeout: 1h", inFar), helmRelease("web", inFar))
	for _, name := range []string{"Deployment/web", "Deployment/other"} {
		there.exists(name)
	}
	s.running("web", "install")
	for _, name := range []string{"Deployment/web", "Deployment/other"} {
		there.setStatus(name, rolledOut)
	}
	s.ready("app")
	s.released("web", 1)
	s.commit(files{"app/a.yaml": configMap("k", "2"), "app/b.yaml": ""})
	s.ready("app")
	there.gone("ConfigMap/b")
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	there.gone("ConfigMap/a")
}

// A token that is refused is in no message.
func TestSecretOfAKubeconfigIsNeverShown(t *testing.T) {
	s, there := remotely(t)
	s.save(files{"app/a.yaml": configMap("a", "1")})
	s.commit(chartOf("0.1.0"))
	s.apply(source, secretOf(there.kubeconfig(withToken(canary))), kustomization("app", "path: ./app", inFar), helmRelease("web", inFar))
	s.fails("app", "ReconciliationFailed", "Unauthorized")
	s.release("web", func(h *v2.HelmRelease) bool { return strings.Contains(cond(h, "Ready").Message, "nauthorized") })
	s.idle()
	s.apply(secretOf("token: " + canary + "\n\tno: {yaml"))
	s.fails("app", "ReconciliationFailed", "not a kubeconfig")
	s.idle()
	s.stop()
	s.hides(canary)
}

// Without its kubeconfig a Kustomization that is deleted stays, as in Flux, and
// says how to let it go; a HelmRelease goes and leaves its release, as in Flux.
func TestDeletedWithoutItsKubeconfig(t *testing.T) {
	const letGo = "spec.deletionPolicy: Orphan"
	said := make(chan struct{}, 1)
	s, there := remotely(t, func(c *app.Config) {
		c.Finished = func(r controller.Run) {
			if strings.Contains(r.Report.Summary.Message, letGo) {
				select {
				case said <- struct{}{}:
				default:
				}
			}
		}
	})
	s.save(files{"app/a.yaml": configMap("k", "1")})
	s.commit(chartOf("0.1.0"))
	s.apply(source, secretOf(there.kubeconfig()), kustomization("app", "path: ./app", inFar), helmRelease("web", inFar))
	s.ready("app")
	s.released("web", 1)
	s.delete("Secret/far")
	s.fails("app", "ReconciliationFailed", "not found")
	there.silent()
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	s.tells("web", "UninstallFailed", "Secret/$ns/far")
	there.exists("ConfigMap/a")
	s.delete("Kustomization/app")
	select {
	case <-said:
	case <-time.After(patience):
		t.Fatalf("nothing was said of how to let it go\n%s", s.logs.tail())
	}
	s.patch("Kustomization/app", `{spec: {deletionPolicy: Orphan}}`)
	s.gone("Kustomization/app")
	there.exists("ConfigMap/k")
	s.stop() // which writes the events that are still gathered
	if told := s.events("app", corev1.EventTypeWarning); !strings.Contains(fmt.Sprint(told), letGo) {
		t.Errorf("events: got %q, want how to let it go", told)
	}
}

// A ConfigMap leads to a cluster that trusts tokens of this one: here, this one.
func TestClusterByTokensOfAServiceAccount(t *testing.T) {
	s, _ := remotely(t)
	s.save(files{"app/a.yaml": configMap("a", "1")})
	s.apply(serviceAccount)
	home := (&far{stand: s, cfg: s.cfg.REST}).made("deployer").Spec.Audiences[0]
	way := func(provider, more string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far, namespace: $ns}\ndata:\n  provider: " + provider + "\n  address: " + s.cfg.REST.Host +
			"\n  audiences: |\n    " + home + "\n" + more + "  ca.crt: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(s.cfg.REST.CAData)), "\n", "\n    ") + "\n"
	}
	s.apply(source, way("aws", ""), kustomization("app", "path: ./app", "kubeConfig: {configMapRef: {name: far}}"))
	s.fails("app", "ReconciliationFailed", `ConfigMap/$ns/far: provider "aws" is not supported yet`)
	s.apply(way("generic", ""))
	s.fails("app", "ReconciliationFailed", "set serviceAccountName")
	s.apply(way("generic", "  serviceAccountName: deployer\n"))
	s.fails("app", "ReconciliationFailed", "forbidden", "system:serviceaccount:$ns:deployer")
	s.apply(allowAll)
	s.patch("Kustomization/app", `{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "1"}}}`)
	s.ready("app")
	s.data("ConfigMap/a", "1")
}

// The engine's own token goes nowhere while it opens this cluster, whatever a
// ConfigMap asks for.
func TestOwnTokenIsNotSentAway(t *testing.T) {
	s, there := remotely(t, func(c *app.Config) {
		c.Options.Acting.Kustomize = world.ServiceAccount(c.Scope.Namespace, "deployer")
	})
	s.apply(serviceAccount, allowAll)
	home := (&far{stand: s, cfg: s.cfg.REST}).made("deployer").Spec.Audiences[0]
	s.save(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far, namespace: $ns}\ndata: {provider: generic, address: \"https://"+there.line.addr()+"\", audiences: \""+home+"\"}\n",
		kustomization("app", "path: ./app", "kubeConfig: {configMapRef: {name: far}}"))
	s.fails("app", "ReconciliationFailed", "opens this cluster too")
	if all, _ := there.line.counts(); all > 0 {
		t.Errorf("there were %d connections", all)
	}
}
