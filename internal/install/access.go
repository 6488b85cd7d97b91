package install

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/access"
)

// AccessRules returns what a process may do for temporary access, beside ClusterRules.
// Grants are made with the rights of kustomize-controller.
func AccessRules() []Rule {
	return []Rule{
		{"access-requests", "Requests are read, held by a finalizer until their grant is gone, and forgotten in the end.", rbacv1.PolicyRule{
			APIGroups: []string{access.Group}, Resources: []string{"accessrequests"}, Verbs: []string{"get", "list", "watch", "patch", "delete"},
		}},
		{"access-status", "What became of a request is told in its status.", rbacv1.PolicyRule{
			APIGroups: []string{access.Group}, Resources: []string{"accessrequests/status"}, Verbs: []string{"patch"},
		}},
		{"access-decisions", "Decisions are read, and forgotten with their request.", rbacv1.PolicyRule{
			APIGroups: []string{access.Group}, Resources: []string{"accessdecisions"}, Verbs: []string{"list", "watch", "delete"},
		}},
		{"access-policies", "Policies say who may ask and who may approve.", rbacv1.PolicyRule{
			APIGroups: []string{access.Group}, Resources: []string{"accesspolicies"}, Verbs: []string{"get", "list", "watch"},
		}},
	}
}

// clusterRules are those of this installation.
func (o Options) clusterRules() []Rule {
	if !o.Access {
		return ClusterRules()
	}
	return append(ClusterRules(), AccessRules()...)
}

// addAccess adds what temporary access needs.
func (r *rendering) addAccess() {
	if !r.Access {
		return
	}
	for _, u := range slices.Concat(access.Definitions(), access.Rights(), access.Guards(r.Namespace)) {
		r.addUnstructured(u)
	}
}

// grants tells whether a process is the one that grants access.
func (r *rendering) grants(p process) bool {
	return r.Access && (r.Layout == OneDeployment || p.name == KustomizeController)
}

// admissionKinds are those of the guards; old API servers do not have them.
var admissionKinds = []schema.GroupVersionKind{
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyBinding"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"},
}
