package engine

import (
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/world"
)

// Driving returns the Helm of a cluster, or of a World (helm.Offline).
func Driving(c *helm.Cluster) Helm { return driving{c} }

type driving struct{ cluster *helm.Cluster }

// As implements Helm.
func (d driving) As(id world.Identity) Releases { return d.cluster.As(id) }
