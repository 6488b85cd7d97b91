package serve_test

import (
	"testing"

	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/overlay"
	"github.com/leat-dev/leat/internal/world/serve"
	"github.com/leat-dev/leat/internal/world/worldtest"
)

// A cluster behind this API is a World as the world behind it is.
func TestConformance(t *testing.T) {
	for name, below := range map[string]func() world.World{
		"memory":  func() world.World { return memory.New(memory.Options{}) },
		"overlay": func() world.World { return overlay.New(memory.New(memory.Options{}), overlay.Options{}) },
	} {
		t.Run(name, func(t *testing.T) {
			worldtest.Run(t, func(t *testing.T) world.World {
				w, err := cluster.New(serve.New(below(), "v1.36.4").Config(), cluster.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return w
			}, worldtest.Capabilities{})
		})
	}
}
