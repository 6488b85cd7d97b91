package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/present"
)

// ReleaseConfig says what to release.
type ReleaseConfig struct {
	CarryConfig
	Components []string
	Again      bool // releases versions that were rolled back
	DryRun     bool
	Tell       func(carry.Step)
}

// Release releases components of a fleet.
func Release(ctx context.Context, cfg ReleaseConfig) (out carry.Released, err error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return carry.Release(ctx, carry.Releasing{
		Flow: c.Flow, Fleet: c.Fleet, Repos: c, Components: cfg.Components, Again: cfg.Again, DryRun: cfg.DryRun, Tell: cfg.Tell,
	})
}

// HotfixConfig says what to fix where.
type HotfixConfig struct {
	CarryConfig
	Environment, Component, ID string
	DryRun                     bool
}

// Hotfix opens a fleet for the verbs of hot-fixes; close it afterwards.
func Hotfix(ctx context.Context, cfg HotfixConfig) (*Carrying, carry.Fixing, error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return nil, carry.Fixing{}, err
	}
	return c, carry.Fixing{
		Flow: c.Flow, Fleet: c.Fleet, Repos: c, Environment: cfg.Environment, Component: cfg.Component, ID: cfg.ID, DryRun: cfg.DryRun,
	}, nil
}

// RollbackConfig says what to roll back.
type RollbackConfig struct {
	CarryConfig
	Environment, To string
	DryRun          bool
}

// Rollback proposes that an environment becomes again what it was.
func Rollback(ctx context.Context, cfg RollbackConfig) (out carry.Rolled, err error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	in := carry.Rolling{Fleet: c.Fleet, DryRun: cfg.DryRun}
	known := false
	if in.Environment, known = c.Flow.Environment(cfg.Environment); !known {
		return out, fmt.Errorf("there is no environment %s; leat.yaml has %s", cfg.Environment, strings.Join(c.Flow.Names(), ", "))
	}
	if cfg.To != "" {
		if in.To, err = c.Repo.Resolve(cfg.To); err != nil {
			return out, fmt.Errorf("--to: %w", err)
		}
	}
	var f forge.Forge
	if !cfg.DryRun {
		if f, err = c.Forge(c.Repo); err != nil {
			return out, err
		}
	}
	return carry.Rollback(ctx, in, f, rollbackBody)
}

// rollbackBody is what the pull request of a rollback says.
func rollbackBody(r carry.Rolled) string {
	text := "Takes back, newest first:\n\n"
	for _, c := range r.Undone {
		text += fmt.Sprintf("- %s %s (%s)\n", c.ID.String()[:10], present.Prose(c.Subject()), present.Prose(c.Author.Name))
	}
	return text
}
