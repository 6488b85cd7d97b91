package overlay_test

import (
	"testing"

	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/overlay"
	"github.com/leat-dev/leat/internal/world/worldtest"
)

func overMemory(*testing.T) world.World {
	return overlay.New(memory.New(memory.Options{}), overlay.Options{})
}

func TestConformanceOverMemory(t *testing.T) {
	worldtest.Run(t, overMemory, worldtest.Capabilities{})
}

func TestConformanceOverOverlay(t *testing.T) {
	worldtest.Run(t, func(t *testing.T) world.World {
		return overlay.New(overMemory(t), overlay.Options{})
	}, worldtest.Capabilities{})
}
