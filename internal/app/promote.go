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
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/world"
)

// PromoteConfig says what to promote.
type PromoteConfig struct {
	CarryConfig
	From, To         string
	Of               string
	Only, Take, Keep []string
	Again            bool // brings what was rolled back
	DryRun           bool
	// Unwell promotes what is unhealthy, or half rolled out, too.
	Unwell   bool
	Previews PreviewConfig
	// Connect opens the cluster of an environment that has a context.
	Connect func(flow.Environment) (world.Reader, error)
}

// Promoted is what a promotion did.
type Promoted struct {
	carry.Promotion
	From, To flow.Environment
	// Notes are what a person should know beside it.
	Notes []string
	// Plan is what it does to the target, as Markdown; empty where that is not known.
	Plan string
}

// Promote carries what one environment has to the next.
func Promote(ctx context.Context, cfg PromoteConfig) (out Promoted, err error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if out.From, out.To, err = ends(c.Flow, cfg.From, cfg.To); err != nil {
		return out, err
	}
	seen, err := cfg.wellEnough(ctx, c, &out)
	if err != nil {
		return out, err
	}
	if o := c.Flow.Opening(out.To.Name, cfg.Now); !o.Open {
		out.Notes = append(out.Notes, fmt.Sprintf("%s takes no change now: %s", out.To.Name, o.Why))
	}
	var f forge.Forge
	if !cfg.DryRun {
		if f, err = c.Forge(c.Repo); err != nil {
			return out, err
		}
	}
	in := carry.Promoting{
		Flow: c.Flow, Fleet: c.Fleet, From: out.From, To: out.To, Of: cfg.Of, Seen: seen, Only: cfg.Only, Take: cfg.Take, Keep: cfg.Keep, Again: cfg.Again, DryRun: cfg.DryRun,
		Body: func(ctx context.Context, p carry.Promotion) (string, error) { return cfg.body(ctx, &out, p), nil },
	}
	out.Promotion, err = carry.Promote(ctx, in, f)
	out.Notes = append(out.Notes, cfg.rollbackNotes(out.To, out.Promotion)...)
	return out, err
}

// ends are the environments of a promotion. Where from is not said it is the one that
// the target follows.
func ends(f flow.Flow, from, to string) (a, b flow.Environment, err error) {
	b, known := f.Environment(to)
	if !known {
		return a, b, fmt.Errorf("--to: there is no environment %q; leat.yaml has %s", to, strings.Join(f.Names(), ", "))
	}
	if from == "" && b.Follows == "" {
		return a, b, fmt.Errorf("leat.yaml does not say what %s follows: pass --from", to)
	}
	from = cmp.Or(from, b.Follows)
	if a, known = f.Environment(from); !known {
		return a, b, fmt.Errorf("--from: there is no environment %q; leat.yaml has %s", from, strings.Join(f.Names(), ", "))
	}
	if a.Name == b.Name {
		return a, b, fmt.Errorf("%s cannot be promoted to itself", to)
	}
	return a, b, nil
}

// wellEnough refuses what the source's own cluster does not run, or not well. It returns
// the commit that was asked for; zero where none was.
func (cfg PromoteConfig) wellEnough(ctx context.Context, c *Carrying, out *Promoted) (repo.Hash, error) {
	if why := cfg.unasked(out.From); why != "" {
		out.Notes = append(out.Notes, fmt.Sprintf("Whether %s is healthy was not asked: %s.", out.From.Name, why))
		return repo.Hash{}, nil
	}
	head, err := c.Repo.Branch(out.From.Branch)
	if err != nil {
		return head, err
	}
	d, err := cfg.delivered(ctx, c, out.From, head)
	switch {
	case err == nil && d.Stage == carry.Healthy:
		out.Notes = append(out.Notes, fmt.Sprintf("%s runs %s and is healthy.", out.From.Name, head.String()[:10]))
	case err != nil && cfg.Unwell:
		out.Notes = append(out.Notes, fmt.Sprintf("Whether %s is healthy could not be asked, and it is promoted all the same: %v.", out.From.Name, err))
	case err != nil:
		return head, fmt.Errorf("ask whether %s is healthy: %w; --unwell promotes without", out.From.Name, err)
	case cfg.Unwell:
		out.Notes = append(out.Notes, fmt.Sprintf("%s is not well (%s: %s), and is promoted all the same.", out.From.Name, d.Stage, d.Why))
	default:
		return head, fmt.Errorf("%s is not well: %s: %s; --unwell promotes it all the same", out.From.Name, d.Stage, d.Why)
	}
	return head, nil
}

// unasked says why a cluster is not asked; empty where it is.
func (cfg PromoteConfig) unasked(from flow.Environment) string {
	switch {
	case cfg.Of != "":
		return "what is promoted is " + cfg.Of + ", and not what it runs"
	case from.Context == "":
		return "leat.yaml says no context for it"
	case cfg.Connect == nil:
		return "no cluster is asked here"
	}
	return ""
}

// delivered is how far a commit has come in the source's own cluster.
func (cfg PromoteConfig) delivered(ctx context.Context, c *Carrying, from flow.Environment, head repo.Hash) (carry.Delivery, error) {
	w, err := cfg.Connect(from)
	if err != nil {
		return carry.Delivery{}, err
	}
	units, err := unitsOf(ctx, w)
	if err != nil {
		return carry.Delivery{}, err
	}
	watch := WatchConfig{Running: carry.Running{Repo: c.Repo, Branch: from.Branch}, Commit: head}
	return carry.Delivered(units, carry.Of{Repository: c.Repo.URL(), Branch: from.Branch, Has: carry.RevisionHas(watch.holds)}), nil
}

// rollbackNotes say what becomes of what rollbacks of the target took back.
func (cfg PromoteConfig) rollbackNotes(to flow.Environment, p carry.Promotion) []string {
	fate := "stays out; name it, or pass --again, to bring it"
	switch {
	case cfg.Again:
		fate = "comes again"
	case to.Move == flow.Merge: // in whole
		fate = "stays out; pass --again to bring it"
	}
	var out []string
	for _, r := range p.Rollbacks {
		out = append(out, fmt.Sprintf("Rolled back in %s by %s: what it took back %s.", to.Name, r.By, fate))
	}
	return out
}

// body is what the pull request says: what moves, and what that does to the target.
func (cfg PromoteConfig) body(ctx context.Context, out *Promoted, p carry.Promotion) string {
	var b strings.Builder
	for _, note := range append(slices.Clone(out.Notes), cfg.rollbackNotes(out.To, p)...) {
		fmt.Fprintf(&b, "%s\n", present.Prose(note))
	}
	if len(p.Files.Files) > 0 {
		fmt.Fprintf(&b, "\n<details><summary>What moves, and why</summary>\n\n%s</details>\n", present.Fenced(p.Files.Text()))
	}
	plan, err := cfg.plan(ctx, out.To, p)
	if err != nil {
		fmt.Fprintf(&b, "\nWhat it does to %s could not be planned: %s\n", out.To.Name, present.Prose(err.Error()))
		return b.String()
	}
	out.Plan = plan
	return b.String() + "\n" + plan
}

// plan says what the commit of a promotion does to its target.
func (cfg PromoteConfig) plan(ctx context.Context, to flow.Environment, p carry.Promotion) (string, error) {
	return planBetween(ctx, PlanConfig{Previews: cfg.Previews, Revisions: Revisions{Dir: cfg.Dir}}, to, [2]repo.Hash{p.Target, p.Commit})
}

// planBetween plans an environment from one commit of the fleet to another.
func planBetween(ctx context.Context, cfg PlanConfig, of flow.Environment, sides [2]repo.Hash) (string, error) {
	plan, err := planOf(ctx, cfg, of, sides)
	if err != nil {
		return "", err
	}
	return lasting(plan), nil
}

func planOf(ctx context.Context, cfg PlanConfig, of flow.Environment, sides [2]repo.Hash) (present.Plan, error) {
	cfg.Revisions.Base, cfg.Revisions.Head = sides[0].String(), sides[1].String()
	cfg.Entries = []entry.Options{{Path: cmp.Or(of.Cluster, of.Directory, ".")}}
	return Plan(ctx, cfg)
}

// lasting is a plan as a pull request keeps it: without times, so that the same plan is
// the same text and nothing is edited for it.
func lasting(p present.Plan) string {
	for i := range p.Entries {
		p.Entries[i].Took = present.Took{}
	}
	return present.Make(p).Markdown(present.Comment{})
}
