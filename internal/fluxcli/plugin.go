package fluxcli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/flux/plugin"
)

// Where plugins are listed, and the variable that names another place.
const (
	catalogue    = "https://github.com/fluxcd/plugins/releases/latest/download/"
	envCatalogue = "FLUXCD_PLUGIN_CATALOG"
)

// maxCatalogue bounds catalog.yaml, and the manifest of a plugin.
const maxCatalogue = 10 << 20

func (p *program) newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plugin", Short: "Plugins of the command line: programs named flux-…",
		Long:    "A program flux-x in ~/.fluxcd/plugins, or $FLUXCD_PLUGINS, is the verb flux x.\nThe catalogue is that of Flux, or $FLUXCD_PLUGIN_CATALOG.",
		Example: "  plugin search\n  plugin install operator",
		// Plugins have no namespace.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
	}
	add := func(c cobra.Command, run func(cmd *cobra.Command, arg string) error) {
		c.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd, strings.Join(args, "")) }
		cmd.AddCommand(&c)
	}
	add(cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "Plugins that are installed", Args: cobra.NoArgs}, p.pluginList)
	add(cobra.Command{Use: "search [query]", Short: "Plugins that there are", Args: cobra.MaximumNArgs(1)}, p.pluginSearch)
	add(cobra.Command{Use: "install <name>[@<version>|@<digest>]", Short: "Install a plugin of the catalogue", Args: cobra.ExactArgs(1),
		Example: "  plugin install operator\n  plugin install operator@0.45.0"}, p.pluginInstall)
	add(cobra.Command{Use: "update [name]", Aliases: []string{"upgrade"}, Short: "Install the newest release of one plugin, or of all", Args: cobra.MaximumNArgs(1)}, p.pluginUpdate)
	add(cobra.Command{Use: "uninstall <name>", Aliases: []string{"delete"}, Short: "Remove a plugin", Args: cobra.ExactArgs(1)}, p.pluginUninstall)
	return cmd
}

// thisMachine is what plugins are installed for.
var thisMachine = plugin.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH}

func (p *program) pluginList(*cobra.Command, string) error {
	dir := pluginDir()
	found := dir.found(names(p.verbs()))
	if len(found) == 0 {
		return p.noPlugins()
	}
	var rows [][]string
	for _, f := range found {
		version := "manual"
		if r, ok := dir.receipt(f.name); ok {
			version = r.Version
		}
		rows = append(rows, []string{f.name, version, f.path})
	}
	_, err := io.WriteString(p.Out, flux.Table([]string{"name", "version", "path"}, rows))
	return err
}

func (p *program) noPlugins() error {
	_, err := fmt.Fprintln(p.Out, "No plugins found")
	return err
}

func (p *program) pluginSearch(cmd *cobra.Command, query string) error {
	ctx, cancel := p.timeout(cmd)
	defer cancel()
	text, err := p.catalogued(ctx, "catalog")
	if err != nil {
		return fmt.Errorf("failed to fetch plugin catalog: %w", err)
	}
	all, err := plugin.ReadCatalog(text)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, e := range all.Matching(query) {
		r, _ := pluginDir().receipt(e.Name)
		rows = append(rows, []string{e.Name, e.Description, r.Version})
	}
	switch {
	case len(rows) > 0:
		_, err = io.WriteString(p.Out, flux.Table([]string{"name", "description", "installed"}, rows))
	case query != "":
		_, err = fmt.Fprintf(p.Out, "No plugins matching %q found in catalog\n", query)
	default:
		_, err = fmt.Fprintln(p.Out, "No plugins found in catalog")
	}
	return err
}

func (p *program) pluginInstall(cmd *cobra.Command, arg string) error {
	ctx, cancel := p.timeout(cmd)
	defer cancel()
	name, ref, _ := strings.Cut(arg, "@")
	pick, err := p.pick(ctx, name, ref)
	if err != nil {
		return err
	}
	if err := p.obtain(ctx, name, pick); err != nil {
		return err
	}
	p.succeed("installed %s v%s", name, pick.Version)
	return nil
}

// pluginUpdate goes on after a plugin that cannot be updated, and ends well, as
// upstream's does.
func (p *program) pluginUpdate(cmd *cobra.Command, name string) error {
	ctx, cancel := p.timeout(cmd)
	defer cancel()
	found := pluginDir().found(names(p.verbs()))
	if len(found) == 0 {
		return p.noPlugins()
	}
	known := false
	for _, f := range found {
		if name == "" || name == f.name {
			known = true
			p.updatePlugin(ctx, f.name)
		}
	}
	if !known {
		return fmt.Errorf("plugin %q is not installed", name)
	}
	return nil
}

func (p *program) updatePlugin(ctx context.Context, name string) {
	have, ok := pluginDir().receipt(name)
	if !ok {
		p.warn("skipping %s (manually installed)", name)
		return
	}
	pick, err := p.pick(ctx, name, "")
	switch {
	case err != nil:
		p.fail("error checking %s: %v", name, err)
		return
	case pick.Version == have.Version:
		p.succeed("%s already up to date (v%s)", name, have.Version)
		return
	}
	if err := p.obtain(ctx, name, pick); err != nil {
		p.fail("error updating %s: %v", name, err)
		return
	}
	p.succeed("updated %s v%s → v%s", name, have.Version, pick.Version)
}

func (p *program) pluginUninstall(_ *cobra.Command, name string) error {
	if err := pluginDir().remove(name); err != nil {
		return err
	}
	p.succeed("uninstalled %s", name)
	return nil
}

// pick finds what to install.
func (p *program) pick(ctx context.Context, name, ref string) (plugin.Pick, error) {
	if !plugin.Named(name) {
		return plugin.Pick{}, fmt.Errorf("plugin %q not found in catalog: names are of small letters, digits and -", name)
	}
	text, err := p.catalogued(ctx, name)
	if err != nil {
		return plugin.Pick{}, fmt.Errorf("plugin %q not found in catalog: %w; see flux plugin search", name, err)
	}
	m, err := plugin.ReadManifest(name, text)
	if err != nil {
		return plugin.Pick{}, err
	}
	return m.Pick(ref, thisMachine)
}

// catalogued reads a document of the catalogue.
func (p *program) catalogued(ctx context.Context, name string) ([]byte, error) {
	base := os.Getenv(envCatalogue)
	if base == "" {
		base = catalogue
	}
	body, err := p.open(ctx, strings.TrimRight(base, "/")+"/"+name+".yaml")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxCatalogue+1))
	if err == nil && len(text) > maxCatalogue {
		err = fmt.Errorf("%s.yaml has more than %d bytes", name, maxCatalogue)
	}
	return text, err
}

// obtain fetches a release, checks it and puts it in its place.
func (p *program) obtain(ctx context.Context, name string, pick plugin.Pick) error {
	archive, err := p.download(ctx, pick.Platform)
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	r := plugin.Receipt{Name: name, Version: pick.Version, InstalledAt: p.Now().UTC().Format(time.RFC3339), Platform: pick.Platform}
	return pluginDir().install(r, func(to io.Writer) error { return unpack(ctx, archive, pick.Platform, programFile(name), to) })
}
