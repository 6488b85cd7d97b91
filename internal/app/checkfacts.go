package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/expect"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// rulebook is what a branch says about the changes that go into it. It is read from
// that branch alone: what a change says of itself counts once it is merged.
type rulebook struct {
	flow    flow.Flow
	allowed []finding.Allowance
}

// maxGuard bounds a file of rules in bytes, as flow.Parse does.
const maxGuard = 1 << 20

// rulesOf reads the rules of a branch, which is called name in errors.
func rulesOf(name string, t tree.Tree) (rulebook, error) {
	var out rulebook
	texts, err := guardsOf(t)
	if err != nil {
		return out, fmt.Errorf("read the rules of %s: %w", name, err)
	}
	text, there := texts[flow.FileName]
	if !there {
		return out, fmt.Errorf("%s has no %s: what a change is held to is read from the branch that it goes into, never from the change", name, flow.FileName)
	}
	if out.flow, err = flow.Parse(name+":"+flow.FileName, []byte(text)); err != nil {
		return out, err
	}
	if text, there = texts[check.AllowedFile]; there {
		out.allowed, err = expect.ParseAllowed(name+":"+check.AllowedFile, []byte(text))
	}
	return out, err
}

// guardsOf are the texts of the files that guard changes, of those that are there.
func guardsOf(t tree.Tree) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range check.Guards {
		data, err := t.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case len(data) > maxGuard:
			return nil, fmt.Errorf("%s has %d bytes, more than %d", name, len(data), maxGuard)
		default:
			out[name] = string(data)
		}
	}
	return out, nil
}

// seal makes the digests of the fleet.
func (r rulebook) seal() gate.Seal {
	repository := ""
	if r.flow.Forge != nil {
		repository = r.flow.Forge.URL
	}
	return gate.SealOf(repository, r.flow.Seal)
}

// filesOf is what a change does to files.
func filesOf(base, head tree.Tree) (check.Files, error) {
	out := check.Files{Changed: tree.Changed(base, head), Guards: map[string]string{}}
	before, err := guardsOf(base)
	if err != nil {
		return out, err
	}
	after, err := guardsOf(head)
	if err != nil {
		return out, err
	}
	for _, name := range check.Guards {
		if before[name] != after[name] {
			out.Guards[name] = after[name]
		}
	}
	return out, nil
}

// facts renders an environment without and with a change. The previews must have been
// opened with the seal of the fleet (engine.Approvals).
func (p *Previews) facts(ctx context.Context, e flow.Environment, base, head Revision, rules rulebook, now time.Time) check.Facts {
	out := check.Facts{Environment: e.Name}
	o := entry.Options{Path: cmp.Or(e.Cluster, e.Directory, ".")}
	sides := p.sides(ctx, o, base, head)
	out.Before, out.After = sides[0].bound(base, rules.seal()), sides[1].bound(head, rules.seal())
	one, err := p.compared(ctx, sides)
	if err != nil {
		out.Error, out.Broken = err.Error(), sides[0].err == nil
		return out
	}
	finding.Permit(one.Findings, rules.allowed, one.Path, now)
	out.Findings = one.Findings
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
