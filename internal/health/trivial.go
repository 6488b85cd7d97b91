package health

import "k8s.io/apimachinery/pkg/runtime/schema"

// trivial are the built-in kinds that no rule asks for more than to exist: they
// have no status, or one without conditions and observed generation. A test
// checks this against the types. CronJob is there because kstatus looks at
// nothing in it.
var trivial = groupKinds(map[string][]string{
	"":                             {"ConfigMap", "Endpoints", "LimitRange", "PodTemplate", "ResourceQuota", "Secret", "ServiceAccount"},
	"admissionregistration.k8s.io": {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding"},
	"apps":                         {"ControllerRevision"},
	"batch":                        {"CronJob"},
	"coordination.k8s.io":          {"Lease"},
	"discovery.k8s.io":             {"EndpointSlice"},
	"networking.k8s.io":            {"Ingress", "IngressClass", "NetworkPolicy"},
	"node.k8s.io":                  {"RuntimeClass"},
	"rbac.authorization.k8s.io":    {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"},
	"scheduling.k8s.io":            {"PriorityClass"},
	"storage.k8s.io":               {"CSIDriver", "CSIStorageCapacity", "StorageClass"},
})

// Trivial tells whether an object of the kind is Current as soon as it exists
// (and Terminating while it is being deleted, which its metadata tells).
func Trivial(gk schema.GroupKind) bool { return trivial[gk] }

func groupKinds(byGroup map[string][]string) map[schema.GroupKind]bool {
	set := map[schema.GroupKind]bool{}
	for group, kinds := range byGroup {
		for _, kind := range kinds {
			set[schema.GroupKind{Group: group, Kind: kind}] = true
		}
	}
	return set
}
