package app

import (
	"log/slog"
	"os"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/isolate"
)

// ServeIsolated makes this process a child for work that may take a process down
// (package isolate), until its stdin ends. args are what isolate.Config.Command
// does not hold. It returns only an error.
func ServeIsolated(args []string) error {
	return isolate.Serve(args, map[string]isolate.Work{
		helm.RenderName: helm.RenderWork, factsName: factsWork,
		build.WorkName: func(input []byte, ask isolate.Ask) ([]byte, error) { return build.Work(input, ask) },
	}, os.Exit)
}

// isolation makes charts, and builds that may take long, be rendered in children, where
// that is possible.
func (a *App) isolation(cfg *isolate.Config) {
	switch {
	case cfg == nil:
		return
	case !isolate.Possible:
		a.log.Info("charts and builds are rendered in this process, within bounds: nothing bounds a child on this system")
		return
	}
	a.children = isolate.NewPool(*cfg)
	a.helm.Isolate(a.children)
	a.heavy = newHeavy(*cfg)
	a.log.Debug("charts that are not known to be harmless are rendered in children",
		slog.Int("children", cfg.Children), slog.Int64("memory", cfg.Memory))
}
