package schema

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// podSpecs says where kinds keep the spec of a pod.
var podSpecs = map[schema.GroupKind][]string{
	{Kind: "Pod"}:                        {"spec"},
	{Kind: "PodTemplate"}:                {"template", "spec"},
	{Kind: "ReplicationController"}:      {"spec", "template", "spec"},
	{Group: "apps", Kind: "Deployment"}:  {"spec", "template", "spec"},
	{Group: "apps", Kind: "ReplicaSet"}:  {"spec", "template", "spec"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "template", "spec"},
	{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template", "spec"},
	{Group: "batch", Kind: "Job"}:        {"spec", "template", "spec"},
	{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template", "spec"},
}

// defaultPodSpec sets what no table can say: when images are pulled (always what
// is called latest), what a volume without a source is, and the old name of the
// service account.
func defaultPodSpec(pod map[string]any) {
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range mapsIn(pod[list]) {
			if policy, _ := c["imagePullPolicy"].(string); policy != "" {
				continue
			}
			image, _ := c["image"].(string)
			c["imagePullPolicy"] = "IfNotPresent"
			if image != "" && isLatest(image) {
				c["imagePullPolicy"] = "Always"
			}
		}
	}
	for _, v := range mapsIn(pod["volumes"]) {
		if _, named := v["name"]; named && len(v) == 1 {
			v["emptyDir"] = map[string]any{}
		}
	}
	if account, _ := pod["serviceAccountName"].(string); account != "" {
		pod["serviceAccount"] = account
	} else if account, _ := pod["serviceAccount"].(string); account != "" {
		pod["serviceAccountName"] = account
	}
}

// isLatest tells whether an image reference means the tag latest.
func isLatest(image string) bool {
	if strings.Contains(image, "@") {
		return false
	}
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, tagged := strings.Cut(name, ":")
	return !tagged || tag == "latest"
}

func defaultPod(obj *unstructured.Unstructured) {
	requestLimits(obj)
	if pod := nested(obj.Object, "spec"); pod["hostNetwork"] == true {
		hostPorts(pod)
	}
}

// hostPorts gives pods of the host's network the ports of their containers.
func hostPorts(pod map[string]any) {
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range mapsIn(pod[list]) {
			for _, p := range mapsIn(c["ports"]) {
				if p["hostPort"] == nil {
					p["hostPort"] = p["containerPort"]
				}
			}
		}
	}
}

// requestLimits makes limits without a request its request.
func requestLimits(obj *unstructured.Unstructured) {
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range mapsIn(nested(obj.Object, "spec")[list]) {
			for name, limit := range nested(c, "resources", "limits") {
				if _, ok := nested(c, "resources", "requests")[name]; !ok {
					_ = unstructured.SetNestedField(c, limit, "resources", "requests", name)
				}
			}
		}
	}
}
