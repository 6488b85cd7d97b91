package access

import (
	"embed"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Controllers are the users that the controller of an installation works as: its own
// account, and those that it acts as or runs as in the layout of Flux.
func Controllers(namespace string) []string {
	prefix := "system:serviceaccount:" + namespace + ":"
	return []string{prefix + "leat", prefix + object.ManagerKustomize}
}

// Protected are the namespaces in which nothing is granted: who writes there, or reads
// the Secrets there, may have everything.
func Protected(namespace string) []string { return []string{namespace, Namespace, "kube-system"} }

// Definitions returns the CRDs, Guards the admission policies with their bindings for
// an installation in a namespace, and Rights the namespace of grants with the roles for people.
func Definitions() []*unstructured.Unstructured { return parse("definitions", "") }

// Rights is told at Definitions.
func Rights() []*unstructured.Unstructured { return parse("rights", "") }

// Guards is told at Definitions.
func Guards(namespace string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, policy := range parse("guards", namespace) {
		out = append(out, policy, binding(policy.GetName()))
	}
	return out
}

// binding puts an admission policy into force everywhere.
func binding(policy string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
		"metadata": map[string]any{"name": policy},
		"spec":     map[string]any{"policyName": policy, "validationActions": []any{"Deny"}},
	}}
}

// InForce tells whether a guard stands in the cluster as it should; live is nil where
// it is missing.
func InForce(want, live *unstructured.Unstructured) error {
	if live == nil || !reflect.DeepEqual(live.Object["spec"], want.Object["spec"]) {
		state := "is missing"
		if live != nil {
			state = "was changed"
		}
		return fmt.Errorf("%s %s %s: nothing is granted without it; run leat install --access", want.GetKind(), want.GetName(), state)
	}
	return nil
}

// fluxGroups are those of the engine's kinds.
var fluxGroups = []string{
	object.GroupSource, object.GroupKustomize, object.GroupHelm, object.GroupNotification, object.GroupImage, object.GroupSourceExtensions,
}

// parse reads an embedded file with its words put in. A broken one is a fault of the
// build and panics.
func parse(name, namespace string) []*unstructured.Unstructured {
	text, err := manifests.ReadFile("manifests/" + name + ".yaml")
	if err != nil {
		panic(fmt.Sprintf("access: %v", err))
	}
	filled := strings.NewReplacer(
		"$CONTROLLERS", list(Controllers(namespace)), "$PROTECTED", list(Protected(namespace)),
		"$MACHINES", list(machines), "$FLUXGROUPS", list(fluxGroups), "$HOLDS", holds, "$PROPOSED", Proposed,
		"$REACHES(variables.pod)", reaches("variables.pod"), "$REACHES(variables.old)", reaches("variables.old"),
	).Replace(string(text))
	var out []*unstructured.Unstructured
	for i, doc := range strings.Split(filled, "\n---\n") {
		u := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON([]byte(doc))
		if err == nil {
			err = u.UnmarshalJSON(raw)
		}
		if err != nil {
			panic(fmt.Sprintf("access: manifests/%s.yaml, document %d: %v", name, i+1, err))
		}
		out = append(out, u)
	}
	return out
}

// list words names as a list of YAML, and of CEL.
func list(names []string) string { return "['" + strings.Join(names, "', '") + "']" }

// holds is the condition of those policies that are about holders of grants.
const holds = `{name: holds-a-grant, expression: "has(request.userInfo.groups) && '` + HoldersGroup + `' in request.userInfo.groups"}`

// reaches tells in CEL whether a pod's spec gets at the node that it runs on.
func reaches(spec string) string {
	var terms []string
	for _, field := range []string{"hostPID", "hostIPC", "hostNetwork"} {
		terms = append(terms, fmt.Sprintf("has(%[1]s.%[2]s) && %[1]s.%[2]s", spec, field))
	}
	terms = append(terms, fmt.Sprintf("has(%[1]s.volumes) && %[1]s.volumes.exists(v, has(v.hostPath))", spec))
	for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
		terms = append(terms, fmt.Sprintf(
			"has(%[1]s.%[2]s) && %[1]s.%[2]s.exists(c, has(c.securityContext) && has(c.securityContext.privileged) && c.securityContext.privileged)", spec, field))
	}
	return strings.Join(terms, " || ")
}
