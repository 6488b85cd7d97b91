package installtest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/install"
)

// sources has a credential, so that Secrets are read.
const sources = `
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: $ns}
stringData: {username: me, password: me}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: $ns}
spec: {interval: 10m, url: "$git", ref: {branch: main}, secretRef: {name: login}}`

// application is applied as nobody in particular.
const application = `
apiVersion: v1
kind: ConfigMap
metadata: {name: vars, namespace: $ns}
data: {color: red}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: $ns}
spec:
  interval: 10m
  path: ./app
  prune: true
  wait: true
  targetNamespace: $ns
  sourceRef: {kind: GitRepository, name: fleet}
  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}`

// tenant is applied as an account that may do just that.
const tenant = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: $ns}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: $ns}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: $ns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: $ns}]
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: tenant, namespace: $ns}
spec:
  interval: 10m
  path: ./tenant
  prune: true
  targetNamespace: $ns
  serviceAccountName: deployer
  sourceRef: {kind: GitRepository, name: fleet}`

// nowhere needs a namespace that does not exist.
const nowhere = `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: nowhere, namespace: $ns}
spec: {interval: 10m, path: ./nowhere, prune: true, sourceRef: {kind: GitRepository, name: fleet}}`

const generator = `
apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: parts, namespace: $ns}
spec:
  sources: [{alias: repo, kind: GitRepository, name: fleet}]
  artifacts: [{name: part, copy: [{from: "@repo/app/**", to: "@artifact/"}]}]`

// chart is released as nobody in particular.
const chart = `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: $ns}
spec:
  interval: 10m
  driftDetection: {mode: enabled}
  chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: fleet}}}`

func in(ns string, texts ...string) string {
	return strings.ReplaceAll(strings.Join(texts, "\n---"), "$ns", ns)
}

// modes are the ways to run Leat, and the Deployments that work in each.
var modes = []struct {
	name        string
	options     install.Options
	deployments []string
	applier     string // the account under whose name nameless work is done
	as          string // whom that account acts for then
}{
	{"leat", install.Options{}, []string{"leat"}, "leat", ""},
	{
		"leat acting as the controllers", install.Options{ActAsControllers: true}, []string{"leat"},
		"leat", "system:serviceaccount:flux-system:kustomize-controller",
	},
	{
		"flux", install.Options{Layout: install.LikeFlux}, []string{"source-controller", "kustomize-controller", "helm-controller", "source-watcher"},
		"kustomize-controller", "",
	},
}

// The controllers do their work with the rights that are installed, and ask for
// nothing that these refuse.
func TestControllersHaveTheRightsThatTheyNeed(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			s := newStand(t, m.options)
			var running []*controller
			for _, d := range m.deployments {
				running = append(running, s.start(d))
			}
			defer func() {
				if t.Failed() {
					for _, c := range running {
						t.Log(c.name, c.logs.tail())
					}
				}
			}()
			s.work(running)
			s.heldBack(m.deployments)
			for _, c := range running {
				c.stop()
			}
			s.checkAsked(m.applier, m.as, len(m.deployments) == 1 && m.as != "")
		})
	}
}

// work is what every installation can do.
func (s *stand) work(running []*controller) {
	s.Helper()
	ns := s.namespace("work")
	s.create(in(ns, sources, application, tenant, nowhere, generator, chart))
	s.await(gitRepositories, ns, "fleet", ready)
	s.await(kustomizationsGVR, ns, "app", ready)
	s.await(kustomizationsGVR, ns, "tenant", ready)
	s.await(artifactGenerators, ns, "parts", ready)
	s.await(externalArtifacts, ns, "part", ready)
	s.await(helmReleases, ns, "web", ready)
	s.await(services, ns, "web", func(o *unstructured.Unstructured) bool { return o != nil })
	s.await(kustomizationsGVR, ns, "nowhere", func(o *unstructured.Unstructured) bool { return strings.Contains(message(o), "nowhere") })
	s.namespace("nowhere") // its coming is what the unit waits for
	s.await(kustomizationsGVR, ns, "nowhere", ready)
	s.await(configMaps, ns, "a", func(o *unstructured.Unstructured) bool { return color(o) == "red" })

	s.patch(configMaps, ns, "a", `{"data":{"color":"blue"}}`) // drift
	s.await(configMaps, ns, "a", func(o *unstructured.Unstructured) bool { return color(o) == "red" })
	s.patch(configMaps, ns, "vars", `{"data":{"color":"green"}}`)
	s.await(configMaps, ns, "a", func(o *unstructured.Unstructured) bool { return color(o) == "green" })

	for _, c := range running {
		s.answers("http://"+c.health+"/readyz", http.StatusOK)
	}
	s.told(ns)
	s.leads(len(running))
	s.delete(kustomizationsGVR, ns, "app")
	s.delete(helmReleases, ns, "web")
	s.gone(services, ns, "web")
	s.delete(artifactGenerators, ns, "parts")
	s.delete(gitRepositories, ns, "fleet")
	s.gone(configMaps, ns, "a")
	s.gone(externalArtifacts, ns, "part")
}

// message is that of the condition Ready.
func message(o *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range list {
		if m := c.(map[string]any); m["type"] == "Ready" {
			text, _ := m["message"].(string)
			return text
		}
	}
	return ""
}

func color(o *unstructured.Unstructured) string {
	v, _, _ := unstructured.NestedString(o.Object, "data", "color")
	return v
}

// told waits for events of each kind of object, from its controller.
func (s *stand) told(ns string) {
	s.Helper()
	want := []string{"source-controller GitRepository", "kustomize-controller Kustomization", "helm-controller HelmRelease"}
	ctx := bounded(s.T)
	for len(want) > 0 {
		events, err := s.admin.CoreV1().Events(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			s.Fatalf("events of %v: %v", want, err)
		}
		for _, e := range events.Items {
			want = slices.DeleteFunc(want, func(w string) bool { return w == e.Source.Component+" "+e.InvolvedObject.Kind })
		}
	}
}

// leads checks that each process holds a lease.
func (s *stand) leads(processes int) {
	s.Helper()
	leases, err := s.admin.CoordinationV1().Leases(install.DefaultNamespace).List(s.Context(), metav1.ListOptions{})
	s.must(err)
	held := 0
	for _, l := range leases.Items {
		if l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != "" {
			held++
		}
	}
	if held != processes {
		s.Errorf("leases held: got %d, want %d", held, processes)
	}
}

// heldBack checks that processes that act for others, or apply nothing, cannot
// write to a cluster by themselves.
func (s *stand) heldBack(deployments []string) {
	s.Helper()
	r := rights{s.T, s.admin}
	for _, d := range deployments {
		may := r.allows(d, authorizationv1.ResourceAttributes{Verb: "create", Group: "apps", Resource: "deployments", Namespace: "default"})
		if want := slices.Contains(s.administrators(), d); may != want {
			s.Errorf("%s may create Deployments in its own name: got %t, want %t", d, may, want)
		}
	}
}

// administrators are the accounts that the installation makes ones.
func (s *stand) administrators() (out []string) {
	for _, obj := range s.objs {
		if obj.GetName() != "cluster-reconciler-"+install.DefaultNamespace {
			continue
		}
		list, _, _ := unstructured.NestedSlice(obj.Object, "subjects")
		for _, subject := range list {
			out = append(out, subject.(map[string]any)["name"].(string))
		}
	}
	return out
}

// checkAsked holds what was asked against what may be: nothing was refused,
// nameless work was done under the right name, and with exact, each right of
// the process was used.
func (s *stand) checkAsked(applier, as string, exact bool) {
	s.Helper()
	all := s.gate.take()
	applied := false
	for _, a := range all {
		if a.code == http.StatusForbidden || a.code == http.StatusUnauthorized {
			s.Errorf("refused: %s", a)
		}
		if a.what != "configmaps" || a.verb != "patch" || strings.HasSuffix(a.as, ":deployer") {
			continue
		}
		applied = true
		if a.account != applier || a.as != as {
			s.Errorf("applied by %s as %q, want %s as %q", a.account, a.as, applier, as)
		}
	}
	if !applied {
		s.Error("nothing was applied")
	}
	if exact {
		s.checkUse(all)
	}
}

// unused are rights that wait for kinds which this release does not reconcile,
// or for a conflict: resource and verb.
var unused = []string{
	"serviceaccounts get", "serviceaccounts list", "serviceaccounts watch", // OCIRepository
	"* get", // a write that conflicts
}

// needs tells whether a request needs the right to a verb: an apply that makes an
// object needs that to create too, and a watch of a server that cannot stream its
// first list needs that to list.
func (a asked) needs(verb string) bool {
	return a.verb == verb || verb == "create" && a.verb == "patch" && a.code == http.StatusCreated || verb == "list" && a.verb == "watch"
}

// checkUse finds rights of the process that nothing used. Impersonation is no
// request of its own: the others show it.
func (s *stand) checkUse(all []asked) {
	s.Helper()
	for _, rule := range append(install.ClusterRules(), install.NamespaceRules()...) {
		for _, verb := range rule.Verbs {
			for _, resource := range rule.Resources {
				if verb == "impersonate" || slices.Contains(unused, resource+" "+verb) {
					continue
				}
				if !slices.ContainsFunc(all, func(a asked) bool {
					return a.as == "" && a.needs(verb) && slices.Contains(rule.APIGroups, a.group) && (resource == "*" || a.what == resource)
				}) {
					s.Errorf("rule %s: nothing asked to %s %s", rule.Name, verb, resource)
				}
			}
		}
	}
}

func (s *stand) gone(gvr schema.GroupVersionResource, ns, name string) {
	s.Helper()
	if _, err := s.dyn.Resource(gvr).Namespace(ns).Get(s.Context(), name, metav1.GetOptions{}); err == nil {
		s.Errorf("%s %s is still there", gvr.Resource, name)
	}
}

func (s *stand) patch(gvr schema.GroupVersionResource, ns, name, data string) {
	s.Helper()
	_, err := s.dyn.Resource(gvr).Namespace(ns).Patch(s.Context(), name, types.MergePatchType, []byte(data), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	s.must(err)
}
