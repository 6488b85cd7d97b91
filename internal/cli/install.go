package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// installFlags are those of flux install, with their meaning, and few of ours.
type installFlags struct {
	target   target
	options  install.Options
	extra    []string
	watchAll bool
	network  bool
	export   bool
	adopt    bool
	wait     bool
	timeout  time.Duration
	output   string
}

func newInstall(env Env) *cobra.Command { return installCommand(env, connect) }

func installCommand(env Env, connect connector) *cobra.Command {
	f := &installFlags{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install Leat in a cluster, or upgrade it",
		Long: `Put Leat into a cluster: CRDs for every API version that Flux ever served, rights,
Services and the Deployment. Existing Flux objects stay and are served in all
their versions. Where Flux itself runs, nothing is done unless --adopt ends it.

With --deployments=flux the work is spread over Deployments with the names of
Flux's controllers, for tools and habits that look for these.`,
		Example: `  leat install
  leat install --export > leat.yaml          kubectl apply --server-side -f leat.yaml
  leat install --adopt                       take over from Flux
  leat install --deployments=flux            kubectl logs -n flux-system deploy/source-controller
  leat install --access                      with temporary rights on request
  leat install --no-cross-namespace-refs --no-remote-bases --default-service-account=default`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runInstall(cmd.Context(), env, connect, f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *installFlags) register(fs *pflag.FlagSet) {
	o := &f.options
	f.target.register(fs)
	fs.StringVar((*string)(&o.Layout), "deployments", string(install.OneDeployment), "leat: one Deployment; flux: one per component, named as in Flux")
	fs.StringSliceVar(&o.Components, "components", nil, "whose work is done (default all: "+strings.Join(install.ComponentNames(), ",")+")")
	fs.StringSliceVar(&f.extra, "components-extra", nil, "components beside those of --components")
	fs.StringVar(&o.Registry, "registry", install.DefaultRegistry, "registry of the image")
	fs.StringVar(&o.Image, "image", "", "the whole name of the image (default REGISTRY/leat:VERSION)")
	fs.StringVar(&o.ImagePullSecret, "image-pull-secret", "", "Secret in the namespace to pull the image with")
	fs.BoolVar(&f.watchAll, "watch-all-namespaces", true, "false: only the namespace of the installation")
	fs.BoolVar(&f.network, "network-policy", true, "deny other namespaces all but metrics and webhooks")
	fs.StringSliceVar(&o.TolerationKeys, "toleration-keys", nil, "keys of taints that the pods tolerate")
	fs.StringVar(&o.ClusterDomain, "cluster-domain", install.DefaultDomain, "DNS domain of the cluster")
	fs.StringVar(&o.LogLevel, "log-level", install.DefaultLogLevel, "debug, info or error")
	fs.BoolVar(&o.NoCrossNamespaceRefs, "no-cross-namespace-refs", false, "refuse references to other namespaces")
	fs.BoolVar(&o.NoRemoteBases, "no-remote-bases", false, "refuse http and git resources in kustomizations")
	fs.StringVar(&o.DefaultServiceAccount, "default-service-account", "", "ServiceAccount to act as where a unit names none")
	fs.BoolVar(&o.ActAsControllers, "act-as-controllers", false, "no administrator's rights for the process: it acts as kustomize-controller and helm-controller")
	fs.BoolVar(&o.Access, "access", false, "let people ask for temporary rights: leat access, docs/access.md")
	fs.BoolVar(&f.export, "export", false, "print the manifests and do nothing")
	fs.BoolVar(&f.adopt, "adopt", false, "end Deployments that do the same work, those of Flux too")
	fs.BoolVar(&f.wait, "wait", true, "wait until the Deployments are ready")
	fs.DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long all may take")
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
}

func (f *installFlags) finish() (install.Options, error) {
	o := f.options
	o.Namespace, o.Version = f.target.namespace, Version
	o.OwnNamespaceOnly, o.NoNetworkPolicy = !f.watchAll, !f.network
	if len(o.Components) > 0 {
		o.Components = append(slices.Clone(o.Components), f.extra...)
	}
	if f.output != "text" && f.output != "json" {
		return o, usage("--output %q: want text or json", f.output)
	}
	return o, nil
}

func runInstall(ctx context.Context, env Env, connect connector, f *installFlags) error {
	o, err := f.finish()
	if err != nil {
		return err
	}
	objs, err := install.Render(o)
	if err != nil {
		return &Exit{Code: 2, Err: err}
	}
	if f.export {
		return install.Write(env.Out, objs)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("not done after %s (--timeout)", f.timeout))
	defer cancel()
	w, err := connect(f.target)
	if err != nil {
		return err
	}
	told := &steps{out: env.Out, json: f.output == "json"}
	if err := putIn(ctx, w, o, objs, f, told.progress); err != nil {
		return err
	}
	return told.end(fmt.Sprintf("leat %s is installed in %s", o.Version, cmp.Or(o.Namespace, install.DefaultNamespace)))
}

// putIn is the story of an installation.
func putIn(ctx context.Context, w world.World, o install.Options, objs []*unstructured.Unstructured, f *installFlags, progress install.Progress) error {
	rivals, err := install.Rivals(ctx, w, o)
	if err != nil {
		return err
	}
	ending, err := toEnd(rivals, f.adopt)
	if err != nil {
		return err
	}
	if err := install.Stop(ctx, w, ending, progress); err != nil {
		return err
	}
	if err := install.Apply(ctx, w, objs, progress); err != nil {
		return err
	}
	if !f.wait {
		return nil
	}
	return install.Await(ctx, w, objs, progress)
}

// toEnd returns what must end first: our own Deployments of another layout
// always, those of Flux when that was asked for.
func toEnd(rivals []install.Rival, adopt bool) ([]object.Ref, error) {
	var refs []object.Ref
	var flux []string
	for _, r := range rivals {
		refs = append(refs, r.Ref)
		if r.Flux {
			flux = append(flux, r.Ref.Namespace+"/"+r.Ref.Name)
		}
	}
	if len(flux) > 0 && !adopt {
		return nil, errors.New("Flux runs here: " + strings.Join(flux, ", ") +
			"; two engines would undo each other's work. Nothing was changed. Run again with --adopt to end these Deployments and take over")
	}
	return refs, nil
}
