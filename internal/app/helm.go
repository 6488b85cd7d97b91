package app

import (
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// helmPort lets the engine act on releases.
type helmPort struct{ cluster *helm.Cluster }

// As implements engine.Helm.
func (p helmPort) As(id world.Identity) engine.Releases {
	return p.cluster.As(helm.Identity{User: id.User, Groups: id.Groups})
}

// discovering is a world whose news about kinds Helm hears too.
type discovering struct {
	*cluster.World
	helm *helm.Cluster
}

// Invalidate implements controller.World.
func (d discovering) Invalidate(group string) {
	d.World.Invalidate(group)
	d.helm.Invalidate()
}
