package create

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// TenantLabel marks what belongs to a tenant.
const TenantLabel = "toolkit.fluxcd.io/tenant"

// Tenant are the flags of create tenant.
type Tenant struct {
	Namespaces                  []string
	ClusterRole, ServiceAccount string
	SkipNamespace               bool // the namespaces are there already
}

// Objects returns, namespace by namespace: the Namespace unless it is skipped,
// the ServiceAccount, the RoleBinding. m.Name is the tenant.
func (f Tenant) Objects(m Meta) ([]*unstructured.Unstructured, error) {
	if wrong := validation.IsQualifiedName(m.Name); len(wrong) > 0 {
		return nil, fmt.Errorf("invalid tenant name '%s': %v", m.Name, wrong)
	}
	if f.ClusterRole == "" {
		return nil, errors.New("cluster-role is required; pass --cluster-role")
	}
	if len(f.Namespaces) == 0 {
		return nil, errors.New("with-namespace is required; pass --with-namespace")
	}
	var out []*unstructured.Unstructured
	for _, namespace := range f.Namespaces {
		objs, err := f.in(namespace, m)
		if err != nil {
			return nil, err
		}
		out = append(out, objs...)
	}
	return out, nil
}

func (f Tenant) in(namespace string, m Meta) ([]*unstructured.Unstructured, error) {
	if wrong := validation.IsQualifiedName(namespace); len(wrong) > 0 {
		return nil, fmt.Errorf("invalid namespace '%s': %v", namespace, wrong)
	}
	account := orElse(f.ServiceAccount, m.Name)
	if wrong := validation.IsQualifiedName(account); len(wrong) > 0 {
		return nil, fmt.Errorf("invalid service-account name '%s': %v", account, wrong)
	}
	labels := append(slices.Clone(m.Labels), TenantLabel+"="+m.Name)
	of := func(name, namespace, apiVersion, kind string) (draft, error) {
		return Meta{Name: name, Namespace: namespace, Labels: labels}.object(apiVersion, kind)
	}
	space, err := of(namespace, "", "v1", "Namespace")
	if err != nil {
		return nil, err
	}
	sa, err := of(account, namespace, "v1", "ServiceAccount")
	if err != nil {
		return nil, err
	}
	binding, err := of(m.Name+"-reconciler", namespace, "rbac.authorization.k8s.io/v1", "RoleBinding")
	if err != nil {
		return nil, err
	}
	f.bind(binding, namespace, account)
	if f.SkipNamespace {
		return []*unstructured.Unstructured{sa.done(), binding.done()}, nil
	}
	return []*unstructured.Unstructured{space.done(), sa.done(), binding.done()}, nil
}

func (f Tenant) bind(d draft, namespace, account string) {
	const group = "rbac.authorization.k8s.io"
	d.keep("roleRef", map[string]any{"apiGroup": group, "kind": "ClusterRole", "name": f.ClusterRole})
	d.keep("subjects", []any{
		map[string]any{"apiGroup": group, "kind": "User", "name": "gotk:" + namespace + ":reconciler"},
		map[string]any{"kind": "ServiceAccount", "name": account, "namespace": namespace},
	})
}
