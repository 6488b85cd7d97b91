package schema

import (
	"encoding/base64"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// noNulls makes null the empty string, as bytes are that have none.
func noNulls(m map[string]any) {
	for k, v := range m {
		if v == nil {
			m[k] = ""
		}
	}
}

// defaultBuiltin sets the defaults of a built-in kind: those of the table, and
// the few that are more than a value.
func defaultBuiltin(obj *unstructured.Unstructured) {
	gvk := obj.GroupVersionKind()
	if gvk.GroupKind() == DefinitionKind {
		defaultDefinition(obj)
		return
	}
	if own, ok := computed[gvk.GroupKind()]; ok {
		own(obj)
	}
	fill(gvk.Kind, obj.Object)
	if path, ok := podSpecs[gvk.GroupKind()]; ok {
		defaultPodSpec(nested(obj.Object, path...))
	}
}

var computed = map[schema.GroupKind]func(*unstructured.Unstructured){
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"}: precedence,
	{Kind: "LimitRange"}:            defaultLimits,
	{Kind: "ConfigMap"}:             func(obj *unstructured.Unstructured) { noNulls(nested(obj.Object, "binaryData")) },
	{Kind: "Namespace"}:             labelNamespace,
	{Kind: "Secret"}:                defaultSecret,
	{Kind: "Service"}:               targetPorts,
	{Kind: "ReplicationController"}: templateLabels,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}: policyTypes,
	{Kind: "Pod"}: defaultPod,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        subjectGroups,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: subjectGroups,
}

// policyTypes says what a policy is about: ingress, and egress where it has rules
// for it.
func policyTypes(obj *unstructured.Unstructured) {
	spec := nested(obj.Object, "spec")
	if types, _ := spec["policyTypes"].([]any); spec == nil || len(types) > 0 {
		return
	}
	types := []any{"Ingress"}
	if egress, _ := spec["egress"].([]any); len(egress) > 0 {
		types = append(types, "Egress")
	}
	spec["policyTypes"] = types
}

func precedence(obj *unstructured.Unstructured) {
	if spec := nested(obj.Object, "spec"); spec != nil && spec["matchingPrecedence"] == int64(0) {
		spec["matchingPrecedence"] = int64(1000)
	}
}

// defaultLimits derives what containers get from what they may have.
func defaultLimits(obj *unstructured.Unstructured) {
	for _, limit := range mapsIn(nested(obj.Object, "spec")["limits"]) {
		if limit["type"] != "Container" {
			continue
		}
		for _, d := range [][2]string{{"default", "max"}, {"defaultRequest", "default"}, {"defaultRequest", "min"}} {
			for name, quantity := range nested(limit, d[1]) {
				if _, ok := nested(limit, d[0])[name]; !ok {
					_ = unstructured.SetNestedField(limit, quantity, d[0], name)
				}
			}
		}
	}
}

func targetPorts(obj *unstructured.Unstructured) {
	for _, p := range mapsIn(nested(obj.Object, "spec")["ports"]) {
		switch p["targetPort"] {
		case nil, "", int64(0):
			p["targetPort"] = p["port"]
		}
	}
}

func templateLabels(obj *unstructured.Unstructured) {
	labels := nested(obj.Object, "spec", "template", "metadata", "labels")
	if len(labels) > 0 && len(nested(obj.Object, "spec", "selector")) == 0 {
		_ = unstructured.SetNestedMap(obj.Object, labels, "spec", "selector")
	}
	if len(labels) > 0 && len(obj.GetLabels()) == 0 {
		_ = unstructured.SetNestedMap(obj.Object, labels, "metadata", "labels")
	}
}

func subjectGroups(obj *unstructured.Unstructured) {
	for _, s := range mapsIn(obj.Object["subjects"]) {
		if group, _ := s["apiGroup"].(string); group == "" && (s["kind"] == "User" || s["kind"] == "Group") {
			s["apiGroup"] = "rbac.authorization.k8s.io"
		}
	}
}

func defaultSecret(obj *unstructured.Unstructured) {
	encodeStrings(obj)
	if kind, _ := obj.Object["type"].(string); kind == "" {
		obj.Object["type"] = "Opaque"
	}
}

// labelNamespace sets the label that selects a namespace by its name.
func labelNamespace(obj *unstructured.Unstructured) {
	if obj.GetName() == "" {
		return
	}
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["kubernetes.io/metadata.name"] = obj.GetName()
	obj.SetLabels(labels)
}

// encodeStrings moves stringData of a Secret to data, where it wins.
func encodeStrings(obj *unstructured.Unstructured) {
	for k, v := range nested(obj.Object, "stringData") {
		if s, ok := v.(string); ok || v == nil {
			_ = unstructured.SetNestedField(obj.Object, base64.StdEncoding.EncodeToString([]byte(s)), "data", k)
		}
	}
	delete(obj.Object, "stringData")
	noNulls(nested(obj.Object, "data"))
}

func defaultDefinition(obj *unstructured.Unstructured) {
	crd := &apiextensions.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, crd); err != nil {
		return // what cannot be read is refused elsewhere
	}
	apiextensions.SetDefaults_CustomResourceDefinition(crd)
	apiextensions.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	gvk := obj.GroupVersionKind()
	if out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd); err == nil {
		obj.Object = out
		obj.SetGroupVersionKind(gvk)
	}
}

// mapsIn returns the maps of a list.
func mapsIn(list any) []map[string]any {
	items, _ := list.([]any)
	all := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func nested(m map[string]any, at ...string) map[string]any {
	for _, step := range at {
		m, _ = m[step].(map[string]any)
	}
	return m
}
