package fluxcli

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux/create"
)

func (p *program) newCreateAlert(f *createFlags) *cobra.Command {
	a := &create.Alert{}
	cmd := p.creator(f, "alert [name]", "Create or change an Alert", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, a, saying{noun: "Alert", named: true})
	})
	fs := cmd.Flags()
	fs.StringVar(&a.ProviderRef, "provider-ref", "", "Provider that tells of the events")
	fs.StringVar(&a.Severity, "event-severity", "", "info for all events, error for failures alone")
	fs.StringSliceVar(&a.Sources, "event-source", nil, "whose events: <kind>/<name>[.<namespace>]")
	return cmd
}

func (p *program) newCreateProvider(f *createFlags) *cobra.Command {
	n := &create.Provider{}
	cmd := p.creator(f, "alert-provider [name]", "Create or change a Provider", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, n, saying{noun: "Provider", named: true})
	})
	fs := cmd.Flags()
	fs.StringVar(&n.Type, "type", "", "type of the service: slack, github, …")
	fs.StringVar(&n.Channel, "channel", "", "channel of a chat")
	fs.StringVar(&n.Username, "username", "", "name under which it writes")
	fs.StringVar(&n.Address, "address", "", "address of the service, or of the repository")
	fs.StringVar(&n.SecretRef, "secret-ref", "", "Secret with the token")
	return cmd
}

func (p *program) newCreateReceiver(f *createFlags) *cobra.Command {
	r := &create.Receiver{}
	cmd := p.creator(f, "receiver [name]", "Create or change a Receiver", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, r, saying{noun: "Receiver", named: true})
	})
	fs := cmd.Flags()
	fs.Var(&choice{&r.Type, "receiver type", notSupported, receiverTypes}, "type", "who calls the webhook")
	fs.StringVar(&r.SecretRef, "secret-ref", "", "Secret with the token")
	fs.StringSliceVar(&r.Events, "event", nil, "events to act on")
	fs.StringSliceVar(&r.Resources, "resource", nil, "what to reconcile: <kind>/<name>")
	return cmd
}

func (p *program) newCreateImage(f *createFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "Create or change objects of image automation"}
	cmd.AddCommand(p.newCreateImageRepository(f), p.newCreateImagePolicy(f), p.newCreateImageUpdate(f))
	return cmd
}

func (p *program) newCreateImageRepository(f *createFlags) *cobra.Command {
	r := &create.ImageRepository{}
	cmd := p.creator(f, "repository [name]", "Create or change an ImageRepository", func(ctx context.Context, m create.Meta) error {
		if r.Image != "" {
			if _, err := name.NewRepository(r.Image); err != nil {
				return fmt.Errorf("unable to parse image value: %w", err)
			}
		}
		return p.create(ctx, f, m, r, saying{noun: "ImageRepository"})
	})
	fs := cmd.Flags()
	fs.StringVar(&r.Image, "image", "", "repository to scan: ghcr.io/acme/web")
	fs.StringVar(&r.SecretRef, "secret-ref", "", "Secret with the login, of type kubernetes.io/dockerconfigjson")
	fs.StringVar(&r.CertSecretRef, "cert-ref", "", "Secret with certificates")
	fs.DurationVar(&r.ScanTimeout, "scan-timeout", 0, "how long a scan may take (default the interval)")
	return cmd
}

func (p *program) newCreateImagePolicy(f *createFlags) *cobra.Command {
	i := &create.ImagePolicy{}
	cmd := p.creator(f, "policy [name]", "Create or change an ImagePolicy", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, i, saying{noun: "ImagePolicy"})
	})
	fs := cmd.Flags()
	fs.StringVar(&i.ImageRef, "image-ref", "", "ImageRepository whose tags are looked at")
	fs.StringVar(&i.SemVer, "select-semver", "", "range of versions; the newest in it")
	fs.StringVar(&i.Alpha, "select-alpha", "", "by letters: asc for the last, desc for the first")
	fs.StringVar(&i.Numeric, "select-numeric", "", "by number: asc for the last, desc for the first")
	fs.StringVar(&i.FilterRegex, "filter-regex", "", "expression that tags match")
	fs.StringVar(&i.FilterExtract, "filter-extract", "", "what of a tag is compared, with groups of --filter-regex: $version")
	fs.StringVar(&i.ReflectDigest, "reflect-digest", "", "when the digest is looked up: Never, IfNotPresent or Always")
	fs.DurationVar(&i.DigestInterval, "interval", 0, "how often it is looked up, with Always")
	return cmd
}

func (p *program) newCreateImageUpdate(f *createFlags) *cobra.Command {
	u := &create.ImageUpdate{}
	cmd := p.creator(f, "update [name]", "Create or change an ImageUpdateAutomation", func(ctx context.Context, m create.Meta) error {
		return p.create(ctx, f, m, u, saying{noun: "ImageUpdateAutomation"})
	})
	fs := cmd.Flags()
	fs.StringVar(&u.GitRepo, "git-repo-ref", "", "GitRepository that is written to")
	fs.StringVar(&u.GitRepoNamespace, "git-repo-namespace", "", "its namespace (default that of the object)")
	fs.StringVar(&u.Path, "git-repo-path", "", "folder with the manifests (default all)")
	fs.StringVar(&u.CheckoutBranch, "checkout-branch", "", "branch that is read")
	fs.StringVar(&u.PushBranch, "push-branch", "", "branch that is written (default the one that is read)")
	fs.StringVar(&u.CommitTemplate, "commit-template", "", "template of the commit's message")
	fs.StringVar(&u.AuthorName, "author-name", "", "name of the commit's author")
	fs.StringVar(&u.AuthorEmail, "author-email", "", "mail address of the commit's author")
	fs.StringVar(&u.SigningKeySecret, "signing-key-secret", "", "Secret with the key that signs commits")
	fs.StringVar(&u.SigningKeyType, "signing-key-type", "", "what key it is: gpg or ssh")
	return cmd
}
