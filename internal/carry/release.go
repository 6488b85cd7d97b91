package carry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// Releasing is a release of components.
type Releasing struct {
	Flow       flow.Flow
	Fleet      Onto // the repository with the pins; its branch is that of an environment
	Repos      Repositories
	Components []string
	// Again writes versions that were rolled back.
	Again bool
	// DryRun writes nothing.
	DryRun bool
	// Tell is called with each step as it is done; nil is nobody.
	Tell func(Step)
}

// Released is what a release did.
type Released struct {
	Cuts  []Cut
	Steps []Step
}

// Release cuts a release branch of each component, moves the umbrella repositories,
// packages charts, and at last writes the pins, which is what environments read: until
// then nothing has changed for anybody. Whatever is there already is left as it is, so
// that a release that failed half way goes on when it is run again.
func Release(ctx context.Context, in Releasing) (Released, error) {
	var out Released
	for _, name := range in.Components {
		c, _ := in.Flow.Component(name) // without a declaration there is no repository
		c.Name = name
		cut, err := cutOf(ctx, in.Repos, c)
		if err != nil {
			return out, err
		}
		out.Cuts = append(out.Cuts, cut)
	}
	writes, err := in.pins(ctx, out.Cuts)
	if err != nil {
		return out, err
	}
	if in.DryRun {
		out.Steps = in.intended(out.Cuts, writes)
		return out, nil
	}
	did := func(step Step, err error) error {
		if err == nil {
			out.Steps = append(out.Steps, step)
			if in.Tell != nil {
				in.Tell(step)
			}
		}
		return err
	}
	for i := range out.Cuts {
		if err := in.cut(ctx, &out.Cuts[i], did); err != nil {
			return out, err
		}
	}
	if err := in.charts(ctx, out.Cuts, did); err != nil {
		return out, err
	}
	for _, store := range in.umbrellas() {
		if err := in.umbrella(ctx, store, out.Cuts, did); err != nil {
			return out, err
		}
	}
	onto, err := in.onto()
	if err != nil {
		return out, err
	}
	return out, did(onto.Set(ctx, func(t tree.Tree) ([]Write, error) { return in.writes(t, out.Cuts) }))
}

// cut makes one release branch. If somebody cut the same version elsewhere in the
// meantime, it is the next one.
func (in Releasing) cut(ctx context.Context, c *Cut, did func(Step, error) error) error {
	return did(func() (step Step, err error) {
		err = again(ctx, c.repo, func() error {
			if step.Branch != "" { // they moved on, or took the number
				if *c, err = cutOf(ctx, in.Repos, c.Component); err != nil {
					return err
				}
			}
			step, err = c.push(ctx)
			return err
		})
		return step, err
	}())
}

// environment is the one whose branch gets the pins.
func (in Releasing) environment() (flow.Environment, error) {
	name := ""
	if in.Flow.Release != nil {
		name = in.Flow.Release.Environment
	}
	if name == "" {
		if len(in.Flow.Environments) == 0 {
			return flow.Environment{}, errors.New("leat.yaml has no environment")
		}
		return in.Flow.Environments[0], nil
	}
	e, known := in.Flow.Environment(name)
	if !known {
		return e, fmt.Errorf("leat.yaml: release.environment: there is no environment %s", name)
	}
	return e, nil
}

func (in Releasing) onto() (Onto, error) {
	onto := in.Fleet
	e, err := in.environment()
	onto.Branch = e.Branch
	return onto, err
}

// pins reads what would be written, to fail before anything was.
func (in Releasing) pins(ctx context.Context, cuts []Cut) ([]Write, error) {
	onto, err := in.onto()
	if err != nil {
		return nil, err
	}
	_, head, err := branchOr(onto.Repo, onto.Branch)
	if err != nil {
		return nil, err
	}
	files, err := onto.Repo.Tree(ctx, head, onto.Dir)
	if err != nil {
		return nil, err
	}
	writes, err := in.writes(files, cuts)
	if err != nil || in.Again {
		return writes, err
	}
	return writes, in.unrestored(ctx, files, writes, head)
}

// unrestored refuses versions that were released before, and rolled back. A newer one
// is another version, and goes.
func (in Releasing) unrestored(ctx context.Context, was tree.Tree, writes []Write, head repo.Hash) error {
	e, err := in.environment()
	if err != nil {
		return err
	}
	rollbacks, err := in.Fleet.rollbacks(ctx, in.Flow, e, head)
	if err != nil || len(rollbacks) == 0 {
		return err
	}
	changes, _, err := Edited(was, writes)
	if err != nil {
		return err
	}
	will := was
	for name, blob := range changes {
		if will, err = will.With(name, blob); err != nil {
			return err
		}
	}
	if back := restored(rollbacks, e, was, will); len(back) > 0 {
		return &RestoredError{back, e.Name}
	}
	return nil
}

func (in Releasing) writes(t tree.Tree, cuts []Cut) ([]Write, error) {
	e, err := in.environment()
	if err != nil {
		return nil, err
	}
	pins, _ := flow.Pins(t, in.Flow, e)
	var out []Write
	for _, c := range cuts {
		writes := writesOf(pins, c)
		if len(writes) == 0 {
			return nil, fmt.Errorf("component %s: no pin of leat.yaml names it in %s", c.Component.Name, e.Name)
		}
		out = append(out, writes...)
	}
	return out, nil
}

// intended is what a dry run tells.
func (in Releasing) intended(cuts []Cut, writes []Write) []Step {
	var out []Step
	for _, c := range cuts {
		out = append(out, c.step())
	}
	for _, c := range cuts {
		if c.makes()[flow.ChartPin] && in.Flow.Release != nil && in.Flow.Release.Charts != nil {
			out = append(out, Step{Repository: in.Flow.Release.Charts.Repository, What: packaged(c)})
		}
	}
	for _, store := range in.umbrellas() {
		for _, c := range cuts {
			if c.Component.Directory != "" {
				out = append(out, Step{Repository: store.Repository, What: submoduled(c)})
			}
		}
	}
	onto, err := in.onto()
	if err != nil {
		return out
	}
	for _, w := range writes {
		out = append(out, Step{Repository: onto.Repo.URL(), Branch: onto.Branch, What: strings.TrimSpace(message([]Write{w}))})
	}
	return out
}

func (in Releasing) umbrellas() []flow.Store {
	if in.Flow.Release == nil {
		return nil
	}
	return in.Flow.Release.Umbrellas
}

// submoduled and packaged are the messages of the field's release workflows
// (organisations-and-flux-v1.md 1.1.4).
func submoduled(c Cut) string {
	return fmt.Sprintf("Updated submodule at %s to version %s", c.Component.Directory, c.Version)
}

func packaged(c Cut) string {
	dir := c.Component.Directory
	if dir == "" {
		dir = c.Component.Name
	}
	return fmt.Sprintf("Updated Package at %s to version %s", dir, c.Version)
}

// umbrella moves the submodules of the components in one repository, as one commit.
func (in Releasing) umbrella(ctx context.Context, store flow.Store, cuts []Cut, did func(Step, error) error) error {
	r, err := in.Repos.Repository(ctx, store.Repository)
	if err != nil {
		return err
	}
	onto := Onto{Repo: r, Branch: store.Branch, Author: in.Fleet.Author}
	for _, c := range cuts {
		if c.Component.Directory == "" {
			continue
		}
		if err := did(onto.submodule(ctx, c)); err != nil {
			return err
		}
	}
	return nil
}

// submodule moves one submodule.
func (o Onto) submodule(ctx context.Context, c Cut) (Step, error) {
	step := Step{Repository: o.Repo.URL(), What: submoduled(c)}
	err := again(ctx, o.Repo, func() error {
		name, head, err := branchOr(o.Repo, o.Branch)
		if err != nil {
			return err
		}
		d := repo.Draft{Message: submoduled(c) + "\n", Modules: map[string]repo.Hash{c.Component.Directory: c.Head}, Parents: []repo.Hash{head}, Author: o.Author}
		step.Branch, step.Commit = name, head
		id, err := o.Repo.Commit(ctx, d)
		if step.Done = errors.Is(err, repo.ErrNoChange); step.Done {
			return nil
		}
		if err != nil {
			return err
		}
		step.Commit = id
		return o.Repo.Push(ctx, repo.Update{Branch: name, Old: head, New: id})
	})
	if err != nil {
		return step, fmt.Errorf("move the submodule %s in %s: %w", c.Component.Directory, o.Repo.URL(), err)
	}
	return step, nil
}
