package fluxcli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/flux/create"
)

func (p *program) newCreateSource(f *createFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "source", Short: "Create or change sources"}
	cmd.PersistentFlags().DurationVar(&f.fetchTimeout, "fetch-timeout", 0, "how long fetching may take")
	cmd.AddCommand(p.newCreateGit(f), p.newCreateOCI(f), p.newCreateHelm(f), p.newCreateChart(f), p.newCreateBucket(f))
	return cmd
}

func (p *program) newCreateGit(f *createFlags) *cobra.Command {
	g := &create.GitRepository{}
	login := newGitLogin()
	var silent bool
	cmd := p.creator(f, "git [name]", "Create or change a GitRepository", func(ctx context.Context, m create.Meta) error {
		g.FetchTimeout, g.CAFile = f.fetchTimeout, login.caFile
		return p.createGit(ctx, f, m, gitCreation{*g, login, silent})
	})
	fs := cmd.Flags()
	fs.StringVar(&g.URL, "url", "", "address of the repository: https://host/path or ssh://git@host/path")
	fs.StringVar(&g.Branch, "branch", "", "branch")
	fs.StringVar(&g.Tag, "tag", "", "tag")
	fs.StringVar(&g.SemVer, "tag-semver", "", "range of versions; the newest tag in it")
	fs.StringVar(&g.RefName, "ref-name", "", "full name of a reference: refs/heads/main")
	fs.StringVar(&g.Commit, "commit", "", "commit")
	login.register(fs, "ca-file")
	fs.StringVar(&g.SecretRef, "secret-ref", "", "Secret that is there with the login")
	fs.StringVar(&g.ProxySecretRef, "proxy-secret-ref", "", "Secret that is there with the proxy")
	fs.Var(&choice{&g.Provider, "source Git provider", joinedByBars, gitProviders}, "provider", "who logs in")
	fs.BoolVar(&g.RecurseSubmodules, "recurse-submodules", false, "with submodules")
	fs.BoolVarP(&silent, "silent", "s", false, "the deploy key is known to the server already; do not ask")
	fs.StringSliceVar(&g.IgnorePaths, "ignore-paths", nil, "what to leave out, as in .gitignore")
	fs.StringSliceVar(&g.SparseCheckout, "sparse-checkout-paths", nil, "folders to take alone")
	return cmd
}

func (p *program) newCreateOCI(f *createFlags) *cobra.Command {
	o := &create.OCIRepository{Provider: "generic"}
	cmd := p.creator(f, "oci [name]", "Create or change an OCIRepository", func(ctx context.Context, m create.Meta) error {
		o.FetchTimeout = f.fetchTimeout
		return p.create(ctx, f, m, o, saying{noun: "OCIRepository", silent: true})
	})
	fs := cmd.Flags()
	fs.Var(&choice{&o.Provider, "source OCI provider", notSupported, ociProviders}, "provider", "who logs in")
	fs.StringVar(&o.URL, "url", "", "address of the repository: oci://host/path")
	fs.StringVar(&o.Tag, "tag", "", "tag")
	fs.StringVar(&o.SemVer, "tag-semver", "", "range of versions; the newest tag in it")
	fs.StringVar(&o.Digest, "digest", "", "digest")
	fs.StringVar(&o.SecretRef, "secret-ref", "", "Secret with the login, of type kubernetes.io/dockerconfigjson")
	fs.StringVar(&o.ProxySecretRef, "proxy-secret-ref", "", "Secret with the proxy")
	fs.StringVar(&o.ServiceAccount, "service-account", "", "ServiceAccount that names image pull secrets")
	fs.StringVar(&o.CertSecretRef, "cert-ref", "", "Secret with certificates")
	verifyFlags(fs, &o.Verify)
	fs.StringSliceVar(&o.IgnorePaths, "ignore-paths", nil, "what to leave out, as in .gitignore")
	fs.BoolVar(&o.Insecure, "insecure", false, "over plain HTTP")
	fs.StringVar(&o.LayerSelector, "layer-selector", "", "which layer, and what to do with it: <media-type>:extract or <media-type>:copy")
	return cmd
}

func verifyFlags(fs *pflag.FlagSet, v *create.Verify) {
	fs.Var(&choice{&v.Provider, "source OCI verify provider", notSupported, verifyProviders}, "verify-provider", "what checks signatures")
	fs.StringVar(&v.SecretRef, "verify-secret-ref", "", "Secret with the public keys")
	fs.StringVar(&v.Subject, "verify-subject", "", "expression that the OIDC subject matches")
	fs.StringVar(&v.Issuer, "verify-issuer", "", "expression that the OIDC issuer matches")
}

func (p *program) newCreateHelm(f *createFlags) *cobra.Command {
	h := &create.HelmRepository{}
	login := &helmLogin{}
	cmd := p.creator(f, "helm [name]", "Create or change a HelmRepository", func(ctx context.Context, m create.Meta) error {
		h.FetchTimeout = f.fetchTimeout
		return p.createHelm(ctx, f, m, helmCreation{*h, login})
	})
	fs := cmd.Flags()
	fs.StringVar(&h.URL, "url", "", "address of the repository: https://host/path or oci://host/path")
	login.register(fs)
	login.files.register(fs, "cert-file", "key-file", "ca-file")
	fs.StringVar(&h.SecretRef, "secret-ref", "", "Secret that is there with the login")
	fs.StringVar(&h.OCIProvider, "oci-provider", "", "who logs in to a registry: generic, aws, azure or gcp")
	fs.BoolVar(&h.PassCredentials, "pass-credentials", false, "the login goes to other hosts of the index too")
	return cmd
}

func (p *program) newCreateChart(f *createFlags) *cobra.Command {
	c := &create.HelmChart{}
	cmd := p.creator(f, "chart [name]", "Create or change a HelmChart", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, c, saying{noun: "HelmChart source", stored: "source", always: true})
	})
	fs := cmd.Flags()
	fs.StringVar(&c.Chart, "chart", "", "name of the chart, or its path in the source")
	fs.StringVar(&c.Version, "chart-version", "", "version of the chart, or a range of versions")
	fs.Var(&reference{&c.Source, create.SourceOfChart}, "source", "where the chart comes from: <kind>/<name>; HelmRepository, GitRepository or Bucket")
	fs.StringVar(&c.ReconcileStrategy, "reconcile-strategy", "ChartVersion", "when there is a new chart: ChartVersion or Revision")
	verifyFlags(fs, &c.Verify)
	return cmd
}

func (p *program) newCreateBucket(f *createFlags) *cobra.Command {
	b := &create.Bucket{Provider: "generic"}
	keys := &create.BucketSecret{}
	cmd := p.creator(f, "bucket [name]", "Create or change a Bucket", func(ctx context.Context, m create.Meta) error {
		b.FetchTimeout = f.fetchTimeout
		return p.createBucket(ctx, f, m, bucketCreation{*b, *keys})
	})
	fs := cmd.Flags()
	fs.Var(&choice{&b.Provider, "source bucket provider", notSupported, ociProviders}, "provider", "whose storage it is")
	fs.StringVar(&b.BucketName, "bucket-name", "", "name of the bucket")
	fs.StringVar(&b.Endpoint, "endpoint", "", "host of the storage")
	fs.Var(&secretText{&keys.AccessKey}, "access-key", "access key")
	fs.Var(&secretText{&keys.SecretKey}, "secret-key", "secret key")
	fs.StringVar(&b.Region, "region", "", "region")
	fs.BoolVar(&b.Insecure, "insecure", false, "over plain HTTP")
	fs.StringVar(&b.SecretRef, "secret-ref", "", "Secret that is there with the keys")
	fs.StringVar(&b.ProxySecretRef, "proxy-secret-ref", "", "Secret that is there with the proxy")
	fs.StringSliceVar(&b.IgnorePaths, "ignore-paths", nil, "what to leave out, as in .gitignore")
	return cmd
}
