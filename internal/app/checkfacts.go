package app

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/unit"
)

// changed is a change, by what it is held to, and when.
type changed struct {
	base, head Revision
	rules      check.Rules
	now        time.Time
}

// facts renders an environment without and with a change. The previews must have been
// opened with the seal of the fleet (engine.Approvals).
func (p *Previews) facts(ctx context.Context, e flow.Environment, c changed) check.Facts {
	out := check.Facts{Environment: e.Name}
	o := entry.Options{Path: cmp.Or(e.Cluster, e.Directory, ".")}
	sides := p.sides(ctx, o, c.base, c.head)
	out.Before, out.After = sides[0].bound(c.base, c.rules.Seal()), sides[1].bound(c.head, c.rules.Seal())
	one, err := p.compared(ctx, sides)
	if err != nil {
		out.Error, out.Broken = err.Error(), sides[0].err == nil
		return out
	}
	finding.Permit(one.Findings, c.rules.Allowed, one.Path, c.now)
	out.Findings = one.Findings
	one.Took = present.Took{} // or each look would edit the comment
	out.Plan = present.Make(present.Plan{Entries: []present.Entry{one}})
	return out
}

type unitDigests map[object.Key]gate.Digest

// digests are what the units of a fleet become, where the engine notes it.
func (v *Preview) digests(r fleet.Rendered) unitDigests {
	out := unitDigests{}
	for _, u := range r.Units {
		if d := v.digest(u.Key); d != "" {
			out[u.Key] = d
		}
	}
	return out
}

// bound is what an approval of a rendering is bound to. What is not known of it counts
// by what it is made from: units out of reach by their spec, those that failed or wait
// by all files.
func (r rendering) bound(of Revision, seal gate.Seal) gate.Digest {
	if r.err != nil {
		return ""
	}
	units := unitDigests{}
	for _, u := range r.fleet.Units {
		if u.Key.Kind != unit.KustomizationKind && u.Key.Kind != unit.HelmReleaseKind || u.State == fleet.Suspended {
			continue
		}
		digest := r.digests[u.Key]
		if u.State != fleet.Ready || digest == "" {
			spec, _ := json.Marshal(u.Object.Object["spec"]) // what was read from JSON can be written so
			parts := map[string]string{"not rendered": string(spec)}
			if u.State != fleet.NotRendered {
				parts["files"] = of.Tree.Hash().String()
			}
			digest = seal.Parts(parts)
		}
		units[u.Key] = digest
	}
	return gate.Environment(units)
}
