package fluxcli

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const pluginGroup = "plugin"

// mountPlugins makes the programs of the directory verbs of a root.
func (p *program) mountPlugins(root *cobra.Command, taken []string) {
	for _, f := range pluginDir().found(taken) {
		if !root.ContainsGroup(pluginGroup) {
			root.AddGroup(&cobra.Group{ID: pluginGroup, Title: "Plugin Commands:"})
		}
		root.AddCommand(&cobra.Command{
			Use: f.name, Short: "Runs the " + f.name + " plugin", GroupID: pluginGroup,
			DisableFlagParsing: true,
			PersistentPreRunE:  func(*cobra.Command, []string) error { return nil },
			ValidArgsFunction:  f.complete,
			RunE:               func(_ *cobra.Command, args []string) error { return p.run(f, args) },
		})
	}
}

// run lets a plugin take the place of this process: terminal, signals and exit
// code are its own. Where that cannot be, it is a child.
func (p *program) run(f installed, args []string) error {
	if p.Out == io.Writer(os.Stdout) {
		err := syscall.Exec(f.path, append([]string{f.path}, args...), os.Environ())
		if !errors.Is(err, errors.ErrUnsupported) {
			return &os.PathError{Op: "run plugin", Path: f.path, Err: err}
		}
	}
	cmd := exec.Command(f.path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.In, p.Out, p.Err
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return &Exit{Code: ended.ExitCode()}
	}
	return err
}

// complete asks the plugin, as cobra's programs answer: a line each, the last
// one :<directive>.
func (f installed) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	out, err := exec.CommandContext(cmd.Context(), f.path, append(append([]string{"__complete"}, args...), begun)...).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || lines[0] == "" {
		return nil, cobra.ShellCompDirectiveError
	}
	last := len(lines) - 1
	directive, err := strconv.Atoi(strings.TrimPrefix(lines[last], ":"))
	if err != nil {
		return lines, cobra.ShellCompDirectiveDefault
	}
	return lines[:last], cobra.ShellCompDirective(directive)
}
