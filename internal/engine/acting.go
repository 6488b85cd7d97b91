package engine

import "github.com/leat-dev/leat/internal/world"

// Acting is whom units act as that name no ServiceAccount, where neither is
// there a default one. The zero value is the engine itself, which then needs the
// rights of an administrator.
//
// In Flux these are the ServiceAccounts that its controllers run as: their names
// stand in the audit log, and policies of clusters know them.
type Acting struct {
	Kustomize world.Identity // for Kustomizations, and for the watches of what they manage
	Helm      world.Identity // for HelmReleases
}

// ActAsControllers acts as the ServiceAccounts of Flux's controllers in a
// namespace.
func ActAsControllers(namespace string) Acting {
	return Acting{
		Kustomize: world.ServiceAccount(namespace, "kustomize-controller"),
		Helm:      world.ServiceAccount(namespace, "helm-controller"),
	}
}

// account is a ServiceAccount; without a name it is none.
type account struct{ namespace, name string }

// actingAs returns whom a unit acts as: its ServiceAccount, else otherwise, which may be
// nobody but the engine.
func actingAs(unit account, otherwise world.Identity) world.Identity {
	if unit.name != "" {
		return world.ServiceAccount(unit.namespace, unit.name)
	}
	return otherwise
}
