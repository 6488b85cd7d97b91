package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/repo"
)

// RetireConfig says what to take out of an environment.
type RetireConfig struct {
	CarryConfig
	Environment string
	Object      string // Kind/namespace/name, or as much of the end as is clear
	Keep        bool   // in Git
	DryRun      bool
	Previews    PreviewConfig
}

// Retired is what a retirement does.
type Retired struct {
	carry.Retirement
	Object object.Key
	At     string // file:line
	Unit   object.Key
	// Prunes tells that the cluster follows; else a person deletes there.
	Prunes bool
	// Plan is what it does to the environment, as Markdown.
	Plan string
}

// Retire proposes that an object goes out of an environment.
func Retire(ctx context.Context, cfg RetireConfig) (out Retired, err error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	e, known := c.Flow.Environment(cfg.Environment)
	if !known {
		return out, fmt.Errorf("there is no environment %s; leat.yaml has %s", cfg.Environment, strings.Join(c.Flow.Names(), ", "))
	}
	in := carry.Retiring{Fleet: c.Fleet, Environment: e, DryRun: cfg.DryRun}
	if cfg.Keep {
		in.Keep = carry.LocalConfig
	}
	if err := cfg.find(ctx, c, &in, &out); err != nil {
		return out, err
	}
	var f forge.Forge
	if !cfg.DryRun {
		if f, err = c.Forge(c.Repo); err != nil {
			return out, err
		}
	}
	out.Retirement, err = carry.Retire(ctx, in, f, func(r carry.Retirement) string { return cfg.body(ctx, &out, r, e) })
	if err == nil && cfg.DryRun {
		cfg.body(ctx, &out, out.Retirement, e)
	}
	return out, err
}

// find renders the environment and finds where the object is written.
func (cfg RetireConfig) find(ctx context.Context, c *Carrying, in *carry.Retiring, out *Retired) error {
	head, err := c.Head(ctx, in.Environment.Branch)
	if err != nil {
		return err
	}
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return err
	}
	defer previews.Close()
	v, err := previews.Open(ctx, head.snapshot(), entry.Options{Path: cmp.Or(in.Environment.Cluster, in.Environment.Directory, ".")})
	if err != nil {
		return err
	}
	defer v.Close()
	rendered := v.Rendered(ctx)
	u, o, err := theObject(rendered, cfg.Object)
	if err != nil {
		return err
	}
	at := provenance.Read(v.from.at(rendered)).Of(provenance.Target{Unit: u.Key, Object: o.Ref.Key})
	if at.File == "" || u.Release != nil {
		return fmt.Errorf("%s is made by %s, and stands in no file of the fleet: change that instead", o.Ref.Key, u.Key)
	}
	if head.Tree.Lookup(at.File).Blob == nil {
		return fmt.Errorf("%s stands in %s of %s, which is another repository", o.Ref.Key, at.At(), at.Source)
	}
	in.Object, in.File, in.Line = o.Ref.Key, at.File, at.Line
	prune, found := nested(u, "prune")
	out.Object, out.At, out.Unit, out.Prunes = o.Ref.Key, at.At(), u.Key, found && prune
	return nil
}

func nested(u *fleet.Unit, field string) (value, found bool) {
	spec, _ := u.Object.Object["spec"].(map[string]any)
	value, found = spec[field].(bool)
	return value, found
}

// theObject finds one object by its name, or as much of the end as is clear.
func theObject(r fleet.Rendered, name string) (*fleet.Unit, fleet.Object, error) {
	var unit *fleet.Unit
	var found fleet.Object
	var all []string
	for i := range r.Units {
		for _, o := range r.Units[i].Objects {
			text := o.Ref.Key.String()
			short := o.Ref.Kind + "/" + o.Ref.Name
			if !strings.EqualFold(text, name) && !strings.EqualFold(short, name) && o.Ref.Name != name {
				continue
			}
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
			unit, found = &r.Units[i], o
		}
	}
	switch len(all) {
	case 0:
		return nil, found, fmt.Errorf("nothing in the environment is called %s", name)
	case 1:
		return unit, found, nil
	}
	return nil, found, fmt.Errorf("%s can be %s: say which", name, strings.Join(all, ", "))
}

// body is what the pull request says, with what will be deleted first.
func (cfg RetireConfig) body(ctx context.Context, out *Retired, r carry.Retirement, e flow.Environment) string {
	text := fmt.Sprintf("%s (%s) goes out of %s.\n", out.Object, out.At, e.Name)
	if !out.Prunes {
		text += fmt.Sprintf("%s does not prune: delete it in the cluster once this is merged.\n", out.Unit)
	}
	plan, err := planBetween(ctx, PlanConfig{Previews: cfg.Previews, Revisions: Revisions{Dir: cfg.Dir}}, e, [2]repo.Hash{r.Target, r.Commit})
	if err != nil {
		return text + fmt.Sprintf("\nWhat it does could not be planned: %v\n", err)
	}
	out.Plan = plan
	return text + "\n" + plan
}
