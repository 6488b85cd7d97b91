package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/mirror"
)

func newHotfixStart(env Env) *cobra.Command {
	f := &hotfixFlags{}
	cmd := f.withID(hotfixVerb(told{"start", "Cut hotfix/<id> from what an environment runs, and check it out", "start keda --env prod --id 123"}, f,
		func(ctx context.Context, _ *app.Carrying, in carry.Fixing) error {
			at, step, err := in.Start(ctx)
			if err != nil {
				return err
			}
			place := f.placeFor(ctx, at)
			err = f.checkOut(ctx, place, step)
			if f.output == "json" {
				return errors.Join(err, printJSON(env.Out, map[string]any{
					"repository": at.Repo.URL(), "runs": at.Branch, "pinnedAt": pinnedAt(at), "environments": names(at.Followers),
					"step": step, "commit": step.Commit.String(), "directory": place.dir, "dryRun": f.dry,
				}))
			}
			fmt.Fprint(env.Out, runsText(in, at))
			if f.dry {
				fmt.Fprintf(env.Out, "Nothing was pushed (--dry-run). It would do this, in this order:\n%s\n", stepLine(step))
			} else {
				fmt.Fprintln(env.Out, stepLine(step))
			}
			if err != nil {
				return err
			}
			if f.dry {
				fmt.Fprintf(env.Out, "  %s\n", place.text(step))
				return nil
			}
			fmt.Fprintf(env.Out, "It is checked out in %s. Commit and push there, then:\n  %s --id %s\n", whereTo(place.dir), hotfixLine("submit", in), in.ID)
			return nil
		}))
	cmd.Flags().StringVar(&f.into, "into", "", "where to check it out (default: a directory named as the repository; for the fleet's own repository this clone)")
	return f.withDryRun(cmd)
}

// runsText says what an environment runs, and who shares it.
func runsText(in carry.Fixing, at carry.Running) string {
	text := fmt.Sprintf("%s runs %s of %s", in.Environment, at.Branch, at.Repo.URL())
	if pin := pinnedAt(at); pin != "" {
		text += fmt.Sprintf(" (%s)", pin)
	}
	text += "\n"
	if others := slices.DeleteFunc(names(at.Followers), func(name string) bool { return name == in.Environment }); len(others) > 0 {
		text += fmt.Sprintf("and so do: %s\n", strings.Join(others, ", "))
	}
	return text
}

// pinnedAt is file:line of the pin; empty for the fleet's own repository, which has none.
func pinnedAt(at carry.Running) string {
	if at.Pin.File == "" {
		return ""
	}
	return at.Pin.At()
}

// place is where the branch of a fix is checked out.
type place struct {
	dir string
	url string // of the repository
	new bool   // nothing is there yet: it is cloned
	// wrong says why it cannot be checked out there.
	wrong error
}

// text says what a checkout would do.
func (p place) text(step carry.Step) string {
	if p.new {
		return fmt.Sprintf("clone %s into %s, and check out %s", p.url, p.dir, step.Branch)
	}
	return fmt.Sprintf("check out %s in %s", step.Branch, whereTo(p.dir))
}

// placeFor finds where the branch of a fix is checked out.
func (f *hotfixFlags) placeFor(ctx context.Context, at carry.Running) place {
	into := f.into
	if into == "" && f.component == "" {
		into = f.dir
	}
	into = cmp.Or(into, strings.TrimSuffix(path.Base(at.Repo.URL()), ".git"))
	p := place{dir: into, url: at.Repo.URL()}
	if _, err := os.Stat(into); err != nil {
		p.new = true
		return p
	}
	p.wrong = cloneOf(ctx, into, p.url)
	return p
}

// checkOut brings the branch of a fix into a work tree with the git program, which
// has the person's credentials and settings. A dry run only says what is in its way.
func (f *hotfixFlags) checkOut(ctx context.Context, p place, step carry.Step) error {
	switch {
	case p.wrong != nil && f.dry:
		return p.wrong
	case p.wrong != nil:
		return fmt.Errorf("%s of %s is there; check it out where you like: %w", step.Branch, p.url, p.wrong)
	case f.dry:
		return nil
	case p.new:
		_, err := git(ctx, ".", "clone", "-q", "--branch", step.Branch, "--", p.url, p.dir)
		return err
	}
	if _, err := git(ctx, p.dir, "fetch", "-q", "--all"); err != nil {
		return err
	}
	_, err := git(ctx, p.dir, "checkout", "-q", step.Branch)
	return err
}

// cloneOf refuses a directory that is anything but a clone of a repository: its files
// are somebody's.
func cloneOf(ctx context.Context, dir, url string) error {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return fmt.Errorf("%s is there and is no clone of it: pass another place with --into", dir)
	}
	remotes, err := git(ctx, dir, "remote", "-v")
	if err != nil {
		return err
	}
	for line := range strings.Lines(remotes) {
		if words := strings.Fields(line); len(words) > 1 && (mirror.Same(words[1], url) || samePath(top, words[1], url)) {
			return nil
		}
	}
	return fmt.Errorf("%s belongs to another repository: pass another place with --into", dir)
}

// samePath tells whether two addresses are one folder of this machine; the first may be
// named from the clone.
func samePath(top, a, b string) bool {
	a, b = strings.TrimPrefix(a, "file://"), strings.TrimPrefix(b, "file://")
	if !filepath.IsAbs(a) {
		a = filepath.Join(top, a)
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// git runs the git program in a directory, and returns what it prints.
func git(ctx context.Context, dir string, what ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, what...)...)
	var printed, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git -C %s %s: %w: %s", dir, strings.Join(what, " "), err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(printed.String()), nil
}

// whereTo is a directory for people.
func whereTo(dir string) string {
	if dir == "." {
		return "this directory"
	}
	return dir
}
