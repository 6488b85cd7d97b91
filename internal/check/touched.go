package check

import (
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
)

// AllowedFile says which findings of a fleet are meant (package expect).
const AllowedFile = "leat.findings.yaml"

// Guards are the files that say what a change is held to. A change of one of them
// concerns every environment of its branch, though it renders nothing else.
var Guards = []string{flow.FileName, AllowedFile}

// Files are what a change does to files of the branch, by their paths in the fleet.
type Files struct {
	Changed []string
	// Guards are those of Guards that it changes, with their new text.
	Guards map[string]string
	// Problem says why what guards changes could not be read after this one.
	Problem string
}

// Gates are those of a flow that hold for a change in an environment: those that
// name no paths, and those of which it changes a path.
func Gates(declared flow.Flow, environment string, files Files) []flow.Gate {
	var out []flow.Gate
	for _, g := range declared.Gates {
		if slices.Contains(g.Environments, environment) && (len(g.Paths) == 0 || len(files.Guards) > 0 || files.match(g.Paths)) {
			out = append(out, g)
		}
	}
	return out
}

func (f Files) match(patterns []string) bool {
	return slices.ContainsFunc(f.Changed, func(file string) bool { return flow.MatchAny(patterns, file) })
}

// Touches tells whether a change concerns an environment: what is rendered differs or
// cannot be told, or a file of its directory or of a gate's paths does.
func Touches(declared flow.Flow, e flow.Environment, files Files, f Facts) bool {
	switch {
	case len(files.Guards) > 0, f.Error != "", f.Before != f.After, f.Plan.Changes:
		return true
	case e.Directory != "" && slices.ContainsFunc(files.Changed, func(file string) bool { return strings.HasPrefix(file, e.Directory+"/") }):
		return true
	}
	return slices.ContainsFunc(declared.Gates, func(g flow.Gate) bool {
		return slices.Contains(g.Environments, e.Name) && len(g.Paths) > 0 && files.match(g.Paths)
	})
}

// Bound is what approvals of a change in an environment are bound to: what is
// rendered, and the new text of what guards it.
func Bound(after gate.Digest, guards map[string]string) gate.Digest {
	if len(guards) == 0 || after == "" {
		return after
	}
	parts := map[string]string{"rendered": string(after)}
	for name, text := range guards {
		parts["file "+name] = text
	}
	return gate.SealOf("", "").Parts(parts)
}
