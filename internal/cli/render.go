package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/collect"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// renderFlags are those of the verbs that ask about one rendered fleet.
type renderFlags struct {
	previewFlags
	output string
}

// render renders the fleet of a directory.
func (f *renderFlags) render(ctx context.Context, given []string) ([]app.Rendering, error) {
	dir, err := fleetDir(given)
	if err != nil {
		return nil, &Exit{Code: 2, Err: err}
	}
	defer hush()()
	collect.Late(planGrowth, planFrugal)
	previews, err := f.config()
	if err != nil {
		return nil, &Exit{Code: 2, Err: err}
	}
	return app.Render(ctx, app.PlanConfig{
		Previews: previews, Revisions: app.Revisions{Dir: dir}, Entries: f.entries(), All: f.all,
	})
}

// oneOf holds a value of --output to those that there are.
func oneOf(output string, known ...string) error {
	if !slices.Contains(known, output) {
		return usage("--output %q: want %s", output, strings.Join(known, ", "))
	}
	return nil
}

// buildFlags are the flags of `leat build`.
type buildFlags struct {
	renderFlags
	unit string
}

// asBuild gives the build of Flux a meaning without a subcommand: print what a
// whole fleet, or a unit of it, renders to.
func asBuild(cmd *cobra.Command, env Env) {
	f := &buildFlags{}
	cmd.Use = "build [DIRECTORY]"
	cmd.Short = "Print what a fleet, a Kustomization or an artifact renders to"
	cmd.Long = `Render a whole fleet without a cluster, with the engine that delivers it, and print
the objects of every unit, or of one (--unit), in the order in which they are applied.
Secrets are shown as fingerprints. What lives outside Git and is not given is made up.`
	cmd.Example = `  leat build examples/platform --path clusters/prod
  leat build --unit Kustomization/flux-system/apps -o json`
	cmd.Args = args(cobra.MaximumNArgs(1))
	cmd.RunE = func(cmd *cobra.Command, given []string) error { return runBuild(cmd.Context(), env, f, given) }
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.unit, "unit", "", "only this unit: Kind/namespace/name, or as much of the end as is clear")
	cmd.Flags().StringVarP(&f.output, "output", "o", "yaml", "yaml or json")
}

func runBuild(ctx context.Context, env Env, f *buildFlags, given []string) error {
	if err := oneOf(f.output, "yaml", "json"); err != nil {
		return err
	}
	all, err := f.render(ctx, given)
	if err != nil {
		return err
	}
	var objects []shownObject
	for _, r := range all {
		units := r.Fleet.Units
		if f.unit != "" {
			u, err := findUnit(r.Fleet, f.unit)
			if err != nil {
				return err
			}
			units = []fleet.Unit{u}
		}
		for _, u := range inOrder(units) {
			objects = append(objects, shown(u, r.Mask(u.Key))...)
		}
	}
	return printObjects(env.Out, objects, f.output)
}

// shownObject is an object as it may be shown.
type shownObject struct {
	value   map[string]any
	cluster string // another one than the fleet's own
}

// shown are the objects of a unit as they may be shown.
func shown(u fleet.Unit, mask plan.Mask) []shownObject {
	var out []shownObject
	for _, o := range u.Objects {
		if !o.Provided && o.Value != nil {
			out = append(out, shownObject{mask.Object(o.Value).Object, u.Cluster})
		}
	}
	return out
}

func printObjects(out io.Writer, list []shownObject, format string) error {
	if format == "json" {
		items := make([]any, len(list))
		for i, item := range list {
			items[i] = item.value
		}
		return printJSON(out, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	}
	for _, item := range list {
		text, err := yaml.Marshal(item.value)
		if err != nil {
			return err
		}
		in := ""
		if item.cluster != "" {
			in = "# in the cluster of " + item.cluster + "\n"
		}
		if _, err := fmt.Fprintf(out, "---\n%s%s", in, text); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// inOrder returns units in the order of delivery.
func inOrder(units []fleet.Unit) []fleet.Unit {
	out := slices.Clone(units)
	slices.SortStableFunc(out, func(a, b fleet.Unit) int {
		if a.Order != b.Order {
			return a.Order - b.Order
		}
		return object.Compare(a.Key, b.Key)
	})
	return out
}

// findUnit finds the unit that a name means: Kind/namespace/name, or the end of
// that where it is clear.
func findUnit(r fleet.Rendered, name string) (fleet.Unit, error) {
	var found []fleet.Unit
	var names []string
	for _, u := range r.Units {
		key := u.Key.String()
		if key == name {
			return u, nil
		}
		if strings.HasSuffix(key, "/"+name) {
			found, names = append(found, u), append(names, key)
		}
	}
	switch len(found) {
	case 0:
		return fleet.Unit{}, usage("there is no unit %q; leat graph lists all", name)
	case 1:
		return found[0], nil
	default:
		return fleet.Unit{}, usage("%q may be %s", name, strings.Join(names, " or "))
	}
}
