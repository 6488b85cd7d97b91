package app

import (
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/world/cluster"
)

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
