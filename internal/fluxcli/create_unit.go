package fluxcli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux/create"
)

func (p *program) newCreateKustomization(f *createFlags) *cobra.Command {
	k := &create.Kustomization{Path: "./"}
	cmd := p.creator(f, "kustomization [name]", "Create or change a Kustomization", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, k, saying{noun: "Kustomization", named: true})
	})
	cmd.Aliases = []string{"ks"}
	fs := cmd.Flags()
	fs.Var(&reference{&k.Source, create.SourceOfKustomization}, "source", "where the manifests come from: [<kind>/]<name>[.<namespace>]; GitRepository, OCIRepository or Bucket")
	fs.Var(&folder{&k.Path}, "path", "folder of the source that is built")
	fs.BoolVar(&k.Prune, "prune", false, "delete objects that are no longer in the source")
	fs.BoolVar(&k.Wait, "wait", false, "ready only when all that was applied is ready")
	fs.StringSliceVar(&k.HealthChecks, "health-check", nil, "ready only when these are: <kind>/<name>.<namespace>")
	fs.DurationVar(&k.HealthTimeout, "health-check-timeout", 2*time.Minute, "how long to wait for that")
	fs.StringSliceVar(&k.DependsOn, "depends-on", nil, "Kustomizations that must be ready before: [<namespace>/]<name>")
	fs.StringVar(&k.ServiceAccount, "service-account", "", "ServiceAccount to act as")
	fs.Var(&choice{&k.DecryptionProvider, "decryption provider", unsupported, []string{"sops"}}, "decryption-provider", "what decrypts Secrets")
	fs.StringVar(&k.DecryptionSecret, "decryption-secret", "", "Secret with the keys for that")
	fs.StringVar(&k.TargetNamespace, "target-namespace", "", "namespace of all objects")
	fs.StringVar(&k.KubeConfigSecretRef, "kubeconfig-secret-ref", "", "Secret with the kubeconfig of another cluster")
	fs.DurationVar(&k.RetryInterval, "retry-interval", 0, "when to try again after a failure (default the interval)")
	fs.String("validation", "", "has no effect")
	// An error would say that the flag does not exist.
	_ = fs.MarkDeprecated("validation", "this arg is no longer used, all resources are validated using server-side apply dry-run")
	return cmd
}

func (p *program) newCreateHelmRelease(f *createFlags) *cobra.Command {
	h := &create.HelmRelease{}
	var values []string
	cmd := p.creator(f, "helmrelease [name]", "Create or change a HelmRelease", func(ctx context.Context, m create.Meta) error {
		for _, name := range values {
			content, err := read(name, fmt.Sprintf("reading values from %s failed", name))
			if err != nil {
				return err
			}
			h.Values = append(h.Values, create.ValuesFile{Name: name, Content: content})
		}
		return p.create(ctx, f, m, h, saying{noun: "HelmRelease", named: true})
	})
	cmd.Aliases = []string{"hr"}
	fs := cmd.Flags()
	fs.StringVar(&h.ReleaseName, "release-name", "", "name of Helm's release (default [<target-namespace>-]<name>)")
	fs.Var(&reference{&h.Source, create.SourceOfRelease}, "source", "where the chart comes from: <kind>/<name>[.<namespace>]; HelmRepository, GitRepository or Bucket")
	fs.StringVar(&h.Chart, "chart", "", "name of the chart, or its path in the source")
	fs.StringVar(&h.ChartVersion, "chart-version", "", "version of the chart, or a range of versions")
	fs.StringSliceVar(&h.DependsOn, "depends-on", nil, "HelmReleases that must be ready before: [<namespace>/]<name>")
	fs.StringVar(&h.TargetNamespace, "target-namespace", "", "namespace of the release (default that of the HelmRelease)")
	fs.StringVar(&h.StorageNamespace, "storage-namespace", "", "namespace of Helm's records (default the target namespace)")
	fs.BoolVar(&h.CreateNamespace, "create-target-namespace", false, "make the target namespace")
	fs.StringVar(&h.ServiceAccount, "service-account", "", "ServiceAccount to act as")
	fs.StringVar(&h.ReconcileStrategy, "reconcile-strategy", "ChartVersion", "when there is a new chart: ChartVersion or Revision")
	fs.DurationVar(&h.ChartInterval, "chart-interval", 0, "how often new versions are looked for (default the interval)")
	fs.StringSliceVar(&values, "values", nil, "files with values; later ones win")
	fs.StringSliceVar(&h.ValuesFrom, "values-from", nil, "objects with a key values.yaml: Secret/<name> or ConfigMap/<name>")
	fs.Var(&choice{&h.CRDs, "upgrade CRDs policy", unsupported, crdPolicies}, "crds", "what upgrades do with CRDs")
	fs.StringVar(&h.KubeConfigSecretRef, "kubeconfig-secret-ref", "", "Secret with the kubeconfig of another cluster")
	fs.StringVar(&h.ChartRef, "chart-ref", "", "the chart itself: OCIRepository/<name>[.<namespace>] or HelmChart/<name>[.<namespace>]")
	return cmd
}

func (p *program) newCreateTenant(f *createFlags) *cobra.Command {
	t := &create.Tenant{}
	cmd := p.creator(f, "tenant", "Create or change a tenant: namespaces, an account, its rights", func(ctx context.Context, m create.Meta) error {
		return p.createTenant(ctx, f, m, *t)
	})
	fs := cmd.Flags()
	fs.StringSliceVar(&t.Namespaces, "with-namespace", nil, "namespace of the tenant")
	fs.StringVar(&t.ClusterRole, "cluster-role", "cluster-admin", "what the tenant may do in its namespaces")
	fs.StringVar(&t.ServiceAccount, "with-service-account", "", "name of the ServiceAccount (default that of the tenant)")
	fs.BoolVar(&t.SkipNamespace, "skip-namespace", false, "the namespaces are there already")
	return cmd
}
