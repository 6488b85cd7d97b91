package install

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/leat-dev/leat/internal/crd"
)

// namespace returns the namespace, with a warning for pods less restricted than
// ours: credentials of all tenants may live in it.
func (r *rendering) namespace() *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: r.Namespace, Labels: map[string]string{
			"pod-security.kubernetes.io/warn":         "restricted",
			"pod-security.kubernetes.io/warn-version": "latest",
		}},
	}
}

// definitions returns the CRDs of the chosen components.
func (r *rendering) definitions() []runtime.Object {
	var out []runtime.Object
	all := crd.All()
	for _, c := range r.parts {
		for _, d := range all {
			if slices.Contains(c.kinds, d.Name) {
				d.Labels = map[string]string{LabelComponent: c.name}
				out = append(out, d)
			}
		}
	}
	return out
}

// quota allows pods of critical priority in the namespace: some clusters forbid
// them wherever no quota does.
func (r *rendering) quota() *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: metav1.ObjectMeta{Name: "critical-pods-" + r.Namespace, Namespace: r.Namespace},
		Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1000")},
			ScopeSelector: &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
				ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn,
				Values: []string{"system-node-critical", "system-cluster-critical"},
			}}},
		},
	}
}

// policies returns who may reach the pods: each other on all ports, everybody
// for metrics, and everybody what webhooks and events need. Artifacts stay in
// the namespace: whoever reads them from elsewhere brings a policy.
func (r *rendering) policies() []runtime.Object {
	if r.NoNetworkPolicy {
		return nil
	}
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	everywhere := []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}
	out := []runtime.Object{
		r.policyOf("allow-egress", networkingv1.NetworkPolicySpec{
			Egress: []networkingv1.NetworkPolicyEgressRule{{}},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}},
			}},
			PolicyTypes: both,
		}),
		r.policyOf("allow-scraping", networkingv1.NetworkPolicySpec{
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: everywhere, Ports: tcp(metricsPort)}}, PolicyTypes: both[:1],
		}),
	}
	if !slices.Contains(names(r.parts), NotificationController) {
		return out
	}
	return append(out, r.policyOf("allow-webhooks", networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: r.podsOf(NotificationController)},
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: everywhere, Ports: tcp(r.number(events), r.number(webhooks)),
		}},
		PolicyTypes: both[:1],
	}))
}

func (r *rendering) policyOf(name string, spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.Namespace},
		Spec:       spec,
	}
}

// services returns the Services that others know. Their target is the name of
// a port: where no container declares it, there is nobody to connect to.
func (r *rendering) services() []runtime.Object {
	var out []runtime.Object
	for _, c := range r.parts {
		for _, s := range c.services {
			out = append(out, &corev1.Service{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
				ObjectMeta: metav1.ObjectMeta{Name: s.name, Namespace: r.Namespace, Labels: map[string]string{
					LabelComponent: c.name, labelControl: "controller",
				}},
				Spec: corev1.ServiceSpec{
					Type:     corev1.ServiceTypeClusterIP,
					Selector: r.podsOf(c.name),
					Ports: []corev1.ServicePort{{
						Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString(r.named(s.port)),
					}},
				},
			})
		}
	}
	return out
}

// podsOf returns the labels that select the pods which do a component's work.
func (r *rendering) podsOf(component string) map[string]string {
	if r.Layout == OneDeployment {
		component = string(OneDeployment)
	}
	return map[string]string{labelApp: component}
}

func (r *rendering) named(p port) string {
	if r.Layout == OneDeployment {
		return p.alone
	}
	return p.name
}

func (r *rendering) number(p port) int32 {
	if r.Layout == OneDeployment {
		return p.numberAlone
	}
	return p.number
}

func tcp(ports ...int32) []networkingv1.NetworkPolicyPort {
	protocol := corev1.ProtocolTCP
	out := make([]networkingv1.NetworkPolicyPort, len(ports))
	for i, p := range ports {
		number := intstr.FromInt32(p)
		out[i] = networkingv1.NetworkPolicyPort{Port: &number, Protocol: &protocol}
	}
	return out
}
