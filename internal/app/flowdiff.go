package app

import (
	"context"
	"fmt"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/present"
)

// EnvDiffConfig says which environments are compared.
type EnvDiffConfig struct {
	Dir          string
	Before, Name string
	Previews     PreviewConfig
	Unrendered   bool
}

// EnvDifference is the standing difference between two environments.
type EnvDifference struct {
	Files []flow.Difference
	// Rendered is what the second would become if it were as the first; nil where it
	// was not asked for, or could not be rendered, as Note says.
	Rendered *present.Plan
	Note     string
}

// EnvDiff compares two environments: their files by what leat.yaml and history say of
// them, and what they render to.
func EnvDiff(ctx context.Context, cfg EnvDiffConfig) (EnvDifference, error) {
	var out EnvDifference
	f, err := OpenFlow(cfg.Dir)
	if err != nil {
		return out, err
	}
	defer f.Close()
	both, err := f.pair(cfg.Before, cfg.Name)
	if err != nil {
		return out, err
	}
	if f.Repo.Shallow() {
		return out, errShallow
	}
	way, err := f.Way(ctx, both[0], both[1])
	if err != nil {
		return out, err
	}
	out.Files = f.Flow.Differences(way.From, way.To, way.Base)
	if cfg.Unrendered {
		return out, nil
	}
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return out, err
	}
	defer previews.Close()
	e, err := previews.between(ctx, way)
	if err != nil {
		out.Note = "they cannot be rendered: " + err.Error()
		return out, nil
	}
	out.Rendered = &present.Plan{Entries: []present.Entry{e}}
	return out, nil
}

// pair are two environments by their names.
func (f *FlowRepo) pair(before, name string) (out [2]flow.Environment, err error) {
	if before == name {
		return out, fmt.Errorf("%s is compared with itself; name two environments", name)
	}
	all, err := f.chosen([]string{before, name})
	if err != nil {
		return out, err
	}
	if all[0].Name != before {
		all[0], all[1] = all[1], all[0]
	}
	return [2]flow.Environment{all[0], all[1]}, nil
}

// between compares what two environments render to; each has an entry of its own.
func (p *Previews) between(ctx context.Context, way Way) (present.Entry, error) {
	var sides [2]rendering
	for i, s := range []flow.Side{way.To, way.From} {
		h := way.Heads[1-i]
		o := entry.Options{Path: s.Environment.Cluster}
		if _, err := entry.Find(h.Tree, o); err != nil {
			return present.Entry{}, fmt.Errorf("%s: %w", s.Environment.Name, err)
		}
		sides[i] = p.render(ctx, o, Revision{h.snapshot(), s.Environment.Name})
	}
	e, err := p.compared(ctx, sides)
	e.Path = way.From.Environment.Name + " → " + way.To.Environment.Name
	return e, err
}
