package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// Approvable is what a cluster would become, for people to approve.
type Approvable struct {
	// Units are the digests of those that approvals can hold, by inventory id.
	Units map[string]gate.Digest
	// Unknown are units of which that cannot be said from here, and why.
	Unknown []Unknown
}

// Unknown is a unit whose digest cannot be found here.
type Unknown struct {
	Unit object.Key `json:"-"`
	Name string     `json:"unit"`
	Why  string     `json:"why"`
}

// Approvables renders the head of one cluster, and says what each Kustomization and
// HelmRelease would become, as an engine that holds the line does (engine.Approvals).
func Approvables(ctx context.Context, cfg PlanConfig, seal gate.Seal) (Approvable, error) {
	cfg.Previews.Options.Approvals.Seal = &seal
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return Approvable{}, err
	}
	defer previews.Close()
	if len(cfg.Entries) != 1 {
		return Approvable{}, errors.New("an approval is for one cluster: pass one --path")
	}
	head, err := cfg.Revisions.side(ctx, previews.pool, cfg.Revisions.Head)
	if err != nil {
		return Approvable{}, fmt.Errorf("--head: %w", err)
	}
	v, err := previews.Open(ctx, head.Snapshot, cfg.Entries[0])
	if err != nil {
		return Approvable{}, err
	}
	defer v.Close()
	return approvable(v.Rendered(ctx), v.digest), nil
}

// approvable sorts the units of a fleet by whether their digest is known.
func approvable(r fleet.Rendered, digest func(object.Key) gate.Digest) Approvable {
	out := Approvable{Units: map[string]gate.Digest{}}
	for _, u := range r.Units {
		if u.Key.Kind != unit.KustomizationKind && u.Key.Kind != unit.HelmReleaseKind || u.State == fleet.Suspended {
			continue
		}
		found, why := digest(u.Key), invented(r, u)
		switch {
		case found == "":
			out.Unknown = append(out.Unknown, Unknown{u.Key, u.Key.String(), u.Message})
		case why != "":
			out.Unknown = append(out.Unknown, Unknown{u.Key, u.Key.String(), why})
		default:
			out.Units[object.InventoryID(u.Key)] = found
		}
	}
	return out
}

// invented says what a unit is made from that was made up here; empty for nothing. Kinds,
// and what it finds in another cluster or goes there by, are no part of it.
func invented(r fleet.Rendered, u fleet.Unit) string {
	for _, p := range r.Placeholders {
		if slices.Contains(inputKinds, p.Object.Kind) && slices.Contains(p.By, u.Key) && !(leads(p.Object.Key, u) && !slices.Contains(secretsOf(u.Object), p.Object.Key)) {
			return fmt.Sprintf("it reads %s, which lives outside Git: pass it with --input", p.Object.Key)
		}
	}
	return ""
}

// inputKinds are what variables and values come from.
var inputKinds = []string{"ConfigMap", "Secret"}

// leads tells whether an object leads to the cluster that a unit works in.
func leads(key object.Key, u fleet.Unit) bool {
	return u.Cluster == key.String() || strings.HasPrefix(u.Cluster, key.String()+"/")
}
