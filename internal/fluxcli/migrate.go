package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux/migrate"
)

// migrateFlags are those of migrate.
type migrateFlags struct {
	path, release string
	extensions    []string
	yes, dryRun   bool
}

func (p *program) newMigrate() *cobra.Command {
	f := &migrateFlags{}
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring objects, or manifests, to their newest API versions", Args: cobra.NoArgs,
		Long: `Without --path, every object of Flux in the cluster is stored anew in the version
that its CRD stores, and the CRD forgets the others. With --path, manifests are
rewritten: their apiVersion, and the fields that the newer version does not have.
Comments, order and everything else stay as they are.`,
		Example: `  migrate
  migrate -f ./clusters --dry-run
  migrate -f ./clusters --version 2.6 --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			if f.path == "" {
				return p.reached(p.migrateCluster(ctx))
			}
			return p.migrateFiles(ctx, *f)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.path, "path", "f", "", "manifests: a folder or a file")
	fs.StringSliceVarP(&f.extensions, "extensions", "e", []string{".yaml", ".yml"}, "how the names of manifests end")
	fs.StringVarP(&f.release, "version", "v", "", "release of Flux whose versions are wanted: "+strings.Join(migrate.Releases, ", "))
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print what would be done and do nothing")
	return cmd
}

// maxManifest bounds a file that is migrated.
const maxManifest = 16 << 20

// migrated is a file with what becomes of it.
type migrated struct {
	name   string
	mode   fs.FileMode
	result migrate.Result
}

func (p *program) migrateFiles(ctx context.Context, f migrateFlags) error {
	versions, err := migrate.VersionsOf(f.release)
	if err != nil {
		return err
	}
	p.act("starting migration of custom resources")
	names, err := p.manifests(f)
	if err != nil {
		return err
	}
	var todo []migrated
	for _, name := range names {
		m, err := p.migrateFile(name, versions)
		if err != nil {
			return err
		}
		if len(m.result.Changes) > 0 {
			todo = append(todo, m)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	switch {
	case len(todo) == 0:
		p.succeed("no custom resources found that require migration")
		return nil
	case f.dryRun:
		p.succeed("dry-run mode enabled, no changes will be made")
		return nil
	case !f.yes && !p.confirmed("Are you sure you want to proceed with the above upgrades"):
		return errors.New("nothing was changed; run again with --yes, or answer y")
	}
	for _, m := range todo {
		if err := os.WriteFile(m.name, m.result.Text, m.mode); err != nil {
			return fmt.Errorf("failed to write file %s: %w", m.name, err)
		}
		p.succeed("file %s migrated successfully", m.name)
	}
	p.succeed("custom resources migrated successfully")
	return nil
}

// migrateFile tells what would become of a file.
func (p *program) migrateFile(name string, versions migrate.Versions) (migrated, error) {
	info, err := os.Stat(name)
	if err != nil {
		return migrated{}, fmt.Errorf("failed to stat file %s: %w", name, err)
	}
	if info.Size() > maxManifest {
		p.warn("skipping file %s, which has more than %d bytes", name, maxManifest)
		return migrated{}, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return migrated{}, fmt.Errorf("failed to read file %s: %w", name, err)
	}
	m := migrated{name, info.Mode().Perm(), migrate.File(text, versions)}
	for _, c := range m.result.Changes {
		p.make("%s:%d: %s", name, c.Line, c)
	}
	for _, n := range m.result.Notes {
		p.warn("%s:%d: %s", name, n.Line, n.Text)
	}
	return m, nil
}

// manifests lists the files to migrate, in order.
func (p *program) manifests(f migrateFlags) ([]string, error) {
	path := filepath.Clean(f.path)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("failed to stat path %s: %w", path, err)
	}
	matches := func(name string) bool {
		return slices.ContainsFunc(f.extensions, func(ext string) bool { return strings.HasSuffix(name, ext) })
	}
	if !info.IsDir() {
		switch {
		case !matches(path):
			return nil, fmt.Errorf("file %s does not match the specified extensions: %s", path, strings.Join(f.extensions, ", "))
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("file %s is irregular", path)
		}
		return []string{path}, nil
	}
	var out []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git" && name != path:
			return fs.SkipDir
		case d.IsDir() || !matches(name):
		case !d.Type().IsRegular():
			p.warn("skipping irregular file %s", name)
		default:
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("failed to walk directory %s: %w", path, err)
	}
	return out, nil
}
