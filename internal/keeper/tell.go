package keeper

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
)

// ContextPrefix begins the context of every status that the gate sets; the name of the
// environment follows.
const ContextPrefix = "leat/"

// marker tells the gate's comment from others of the same account.
const marker = "gate"

// tell says at the forge how a change stands: a status for every environment of the
// branch, so that a required one is always there, and one comment.
func (k *Keeper) tell(ctx context.Context, c *candidate, r *check.Report) error {
	have, err := k.Forge.Statuses(ctx, c.pr.Head.Commit)
	if err != nil {
		return fmt.Errorf("read the statuses of %s: %w", c.pr.Head.Commit, err)
	}
	for _, want := range statuses(*r) {
		others := spoofed(have, want.Context, c.me)
		r.Notes = append(r.Notes, notes(others)...)
		if last, ok := ours(have, want.Context, c.me); ok && last.State == want.State && last.Description == want.Description && !covered(last, others) {
			continue
		}
		if err := k.Forge.SetStatus(ctx, c.pr.Head.Commit, want); err != nil {
			return fmt.Errorf("set the status %s of %s: %w", want.Context, c.pr.Head.Commit, err)
		}
	}
	return k.comment(ctx, c, *r)
}

// statuses are those of all environments of a report.
func statuses(r check.Report) []forge.Status {
	var out []forge.Status
	for _, e := range r.Environments {
		out = append(out, forge.Status{Context: ContextPrefix + e.Name, State: forge.CheckState(e.State), Description: forge.Describe(e.Line)})
	}
	for _, name := range r.Untouched {
		out = append(out, forge.Status{Context: ContextPrefix + name, State: forge.Success, Description: "not touched"})
	}
	return out
}

// ours is the last status of a context that the gate itself set.
func ours(all []forge.Status, context string, me forge.User) (forge.Status, bool) {
	mine := forge.SetBy(all, me)
	for _, s := range slices.Backward(mine) {
		if s.Context == context {
			return s, true
		}
	}
	return forge.Status{}, false
}

// spoofed are the statuses that somebody else set in our name, or in one that people
// take for it.
func spoofed(all []forge.Status, context string, me forge.User) []forge.Status {
	return slices.DeleteFunc(slices.Clone(all), func(s forge.Status) bool {
		return s.Creator.ID == "" || s.Creator.ID == me.ID || !strings.EqualFold(strings.TrimSpace(s.Context), context)
	})
}

// covered tells whether another's status stands over ours: the last one shows.
func covered(mine forge.Status, others []forge.Status) bool {
	return slices.ContainsFunc(others, func(s forge.Status) bool { return !s.Updated.Before(mine.Updated) })
}

func notes(others []forge.Status) []string {
	var out []string
	for _, s := range others {
		out = append(out, fmt.Sprintf("%s set the status %s to %s: it does not count", cmp.Or(s.Creator.Login, "somebody"), s.Context, s.State))
	}
	return out
}

// comment keeps the one comment. Where nothing is touched none is begun.
func (k *Keeper) comment(ctx context.Context, c *candidate, r check.Report) error {
	if len(r.Environments) == 0 && len(r.Notes) == 0 {
		mine := slices.ContainsFunc(c.said, func(s check.Said) bool {
			return s.User == c.me.Login && strings.Contains(s.Body, "<!-- leat:"+marker+" -->")
		})
		if !mine {
			return nil
		}
	}
	body := r.Markdown(forge.RoomToSay(k.Forge) - roomOfMarker)
	_, err := forge.Say(ctx, k.Forge, forge.Remark{Number: c.pr.Number, Marker: marker, Body: body})
	return err
}

// roomOfMarker is what the line that marks the comment takes, in bytes.
const roomOfMarker = 100
