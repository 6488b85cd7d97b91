package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/edit"
)

// maxEdited bounds the file that is read, in bytes; package edit refuses smaller
// ones already.
const maxEdited = 16 << 20

// setFlags are the flags of `leat set`.
type setFlags struct {
	create bool
	dryRun bool
	output string
}

func newSet(env Env) *cobra.Command {
	f := &setFlags{}
	cmd := &cobra.Command{
		Use:   "set FILE PATH VALUE [PATH VALUE]…",
		Short: "Set values in a YAML or JSON file and leave every other byte as it is",
		Long: `Replace values in a file: comments, indentation, quotes, the order of keys and the line
ends stay as they are. A path is written as for yq; several pairs are set at once, all
or none:

  .spec.chart.spec.version                  keys
  .metadata.annotations."fluxcd.io/ignore"  a key with dots
  .spec.containers[0].image                 an item, [-1] is the last
  .spec.containers[name=web].image          the item with a name
  .components.*.chart_version               * is any key, or a part of one
  HelmRelease/podinfo:.spec.interval        of this object, where the file has several
  1:.spec.interval                          of the second document

A value keeps its quotes. A text that YAML would read as something else (1.10, yes, 0x1,
a date) is quoted. A path must name one value. Refused are values that come from an
anchor, keys that stand twice, and templates.

The file - is stdin, and the result goes to stdout.`,
		Example: `  leat set core/flux-config.yaml .components.jupyter_hub.repository.branch release/0.2.106
  leat set release.yaml .spec.suspend true --create --dry-run`,
		Args: args(cobra.MinimumNArgs(3)),
		RunE: func(_ *cobra.Command, given []string) error { return runSet(env, f, given) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.create, "create", false, "add what is not there, in the style of its neighbours")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print the change as a diff and write nothing")
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

// setAnswer is what was set.
type setAnswer struct {
	File    string      `json:"file"`
	Written bool        `json:"written"`
	Changes []setChange `json:"changes"`
	Diff    string      `json:"diff,omitempty"` // of a dry run
	Text    string      `json:"text,omitempty"` // of stdin
}

type setChange struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Created bool   `json:"created,omitempty"`
}

func runSet(env Env, f *setFlags, given []string) error {
	if err := oneOf(f.output, "text", "json"); err != nil {
		return err
	}
	changes, err := f.changes(given[1:])
	if err != nil {
		return err
	}
	name := given[0]
	before, err := readEdited(env, name)
	if err != nil {
		return err
	}
	after, done, err := edit.Apply(before, changes...)
	if err != nil {
		return inFile(err, name)
	}
	answer := setAnswer{File: name, Changes: shownChanges(done)}
	switch {
	case f.dryRun:
		if answer.Diff, err = diffOf(name, before, after, done); err != nil {
			return inFile(err, name)
		}
	case name == "-" && f.output == "json":
		answer.Text = string(after)
	case name == "-":
		_, err = env.Out.Write(after)
	case string(before) != string(after):
		answer.Written = true
		err = writeEdited(name, after)
	}
	if err != nil {
		return err
	}
	if f.output == "json" {
		return printJSON(env.Out, answer)
	}
	return answer.print(env)
}

// changes reads pairs of a path and a value.
func (f *setFlags) changes(given []string) ([]edit.Change, error) {
	if len(given)%2 != 0 {
		return nil, usage("%s has no value; want pairs of PATH VALUE after the file", given[len(given)-1])
	}
	var out []edit.Change
	for i := 0; i < len(given); i += 2 {
		path, err := edit.ParsePath(given[i])
		if err != nil {
			return nil, &Exit{Code: 2, Err: err}
		}
		out = append(out, edit.Change{Path: path, Value: given[i+1], Create: f.create})
	}
	return out, nil
}

func inFile(err error, name string) error {
	var at *edit.Error
	if errors.As(err, &at) {
		return errors.New(at.In(name))
	}
	return fmt.Errorf("%s: %w", name, err)
}

func shownChanges(done []edit.Done) []setChange {
	out := make([]setChange, len(done))
	for i, d := range done {
		out[i] = setChange{d.Path.String(), d.Line, d.Column, d.Old, d.New, d.Created}
		if d.Secret {
			out[i].Old, out[i].New = "«secret»", "«secret, new»"
		}
	}
	return out
}

// diffOf is the change of a file with the secrets in it hidden.
func diffOf(name string, before, after []byte, done []edit.Done) (string, error) {
	was, err := edit.Shown(before)
	if err != nil {
		return "", err
	}
	is, err := edit.Shown(after, done...)
	return edit.Unified(strings.TrimPrefix(filepath.ToSlash(name), "/"), was, is), err
}

// print writes the diff, or a line for each change; of a file from stdin beside
// the result.
func (a setAnswer) print(env Env) error {
	if a.Diff != "" {
		_, err := io.WriteString(env.Out, a.Diff)
		return err
	}
	out := env.Out
	if a.File == "-" {
		out = env.Err
	}
	for _, c := range a.Changes {
		text := fmt.Sprintf("%s → %s", quoteBlank(c.Old), quoteBlank(c.New))
		switch {
		case c.Created:
			text = quoteBlank(c.New) + " (new)"
		case c.Old == c.New:
			text = "is " + quoteBlank(c.New) + " already"
		}
		if _, err := fmt.Fprintf(out, "%s:%d: %s: %s\n", a.File, c.Line, c.Path, text); err != nil {
			return err
		}
	}
	return nil
}

// quoteBlank quotes what would not show, or not in one line.
func quoteBlank(value string) string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x9b }) {
		return fmt.Sprintf("%q", value)
	}
	return value
}

func readEdited(env Env, name string) ([]byte, error) {
	in := env.In
	if name != "-" {
		file, err := openRegular(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxEdited))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// openRegular opens a file. Reading a pipe would wait for a writer, for ever.
func openRegular(name string) (*os.File, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("set: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("set: %s is no regular file (%s); to edit a stream, pass - and pipe it in", name, info.Mode().Type())
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("set: %w", err)
	}
	return file, nil
}

// writeEdited exchanges a file at once, with the mode that it has; of a link what
// it leads to.
func writeEdited(name string, data []byte) error {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	info, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	beside, err := os.CreateTemp(filepath.Dir(target), ".leat-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(beside.Name())
	_, err = beside.Write(data)
	err = errors.Join(err, beside.Chmod(info.Mode().Perm()), beside.Sync(), beside.Close())
	if err == nil {
		err = os.Rename(beside.Name(), target)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
