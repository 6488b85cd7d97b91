package e2e

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// source is the GitRepository of the stand's repository.
const source = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: $ns}
spec:
  interval: 24h
  url: ` + repository + `
  ref: {branch: main}
`

// kustomization is a Kustomization of that source with more lines of spec.
func kustomization(name string, spec ...string) string {
	text := `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ` + name + `, namespace: $ns}
spec:
  sourceRef: {kind: GitRepository, name: fleet}
`
	all := strings.Join(spec, "\n")
	for key, byDefault := range map[string]string{"interval": "24h", "retryInterval": "24h", "prune": "true"} {
		if !strings.Contains("\n"+all, "\n"+key+":") {
			text += "  " + key + ": " + byDefault + "\n"
		}
	}
	return text + "  " + strings.ReplaceAll(all, "\n", "\n  ") + "\n"
}

// configMap is a ConfigMap with one value, under "key".
func configMap(name, value string, meta ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: $ns%s}\ndata: {key: %q}\n",
		name, strings.Join(append([]string{""}, meta...), ", "), value)
}

// ready waits until a Kustomization has applied what the repository holds now,
// under its present spec.
func (s *stand) ready(name string) *kustomizev1.Kustomization {
	s.Helper()
	revision := s.revision()
	return s.unit(name, func(k *kustomizev1.Kustomization) bool {
		return condition(k, "Ready").Status == "True" && k.Status.LastAppliedRevision == revision &&
			k.Status.ObservedGeneration == k.Generation
	})
}

// fails waits until a Kustomization is not ready for a reason, with a message
// that holds all the texts.
func (s *stand) fails(name, reason string, texts ...string) *kustomizev1.Kustomization {
	s.Helper()
	return s.unit(name, func(k *kustomizev1.Kustomization) bool {
		c := condition(k, "Ready")
		ok := c.Status == "False" && c.Reason == reason
		for _, text := range texts {
			ok = ok && strings.Contains(c.Message, s.expand(text))
		}
		return ok
	})
}

// unit waits until a Kustomization is as ok wants it.
func (s *stand) unit(name string, ok func(*kustomizev1.Kustomization) bool) *kustomizev1.Kustomization {
	s.Helper()
	var last *kustomizev1.Kustomization
	s.await("Kustomization/"+name, func(o *unstructured.Unstructured) bool {
		if o == nil {
			return false
		}
		k, err := unit.DecodeKustomization(unit.Removable(o))
		if err != nil {
			return false
		}
		last = &k.Kustomization
		return ok(last)
	})
	return last
}

// now reads a Kustomization as it is.
func (s *stand) now(name string) *kustomizev1.Kustomization {
	s.Helper()
	return s.unit(name, func(*kustomizev1.Kustomization) bool { return true })
}

// condition returns a condition, or one with empty values.
func condition(k *kustomizev1.Kustomization, kind string) metav1.Condition {
	if c := unit.Condition(k.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// inventory lists the ids that a Kustomization recorded.
func inventory(k *kustomizev1.Kustomization) []string {
	var out []string
	if k.Status.Inventory != nil {
		for _, e := range k.Status.Inventory.Entries {
			out = append(out, e.ID)
		}
	}
	return out
}

// request asks for a run by annotation.
func (s *stand) request(name, token string) {
	s.Helper()
	s.patch("Kustomization/"+name, `{metadata: {annotations: {`+object.RequestedAt+`: "`+token+`"}}}`)
}

func (s *stand) suspend(name string, suspend bool) {
	s.Helper()
	s.patch("Kustomization/"+name, fmt.Sprintf(`{spec: {suspend: %t}}`, suspend))
}

// abandon lets what the test left be deleted although no engine runs any more.
func (s *stand) abandon() {
	for _, k := range []string{"Kustomization/", "GitRepository/", "HelmRelease/", "HelmChart/"} {
		c := s.client(s.key(k+"x").GroupKind(), s.ns)
		list, err := c.List(context.Background(), metav1.ListOptions{})
		if err != nil {
			continue
		}
		for i := range list.Items {
			s.patched("person", k+list.Items[i].GetName(), `{metadata: {finalizers: null}}`)
		}
	}
}

// handled accepts a unit that answered a request.
func handled(token string) func(*kustomizev1.Kustomization) bool {
	return func(k *kustomizev1.Kustomization) bool { return k.Status.LastHandledReconcileAt == token }
}

// anyReady accepts a unit that has come to a verdict.
func anyReady(k *kustomizev1.Kustomization) bool {
	status := condition(k, "Ready").Status
	return status == "True" || status == "False" && condition(k, "Ready").Reason != "ArtifactFailed"
}
