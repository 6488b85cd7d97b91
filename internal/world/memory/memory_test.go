package memory_test

import (
	"testing"

	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/worldtest"
)

func TestConformance(t *testing.T) {
	worldtest.Run(t, func(*testing.T) world.World { return memory.New(memory.Options{}) }, worldtest.Capabilities{})
}
