package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: $ns}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]%s}
`

// What others change of what we apply is put right, brought by the watch alone.
func TestDriftIsCorrected(t *testing.T) {
	s := up(t)
	s.commit(files{
		"app/a.yaml": configMap("a", "1", "labels: {team: red}, annotations: {note: ours}"), "app/svc.yaml": fmt.Sprintf(service, ""),
		"app/web.yaml":  fmt.Sprintf(deployment, "", "", "1"),
		"app/role.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: $ns}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]\n",
	})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	for name, c := range map[string]struct{ object, patch, want, field string }{
		"a value":                  {"ConfigMap/a", `{data: {key: "2"}}`, `"1"`, "data.key"},
		"a removed value":          {"ConfigMap/a", `{data: null}`, `"1"`, "data.key"},
		"a label":                  {"ConfigMap/a", `{metadata: {labels: {team: blue}}}`, `"red"`, "metadata.labels.team"},
		"an annotation":            {"ConfigMap/a", `{metadata: {annotations: {note: null}}}`, `"ours"`, "metadata.annotations.note"},
		"the owner label":          {"ConfigMap/a", `{metadata: {labels: {kustomize.toolkit.fluxcd.io/name: null}}}`, `"app"`, "metadata.labels.kustomize~toolkit~fluxcd~io/name"},
		"a selector of a Service":  {"Service/web", `{spec: {selector: {app: other}}}`, `"web"`, "spec.selector.app"},
		"replicas of a Deployment": {"Deployment/web", `{spec: {replicas: 3}}`, `1`, "spec.replicas"},
		"rules of a Role":          {"Role/r", `{rules: []}`, `[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]`, "rules"},
	} {
		t.Run(name, func(t *testing.T) {
			s.patch(c.object, c.patch)
			path := strings.Split(c.field, ".")
			for i := range path {
				path[i] = strings.ReplaceAll(path[i], "~", ".")
			}
			s.has(c.object, c.want, path...)
		})
	}
	t.Run("a deletion", func(t *testing.T) {
		s.delete("ConfigMap/a")
		s.data("ConfigMap/a", "1")
	})
	t.Run("but not what nobody asked for", func(t *testing.T) {
		s.patch("ConfigMap/a", `{data: {theirs: "1"}, metadata: {labels: {theirs: "1"}}}`)
		s.idle()
		before := s.writes()
		s.request("app", "look at everything")
		s.unit("app", handled("look at everything"))
		s.idle()
		if got := field(s.get("ConfigMap/a"), "data", "theirs"); got != `"1"` {
			t.Errorf("a field of somebody else: got %s, want it left alone", got)
		}
		if got := s.writes() - before; got > 2 { // the status, and its event
			t.Errorf("writes without drift: got %d", got)
		}
	})
}

func TestIgnoredFieldsAreLeftAlone(t *testing.T) {
	s := up(t)
	s.commit(files{"app/web.yaml": fmt.Sprintf(deployment, "", "", "1"), "app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}]"))
	s.ready("app")
	s.patch("Deployment/web", `{spec: {replicas: 2}}`)
	s.patch("ConfigMap/a", `{data: {key: "2"}}`)
	s.data("ConfigMap/a", "1")
	s.idle()
	if got := field(s.get("Deployment/web"), "spec", "replicas"); got != "2" {
		t.Errorf("replicas: got %s, want the 2 that somebody set", got)
	}
	t.Run("also when the rest of the object changes", func(t *testing.T) {
		s.commit(files{"app/web.yaml": fmt.Sprintf(deployment, `note: "2"`, "", "1")})
		s.ready("app")
		s.has("Deployment/web", `"2"`, "metadata", "annotations", "note")
		s.idle()
		if got := field(s.get("Deployment/web"), "spec", "replicas"); got != "2" {
			t.Errorf("replicas: got %s, want the 2 that somebody set", got)
		}
	})
}

func TestMarksOnObjects(t *testing.T) {
	mark := func(m string) string { return "annotations: {kustomize.toolkit.fluxcd.io/" + m + "}" }
	for name, c := range map[string]struct {
		mark    string
		before  string // an object that is there already
		change  string // of data, by somebody
		want    string // data after the change, and after a commit that sets key: 2
		pruned  bool
		created bool
	}{
		"none":                           {"other: x", "", `{data: {key: "9", theirs: "9"}}`, `{"key":"2","theirs":"9"}`, true, true},
		"ssa: Merge":                     {"ssa: Merge", "", `{data: {theirs: "9"}}`, `{"key":"2","theirs":"9"}`, true, true},
		"ssa: IfNotPresent":              {"ssa: IfNotPresent", "", `{data: {key: "9"}}`, `{"key":"9"}`, true, true},
		"ssa: IfNotPresent, present":     {"ssa: IfNotPresent", "8", `{data: {key: "9"}}`, `{"key":"9"}`, false, true},
		"ssa: Ignore":                    {"ssa: Ignore", "8", `{data: {key: "9"}}`, `{"key":"9"}`, false, true},
		"reconcile: disabled":            {"reconcile: disabled", "8", `{data: {key: "9"}}`, `{"key":"9"}`, false, true},
		"prune: disabled":                {"prune: disabled", "", `{data: {key: "9"}}`, `{"key":"2"}`, false, true},
		"the value in any letters":       {"prune: DISABLED", "", `{data: {key: "9"}}`, `{"key":"2"}`, false, true},
		"reconcile: disabled, not there": {"reconcile: disabled", "", "", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			if c.before != "" {
				s.apply(configMap("a", c.before))
			}
			s.commit(files{"app/a.yaml": configMap("a", "1", mark(c.mark)), "app/x.yaml": configMap("x", "1")})
			s.apply(source, kustomization("app", "path: ./app"))
			s.ready("app")
			if !c.created {
				s.absent("ConfigMap/a")
				return
			}
			s.patch("ConfigMap/a", c.change)
			s.commit(files{"app/a.yaml": configMap("a", "2", mark(c.mark))})
			s.ready("app")
			s.idle()
			if got := field(s.get("ConfigMap/a"), "data"); got != c.want {
				t.Errorf("data: got %s, want %s", got, c.want)
			}
			s.commit(files{"app/a.yaml": ""})
			s.ready("app")
			if c.pruned {
				s.gone("ConfigMap/a")
			} else {
				s.idle()
				s.await("ConfigMap/a", func(o *unstructured.Unstructured) bool { return o != nil && !deleting(o) })
			}
		})
	}
}

func TestImmutableFields(t *testing.T) {
	forced := "kustomize.toolkit.fluxcd.io/force: enabled"
	for name, c := range map[string]struct{ object, one, two, spec string }{
		"a Job's template, spec.force":         {"Job/j", job("j", ""), job("j", "new: x"), "force: true"},
		"a Service's address, spec.force":      {"Service/web", fmt.Sprintf(service, ""), fmt.Sprintf(service, ", clusterIP: None"), "force: true"},
		"a ConfigMap's data, forced by a mark": {"ConfigMap/a", configMap("a", "1") + "immutable: true\n", configMap("a", "2", "annotations: {"+forced+"}") + "immutable: true\n", ""},
		"without force it is told":             {"Job/j", job("j", ""), job("j", "new: x"), "force: false"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(files{"app/o.yaml": c.one, "app/x.yaml": configMap("x", "1")})
			s.apply(source, kustomization("app", "path: ./app", c.spec))
			s.ready("app")
			uid := s.get(c.object).GetUID()
			s.commit(files{"app/o.yaml": c.two, "app/x.yaml": configMap("x", "2")})
			if c.spec == "force: false" {
				s.fails("app", "ReconciliationFailed", "Job/$ns/j dry-run failed (Invalid)", "field is immutable")
				s.data("ConfigMap/x", "1")
				return
			}
			s.ready("app")
			if s.get(c.object).GetUID() == uid {
				t.Errorf("%s is still the old one", c.object)
			}
			s.data("ConfigMap/x", "2")
		})
	}
}

// After the takeover there is one Apply entry, ours, and nothing of the fields
// that only the former manager set.
func TestTakeover(t *testing.T) {
	before := configMap("a", "0", `annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}`) // plus a key of its own
	for name, write := range map[string]func(*stand, *unstructured.Unstructured){
		"kubectl apply": func(s *stand, o *unstructured.Unstructured) { s.create("kubectl-client-side-apply", o) },
		"kubectl apply --server-side": func(s *stand, o *unstructured.Unstructured) {
			s.applyAs("kubectl", o)
		},
		"kubectl edit":         func(s *stand, o *unstructured.Unstructured) { s.create("kubectl-edit", o) },
		"a manager of old":     func(s *stand, o *unstructured.Unstructured) { s.create("before-first-apply", o) },
		"Flux's Update of old": func(s *stand, o *unstructured.Unstructured) { s.create("kustomize-controller", o) },
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			obj := s.decode(before)[0]
			s.must(unstructured.SetNestedField(obj.Object, "1", "data", "only-theirs"))
			write(s, obj)
			uid := s.get("ConfigMap/a").GetUID()
			s.commit(files{"app/a.yaml": configMap("a", "1")})
			s.apply(source, kustomization("app", "path: ./app"))
			s.ready("app")
			o := s.get("ConfigMap/a")
			if got := field(o, "data"); got != `{"key":"1"}` || o.GetUID() != uid {
				t.Errorf("data: got %s, want only ours, of the same object", got)
			}
			if got := o.GetAnnotations(); len(got) != 0 {
				t.Errorf("annotations: got %v, want none", got)
			}
			if m := o.GetManagedFields(); len(m) != 1 || m[0].Manager != "kustomize-controller" || m[0].Operation != metav1.ManagedFieldsOperationApply {
				t.Errorf("managedFields: got %v, want one Apply of kustomize-controller", m)
			}
		})
	}
	t.Run("helm keeps what is only its own", func(t *testing.T) {
		s := up(t)
		obj := s.decode(configMap("a", "0"))[0]
		s.must(unstructured.SetNestedField(obj.Object, "1", "data", "only-theirs"))
		s.create("helm", obj)
		s.commit(files{"app/a.yaml": configMap("a", "1")})
		s.apply(source, kustomization("app", "path: ./app"))
		s.ready("app")
		s.has("ConfigMap/a", `{"key":"1","only-theirs":"1"}`, "data")
	})
}

// create makes an object by POST, as clients do that do not apply on the
// server's side.
func (s *stand) create(manager string, obj *unstructured.Unstructured) {
	s.Helper()
	_, err := s.client(obj.GroupVersionKind().GroupKind(), s.ns).Create(context.Background(), obj, metav1.CreateOptions{FieldManager: manager})
	s.must(err)
}
