package check

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/leat-dev/leat/internal/expect"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/tree"
)

// Rules are what a branch says about the changes that go into it. They are read from
// that branch alone: what a change says of itself counts once it is merged.
type Rules struct {
	Flow    flow.Flow
	Allowed []finding.Allowance
}

// maxGuard bounds a file of rules in bytes, as flow.Parse does.
const maxGuard = 1 << 20

// Unguarded is the error of a branch without rules.
type Unguarded struct{ Branch string }

// Error says what to do.
func (u *Unguarded) Error() string {
	return fmt.Sprintf("%s has no %s: what a change is held to is read from the branch that it goes into, never from the change", u.Branch, flow.FileName)
}

// RulesOf reads the rules of a branch, by its files.
func RulesOf(branch string, t tree.Tree) (Rules, error) {
	var out Rules
	texts, err := guards(t)
	if err != nil {
		return out, fmt.Errorf("read the rules of %s: %w", branch, err)
	}
	text, there := texts[flow.FileName]
	if !there {
		return out, &Unguarded{branch}
	}
	if out.Flow, err = flow.Parse(branch+":"+flow.FileName, []byte(text)); err != nil {
		return out, err
	}
	if text, there = texts[AllowedFile]; there {
		out.Allowed, err = expect.ParseAllowed(branch+":"+AllowedFile, []byte(text))
	}
	return out, err
}

// guards are the texts of the files that guard changes, of those that are there.
func guards(t tree.Tree) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range Guards {
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

// Seal makes the digests of the fleet.
func (r Rules) Seal() gate.Seal {
	repository := ""
	if r.Flow.Forge != nil {
		repository = r.Flow.Forge.URL
	}
	return gate.SealOf(repository, r.Flow.Seal)
}

// Of are the environments that follow a branch, in the order of the file.
func (r Rules) Of(branch string) []flow.Environment {
	var out []flow.Environment
	for _, e := range r.Flow.Environments {
		if e.Branch == branch {
			out = append(out, e)
		}
	}
	return out
}

// FilesOf is what a change does to files. A change after which the rules cannot be
// read any more has a Problem: merged, it would leave nothing to judge the next by.
func FilesOf(base, head tree.Tree) (Files, error) {
	out := Files{Changed: tree.Changed(base, head), Guards: map[string]string{}}
	before, err := guards(base)
	if err != nil {
		return out, err
	}
	after, err := guards(head)
	if err != nil {
		out.Problem = err.Error()
		return out, nil
	}
	for _, name := range Guards {
		if before[name] != after[name] {
			out.Guards[name] = after[name]
		}
	}
	if len(out.Guards) > 0 {
		if _, err := RulesOf("the change", head); err != nil {
			out.Problem = err.Error()
		}
	}
	return out, nil
}

// Notes tell of what is judged by the old rules of a branch.
func (f Files) Notes(branch string) []string {
	var out []string
	for _, name := range Guards {
		if _, changed := f.Guards[name]; changed {
			out = append(out, fmt.Sprintf("%s is changed: the change is judged by that of %s, and concerns every environment of it", name, branch))
		}
	}
	return out
}
