package install

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/crd"
)

// Rule is one right of the process, and why it has it. A test takes each away
// and sees what then fails.
type Rule struct {
	Name, Why string
	rbacv1.PolicyRule
}

var fluxGroups = []string{
	crd.SourceGroup, crd.KustomizeGroup, crd.HelmGroup, crd.NotificationGroup, crd.ImageGroup, crd.SourceExtensionsGroup,
}

// ClusterRules returns what each process may do in all namespaces. To apply for
// a Kustomization or a HelmRelease is not among it: that is done as the
// ServiceAccount that the object names, or else with the rights of
// kustomize-controller and helm-controller, which are administrators as in Flux.
func ClusterRules() []Rule {
	return []Rule{
		{"flux-objects", "They are reconciled: read, and given finalizers, annotations and status by patches.", rbacv1.PolicyRule{
			APIGroups: fluxGroups, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch", "patch"},
		}},
		{"flux-products", "A HelmRelease makes its HelmChart, an ArtifactGenerator its ExternalArtifacts.", rbacv1.PolicyRule{
			APIGroups: []string{crd.SourceGroup}, Resources: []string{"externalartifacts", "helmcharts"}, Verbs: []string{"create", "delete"},
		}},
		{"references", "Credentials, values and variables are read and watched by the names that objects mention.", rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"configmaps", "secrets", "serviceaccounts"}, Verbs: []string{"get", "list", "watch"},
		}},
		{"namespaces", "A unit that was refused for want of a namespace runs when that comes.", rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list", "watch"},
		}},
		{"definitions", "A kind that appears, changes or goes wakes the units that use it.", rbacv1.PolicyRule{
			APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: []string{"list", "watch"},
		}},
		{"events", "What happened to an object is told beside it.", rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"},
		}},
		{"act", "Objects are applied, read back and pruned as a ServiceAccount, so that its rights are the limit and its name is in the audit log.", rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"impersonate"},
		}},
	}
}

// NamespaceRules returns what the process may do in its own namespace.
func NamespaceRules() []Rule {
	return []Rule{
		{"leases", "One process at a time acts: the one that holds the lease.", rbacv1.PolicyRule{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"},
		}},
	}
}

// rights returns the ServiceAccounts and what they may do.
func (r *rendering) rights() []runtime.Object {
	var out []runtime.Object
	for _, name := range r.accounts() {
		out = append(out, r.account(name))
	}
	crdController, leader := "crd-controller-"+r.Namespace, "leader-election-"+r.Namespace
	processes := r.subjects(r.processes())
	return append(out,
		&rbacv1.ClusterRole{TypeMeta: rbacType("ClusterRole"), ObjectMeta: clusterMeta(crdController), Rules: policy(r.clusterRules())},
		r.aggregated("flux-edit-", []string{"create", "delete", "deletecollection", "patch", "update"}, "admin", "edit"),
		r.aggregated("flux-view-", []string{"get", "list", "watch"}, "admin", "edit", "view"),
		r.role(leader),
		clusterBinding("cluster-reconciler-"+r.Namespace, "cluster-admin", r.subjects(r.administrators())),
		clusterBinding(crdController, crdController, processes),
		r.binding(leader, processes),
	)
}

// processes are the ServiceAccounts that processes run as.
func (r *rendering) processes() []string {
	if r.Layout == OneDeployment {
		return []string{string(OneDeployment)}
	}
	return names(r.parts)
}

// appliers are the ServiceAccounts that objects are applied as where an object
// names none. Policies of clusters know them by these names.
func (r *rendering) appliers() []string {
	var out []string
	for _, c := range r.parts {
		if c.applier {
			out = append(out, c.name)
		}
	}
	return out
}

// administrators are the appliers and, unless it acts as these, the process
// that does their work.
func (r *rendering) administrators() []string {
	if r.Layout == OneDeployment && !r.ActAsControllers && len(r.appliers()) > 0 {
		return append(r.appliers(), string(OneDeployment))
	}
	return r.appliers()
}

func (r *rendering) accounts() []string {
	if r.Layout == OneDeployment {
		return append(r.processes(), r.appliers()...)
	}
	return r.processes()
}

func (r *rendering) account(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.Namespace, Labels: map[string]string{LabelComponent: name}},
	}
}

// aggregated returns a role for Flux objects that becomes part of the roles
// which clusters give to people.
func (r *rendering) aggregated(prefix string, verbs []string, to ...string) *rbacv1.ClusterRole {
	meta := clusterMeta(prefix + r.Namespace)
	meta.Labels = map[string]string{}
	for _, role := range to {
		meta.Labels["rbac.authorization.k8s.io/aggregate-to-"+role] = "true"
	}
	return &rbacv1.ClusterRole{TypeMeta: rbacType("ClusterRole"), ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: fluxGroups, Resources: []string{"*"}, Verbs: verbs,
	}}}
}

func (r *rendering) role(name string) *rbacv1.Role {
	return &rbacv1.Role{
		TypeMeta: rbacType("Role"), ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.Namespace}, Rules: policy(NamespaceRules()),
	}
}

func (r *rendering) binding(role string, subjects []rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta: rbacType("RoleBinding"), ObjectMeta: metav1.ObjectMeta{Name: role, Namespace: r.Namespace},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
		Subjects: subjects,
	}
}

func clusterBinding(name, role string, subjects []rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta: rbacType("ClusterRoleBinding"), ObjectMeta: clusterMeta(name),
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects: subjects,
	}
}

func (r *rendering) subjects(accounts []string) []rbacv1.Subject {
	out := make([]rbacv1.Subject, len(accounts))
	for i, name := range accounts {
		out[i] = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: r.Namespace}
	}
	return out
}

func policy(rules []Rule) []rbacv1.PolicyRule {
	out := make([]rbacv1.PolicyRule, len(rules))
	for i, rule := range rules {
		out[i] = rule.PolicyRule
	}
	return out
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

func clusterMeta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func names(parts []component) []string {
	out := make([]string, len(parts))
	for i, c := range parts {
		out[i] = c.name
	}
	return out
}
