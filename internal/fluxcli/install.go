package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/world"
)

// installFlags are those of flux install.
type installFlags struct {
	options           install.Options
	components, extra []string
	version           string
	creds             secret.Value
	allNamespaces     bool
	networkPolicy     bool
	export, force     bool
}

// usualComponents are those that flux installs where none are named.
var usualComponents = []string{install.SourceController, install.KustomizeController, install.HelmController, install.NotificationController}

func (p *program) newInstall() *cobra.Command {
	f := &installFlags{}
	cmd := &cobra.Command{
		Use: "install", Short: "Install in a cluster, or upgrade", Args: cobra.NoArgs,
		Long: `Put Leat into a cluster in the shape of Flux: its CRDs, rights, Services, and a
Deployment per component under the name that Flux gives it. leat install knows
more: one Deployment for all, the lockdown for tenants.`,
		Example: `  install
  install --export > gotk-components.yaml
  install --components-extra=image-reflector-controller,image-automation-controller`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.reached(p.install(ctx, f))
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *installFlags) register(fs *pflag.FlagSet) {
	o := &f.options
	o.Layout, o.LogLevel = install.LikeFlux, install.DefaultLogLevel
	fs.BoolVar(&f.export, "export", false, "print the manifests, change nothing")
	fs.StringVarP(&f.version, "version", "v", "", "version to install; that of this program, or latest")
	fs.StringSliceVar(&f.components, "components", usualComponents, "whose work is done")
	fs.StringSliceVar(&f.extra, "components-extra", nil, "components beside those")
	fs.StringVar(&o.Registry, "registry", install.DefaultRegistry, "registry of the image")
	fs.Var(&secretText{&f.creds}, "registry-creds", "login to it: <user>:<password>; needs --image-pull-secret")
	fs.StringVar(&o.ImagePullSecret, "image-pull-secret", "", "Secret to pull the image with")
	fs.BoolVar(&f.allNamespaces, "watch-all-namespaces", true, "false: only the namespace of the installation")
	fs.Var(&choice{&o.LogLevel, "log level", unsupported, logLevels}, "log-level", "what is logged")
	fs.BoolVar(&f.networkPolicy, "network-policy", true, "deny other namespaces all but metrics and webhooks")
	fs.StringVar(&o.ClusterDomain, "cluster-domain", install.DefaultDomain, "DNS domain of the cluster")
	fs.StringSliceVar(&o.TolerationKeys, "toleration-keys", nil, "keys of taints that the pods tolerate")
	fs.BoolVar(&f.force, "force", false, "end a Flux that runs here, and take over")
}

// finish checks the flags.
func (f *installFlags) finish(p *program) (install.Options, error) {
	o := f.options
	o.Namespace, o.Version = p.namespace(), p.Version
	o.Components = append(slices.Clone(f.components), f.extra...)
	o.OwnNamespaceOnly, o.NoNetworkPolicy = !f.allNamespaces, !f.networkPolicy
	for _, name := range o.Components {
		if !slices.Contains(install.ComponentNames(), name) {
			return o, fmt.Errorf("component %s is not available; there are %s", name, strings.Join(install.ComponentNames(), ", "))
		}
	}
	switch {
	case !f.creds.IsZero() && o.ImagePullSecret == "":
		return o, errors.New("--registry-creds requires --image-pull-secret to be set")
	case !f.creds.IsZero() && strings.Count(f.creds.Reveal(), ":") != 1:
		return o, errors.New("invalid --registry-creds format, expected 'user:password'")
	case f.version != "" && f.version != "latest" && strings.TrimPrefix(f.version, "v") != strings.TrimPrefix(p.Version, "v"):
		return o, fmt.Errorf("this program installs version %s alone; get version %s of it, or leave --version out", p.Version, f.version)
	}
	return o, nil
}

func (p *program) install(ctx context.Context, f *installFlags) error {
	o, err := f.finish(p)
	if err != nil {
		return err
	}
	if !f.export {
		p.make("generating manifests")
	}
	objs, err := install.Render(o)
	if err != nil {
		return fmt.Errorf("install failed: %w", err)
	}
	if f.export || p.global.verbose {
		if err := install.Write(p.Out, objs); err != nil || f.export {
			return err
		}
	}
	p.succeed("manifests build completed")
	p.act("installing components in %s namespace", o.Namespace)
	w, err := p.cluster()
	if err != nil {
		return err
	}
	if err := p.makeRoom(ctx, w, o, f); err != nil {
		return err
	}
	if err := install.Apply(ctx, w, objs, p.applied); err != nil {
		return fmt.Errorf("install failed: %w", err)
	}
	if err := p.pullSecret(ctx, w, o, f.creds); err != nil {
		return fmt.Errorf("install failed: %w", err)
	}
	p.wait("verifying installation")
	err = install.Await(ctx, w, objs, func(s install.Step) {
		if s.Op == install.Ready {
			p.succeed("%s: deployment ready", s.Key.Name)
		}
	})
	if err != nil {
		return fmt.Errorf("install failed: %w", err)
	}
	p.succeed("install finished")
	return nil
}

// applied prints an object that was applied, as on stdout with flux.
func (p *program) applied(s install.Step) { fmt.Fprintf(p.Out, "%s %s\n", s.Key, s.Op) }

// makeRoom ends Deployments that would do the same work. Those of Flux end only
// where that was asked for.
func (p *program) makeRoom(ctx context.Context, w world.World, o install.Options, f *installFlags) error {
	rivals, err := install.Rivals(ctx, w, o)
	if err != nil {
		return err
	}
	var ending []object.Ref
	for _, r := range rivals {
		if r.Flux && !f.force {
			return fmt.Errorf("flux runs here: %s; two engines would undo each other's work, nothing was changed. Run again with --force to end it and take over", r.Ref.Key)
		}
		ending = append(ending, r.Ref)
	}
	return install.Stop(ctx, w, ending, p.applied)
}

func (p *program) pullSecret(ctx context.Context, w world.World, o install.Options, creds secret.Value) error {
	if creds.IsZero() {
		return nil
	}
	p.act("generating image pull secret %s", o.ImagePullSecret)
	user, password, _ := strings.Cut(creds.Reveal(), ":")
	obj, err := create.OCISecret{URL: o.Registry, Username: user, Password: secret.Of(password)}.Object(create.Meta{Name: o.ImagePullSecret, Namespace: o.Namespace})
	if err != nil {
		return err
	}
	return upsertSecret(ctx, w, obj)
}

func (p *program) newUninstall() *cobra.Command {
	var removal install.Removal
	var silent bool
	cmd := &cobra.Command{
		Use: "uninstall", Short: "Take the installation and its CRDs away", Args: cobra.NoArgs,
		Long:    "Remove the components, the finalizers of all Flux objects, and the CRDs. What the\nobjects have applied stays as it is.",
		Example: "  uninstall --dry-run\n  uninstall --keep-namespace --silent",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			removal.Namespace = p.namespace()
			if !removal.DryRun && !silent && !p.confirmed("Are you sure you want to delete Flux and its custom resource definitions") {
				return errors.New("aborting")
			}
			return p.reached(p.uninstall(ctx, removal))
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&removal.KeepNamespace, "keep-namespace", false, "leave the namespace")
	fs.BoolVar(&removal.DryRun, "dry-run", false, "print what would be deleted")
	fs.BoolVarP(&silent, "silent", "s", false, "do not ask")
	return cmd
}

func (p *program) uninstall(ctx context.Context, r install.Removal) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	dry := ""
	if r.DryRun {
		dry = "(dry run)"
	}
	p.act("deleting components in %s namespace", r.Namespace)
	told := map[string]bool{}
	once := func(heading string) {
		if !told[heading] {
			told[heading] = true
			p.act("%s", heading)
		}
	}
	err = install.Uninstall(ctx, w, r, func(s install.Step) {
		switch {
		case s.Op == install.Released:
			once("deleting toolkit.fluxcd.io finalizers in all namespaces")
			p.succeed("%s finalizers deleted %s", s.Key, dry)
		case s.Op == install.Deleted:
			if s.Key.Kind == definitionKind.Kind {
				once("deleting toolkit.fluxcd.io custom resource definitions")
			}
			p.succeed("%s deleted %s", s.Key, dry)
		}
	})
	if err != nil {
		return err
	}
	p.succeed("uninstall finished")
	return nil
}
