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
		"$AWAY", away(),
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

// harmlessCapabilities are those that a container may add and still not get at its node: what the
// baseline of pod security allows (k8s.io/pod-security-admission v0.36 policy/check_capabilities_baseline.go).
var harmlessCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// away is the condition in CEL that a pod gets at the node that it runs on in no way in
// which it did not before.
func away() string {
	const pod, old = "variables.pod", "variables.old"
	was := func(condition string) string { return "request.operation == 'UPDATE' && (" + condition + ")" }
	var all []string
	for _, field := range []string{"hostPID", "hostIPC", "hostNetwork"} {
		is := func(spec string) string { return fmt.Sprintf("has(%[1]s.%[2]s) && %[1]s.%[2]s", spec, field) }
		all = append(all, fmt.Sprintf("!(%s) || %s", is(pod), was(is(old))))
	}
	all = append(all, fmt.Sprintf("!has(%s.volumes) || %[1]s.volumes.all(v, !has(v.hostPath) || %s)", pod,
		was("has("+old+".volumes) && "+old+".volumes.exists(o, has(o.hostPath) && o.hostPath.path == v.hostPath.path)")))
	const privileged = "has(c.securityContext) && has(c.securityContext.privileged) && c.securityContext.privileged"
	all = append(all, fmt.Sprintf("!(%s) || %s", someContainer(pod, "c", privileged), was(someContainer(old, "c", privileged))))
	adds := func(c string) string {
		return fmt.Sprintf("has(%[1]s.securityContext) && has(%[1]s.securityContext.capabilities) && has(%[1]s.securityContext.capabilities.add)", c)
	}
	all = append(all, "!("+someContainer(pod, "c", adds("c")+" && c.securityContext.capabilities.add.exists(x, !(x in "+list(harmlessCapabilities)+") && !("+
		was(someContainer(old, "o", adds("o")+" && x in o.securityContext.capabilities.add"))+"))")+")")
	return "(" + strings.Join(all, ") && (") + ")"
}

// someContainer tells in CEL whether a condition holds for a container of a pod's spec.
func someContainer(spec, name, condition string) string {
	var terms []string
	for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
		terms = append(terms, fmt.Sprintf("has(%[1]s.%[2]s) && %[1]s.%[2]s.exists(%[3]s, %[4]s)", spec, field, name, condition))
	}
	return strings.Join(terms, " || ")
}
