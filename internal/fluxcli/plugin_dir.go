package fluxcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/flux/plugin"
)

// plugins is the directory of plugins: flux-<name>, and flux-<name>.yaml of those
// that were installed from a catalogue (flux2 v2.9.5, internal/plugin).
type plugins struct {
	path string
	ours bool // below the home directory: made when it is missing
}

// installed is a plugin that is there.
type installed struct{ name, path string }

// pluginDir is $FLUXCD_PLUGINS or ~/.fluxcd/plugins.
func pluginDir() plugins {
	if set := os.Getenv("FLUXCD_PLUGINS"); set != "" {
		return plugins{path: set}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return plugins{}
	}
	return plugins{path: filepath.Join(home, ".fluxcd", "plugins"), ours: true}
}

// exe ends the names of programs on this machine.
func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

func programFile(name string) string { return plugin.Prefix + name + exe() }

// names are those of verbs.
func names(verbs []*cobra.Command) []string {
	out := []string{"help"}
	for _, v := range verbs {
		out = append(append(out, v.Name()), v.Aliases...)
	}
	return out
}

// found are the programs that can be run as plugins; a verb of flux is none.
func (d plugins) found(taken []string) []installed {
	if d.path == "" {
		return nil
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil
	}
	var out []installed
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), plugin.Prefix)
		name, of := strings.CutSuffix(name, exe())
		if !ok || !of || name == "" || strings.HasPrefix(name, "_") || strings.ContainsAny(name, " \t\n") || slices.Contains(taken, name) {
			continue
		}
		path := filepath.Join(d.path, e.Name())
		info, err := os.Stat(path) // of what a link leads to
		if err == nil && info.Mode().IsRegular() && (exe() != "" || info.Mode().Perm()&0o111 != 0) {
			out = append(out, installed{name, path})
		}
	}
	return out
}

// receipt reads what was installed; a plugin that somebody put there has none.
func (d plugins) receipt(name string) (plugin.Receipt, bool) {
	var r plugin.Receipt
	if !plugin.Named(name) {
		return r, false
	}
	text, err := bounded(filepath.Join(d.path, plugin.Prefix+name+".yaml"))
	return r, err == nil && yaml.Unmarshal(text, &r) == nil
}

// install writes a program beside its place, then moves it there: one that runs
// is not disturbed, and no half of one stays. The name must be plugin.Named.
func (d plugins) install(r plugin.Receipt, write func(io.Writer) error) error {
	if d.ours {
		if err := os.MkdirAll(d.path, 0o755); err != nil {
			return fmt.Errorf("make the directory of plugins: %w", err)
		}
	}
	file, err := os.CreateTemp(d.path, ".flux-*")
	if err != nil {
		return fmt.Errorf("write plugin into %s: %w; make the directory, or set FLUXCD_PLUGINS", d.path, errors.Unwrap(err))
	}
	defer os.Remove(file.Name())
	err = errors.Join(write(file), file.Chmod(0o755), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(d.path, programFile(r.Name))); err != nil {
		return fmt.Errorf("write plugin: %w", err)
	}
	text, err := yaml.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.path, plugin.Prefix+r.Name+".yaml"), text, 0o644)
}

// remove deletes a plugin, or the link to one, and its receipt.
func (d plugins) remove(name string) error {
	missing := fmt.Errorf("plugin %q is not installed", name)
	if name == "" || d.path == "" || name != filepath.Base(name) || strings.ContainsAny(name, `/\`) {
		return missing
	}
	err := os.Remove(filepath.Join(d.path, programFile(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return missing
	}
	if err != nil {
		return fmt.Errorf("failed to remove plugin binary: %w", err)
	}
	if err := os.Remove(filepath.Join(d.path, plugin.Prefix+name+".yaml")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("failed to remove plugin receipt: %w", err)
	}
	return nil
}
