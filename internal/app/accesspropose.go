package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/grant"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/writeback"
)

// AccessProposeConfig says what to propose of what was written with grants.
type AccessProposeConfig struct {
	CarryConfig
	People grant.People
	// Environment narrows to the requests of one; empty is all that leat.yaml has.
	Environment string
	// Names are requests; none is all that are to be proposed and were not yet.
	Names    []string
	DryRun   bool
	Previews PreviewConfig
}

// AccessProposal is what became of what was written with one grant.
type AccessProposal struct {
	Request access.Request
	Items   []writeback.Item
	carry.Written
	// Noted is what the request says of it now; empty of a dry run.
	Noted string
	// Err is why it could not be proposed.
	Err error
}

// ProposeAccess proposes what was written by hand with grants as changes of the fleet,
// a pull request for each, and notes it at the request. A request that fails does not
// keep the others.
func ProposeAccess(ctx context.Context, cfg AccessProposeConfig) (out []AccessProposal, err error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	todo, err := cfg.requests(ctx, c.Flow)
	if err != nil || len(todo) == 0 {
		return nil, err
	}
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return nil, err
	}
	defer previews.Close()
	p := &proposing{cfg: cfg, carrying: c, previews: previews, sides: map[string]*handSide{}}
	defer p.close()
	if !cfg.DryRun {
		if p.forge, err = c.Forge(c.Repo); err != nil {
			return nil, err
		}
	}
	for _, r := range todo {
		one := AccessProposal{Request: r}
		one.Err = p.propose(ctx, &one)
		out = append(out, one)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	return out, nil
}

// requests are those to be proposed: those that were named, or else those whose policy
// said so, of an environment of this fleet, and that do not say that it was done.
func (cfg AccessProposeConfig) requests(ctx context.Context, f flow.Flow) ([]access.Request, error) {
	if len(cfg.Names) > 0 {
		return cfg.named(ctx, f)
	}
	all, err := cfg.People.List(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r access.Request) bool {
		_, known := f.Environment(r.Spec.Environment)
		return !r.ToPropose() || r.Annotations[access.Proposed] != "" || !known || cfg.Environment != "" && r.Spec.Environment != cfg.Environment
	}), nil
}

func (cfg AccessProposeConfig) named(ctx context.Context, f flow.Flow) ([]access.Request, error) {
	var out []access.Request
	for _, name := range cfg.Names {
		r, err := cfg.People.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		_, known := f.Environment(r.Spec.Environment)
		switch {
		case !known:
			return nil, fmt.Errorf("%s is of environment %s, and leat.yaml has %s", name, access.Quote(r.Spec.Environment), strings.Join(f.Names(), ", "))
		case r.Status.Phase != access.Ended:
			return nil, fmt.Errorf("%s has not ended (%s): %s", name, cmp.Or(string(r.Status.Phase), "not looked at yet"), r.Why())
		case !r.ToPropose():
			return nil, fmt.Errorf("what was written with %s was not kept: AccessPolicy %s did not say atEnd: propose when it ended; leat drift shows what differs", name, r.Spec.Environment)
		}
		out = append(out, r)
	}
	return out, nil
}

// proposing is one run over some requests.
type proposing struct {
	cfg      AccessProposeConfig
	carrying *Carrying
	previews *Previews
	forge    forge.Forge
	sides    map[string]*handSide // by environment
}

func (p *proposing) close() {
	for _, s := range p.sides {
		s.close()
	}
}

// propose proposes what was written with one grant.
func (p *proposing) propose(ctx context.Context, one *AccessProposal) error {
	e, _ := p.carrying.Flow.Environment(one.Request.Spec.Environment)
	s, err := p.side(ctx, e)
	if err != nil {
		return err
	}
	edited, err := s.edited(ctx, one.Request.Status.End.Writes)
	if err != nil {
		return err
	}
	one.Items = edited.items
	if !writeback.Any(edited.items) {
		if why := writeback.Unsettled(edited.items); why != "" {
			return fmt.Errorf("it is not known what differs, and nothing was noted: %s", why)
		}
		return p.note(ctx, one, access.NothingToPropose)
	}
	in := carry.WritingBack{
		Fleet: p.carrying.Fleet, Environment: e, Target: s.head.Commit.ID, Request: one.Request.Name, Files: edited.files, DryRun: p.cfg.DryRun,
	}
	one.Written, err = carry.WriteBack(ctx, in, p.forge, func(w carry.Written) (string, error) {
		plan, err := planBetween(ctx, PlanConfig{Previews: p.cfg.Previews, Revisions: Revisions{Dir: p.cfg.Dir}}, e, [2]repo.Hash{w.Target, w.Commit})
		if err != nil {
			return "", err
		}
		return accessBody(one, plan), nil
	})
	if err != nil {
		return err
	}
	return p.note(ctx, one, cmp.Or(one.Written.Request.URL, "branch "+one.Head))
}

// note writes down at the request what became of it.
func (p *proposing) note(ctx context.Context, one *AccessProposal, what string) error {
	if p.cfg.DryRun {
		return nil
	}
	if one.Request.Annotations[access.Proposed] != what {
		if err := p.cfg.People.Propose(ctx, one.Request, what); err != nil {
			return err
		}
	}
	one.Noted = what
	return nil
}

// side renders an environment, once for all requests.
func (p *proposing) side(ctx context.Context, e flow.Environment) (*handSide, error) {
	if s := p.sides[e.Name]; s != nil {
		return s, nil
	}
	head, err := p.carrying.Head(ctx, e.Branch)
	if err != nil {
		return nil, err
	}
	s := &handSide{previews: p.previews, head: head, environment: e, flow: p.carrying.Flow}
	if s.base, s.rendered, err = s.render(ctx, e, head.Tree); err != nil {
		return nil, fmt.Errorf("render %s: %w", e.Name, err)
	}
	p.sides[e.Name] = s
	return s, nil
}
