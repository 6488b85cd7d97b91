package fluxcli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newCreateSecret(f *createFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "secret", Short: "Create or change Secrets as Flux reads them"}
	cmd.AddCommand(p.newSecretGit(f), p.newSecretGitHubApp(f), p.newSecretHelm(f), p.newSecretNotation(f), p.newSecretOCI(f),
		p.newSecretProxy(f), p.newSecretReceiver(f), p.newSecretTLS(f))
	return cmd
}

// createSecret prints a Secret, or stores it. what names it: «git».
func (p *program) createSecret(ctx context.Context, f *createFlags, m create.Meta, of secretOf) error {
	obj, err := of.maker.Object(m)
	if err != nil {
		return err
	}
	if f.export {
		if err := p.export(obj); err != nil || of.bare {
			return err
		}
		_, err := fmt.Fprintln(p.Out)
		return err
	}
	if key, ok, _ := unstructured.NestedString(obj.Object, "stringData", "identity.pub"); ok {
		p.make("deploy key: %s", key)
	}
	w, err := p.cluster()
	if err != nil {
		return err
	}
	if err := upsertSecret(ctx, w, obj); err != nil {
		return err
	}
	p.act("%s secret '%s' created in '%s' namespace", of.what, m.Name, m.Namespace)
	return nil
}

// secretOf is a Secret to make, and what it is called.
type secretOf struct {
	maker create.Maker
	what  string
	bare  bool // its export ends without an empty line
}

// upsertSecret makes a Secret, or gives the one that is there its data, labels
// and annotations. Keys that it has beside stay, as with upstream; its type
// cannot change.
func upsertSecret(ctx context.Context, w world.World, obj *unstructured.Unstructured) error {
	live, err := w.Get(ctx, object.RefOf(obj))
	if apierrors.IsNotFound(err) {
		_, err = w.Create(ctx, obj, manager)
		return err
	}
	if err != nil {
		return err
	}
	patch := map[string]any{
		"stringData": obj.Object["stringData"],
		"metadata": map[string]any{
			"resourceVersion": live.GetResourceVersion(), "labels": obj.GetLabels(), "annotations": obj.GetAnnotations(),
		},
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = w.Patch(ctx, world.Patch{Ref: object.RefOf(live), Type: types.MergePatchType, Data: data, Manager: manager})
	return err
}

func (p *program) newSecretGit(f *createFlags) *cobra.Command {
	login := newGitLogin()
	var address string
	var token secret.Value
	cmd := p.creator(f, "git [name]", "A login to a Git server", func(ctx context.Context, m create.Meta) error {
		made, err := login.secretFor(ctx, address, token)
		if err != nil {
			return err
		}
		return p.createSecret(ctx, f, m, secretOf{maker: made, what: "git"})
	})
	fs := cmd.Flags()
	fs.StringVar(&address, "url", "", "address of the repository: https://host/path or ssh://git@host/path")
	login.register(fs, "ca-crt-file")
	fs.Var(&secretText{&token}, "bearer-token", "token")
	return cmd
}

// secretFor is the login to an address: a key pair for SSH, made where no file
// is named.
func (l *gitLogin) secretFor(ctx context.Context, address string, token secret.Value) (create.Maker, error) {
	if address == "" {
		return nil, errors.New("url is required; pass --url")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("git URL parse failed: %w", err)
	}
	s := create.GitSecret{Password: l.password}
	switch u.Scheme {
	case "ssh":
		s.SSH, err = l.keyPair(ctx, u.Host)
		return s, err
	case "http", "https":
		s.Username, s.BearerToken = l.username, token
		if err := s.CheckHTTP(); err != nil {
			return nil, err
		}
		s.CA, err = read(l.caFile, "unable to read TLS CA file")
		return s, err
	}
	return nil, fmt.Errorf("git URL scheme '%s' not supported, can be: ssh, http and https", u.Scheme)
}

func (p *program) newSecretGitHubApp(f *createFlags) *cobra.Command {
	s := &create.GitHubAppSecret{}
	var keyFile string
	cmd := p.creator(f, "githubapp [name]", "A login as a GitHub app", func(ctx context.Context, m create.Meta) error {
		if keyFile == "" {
			return errors.New("unable to read private key file: open : no such file or directory; pass --app-private-key")
		}
		key, err := read(keyFile, "unable to read private key file")
		if err != nil {
			return err
		}
		s.PrivateKey, m.Labels = secret.OfBytes(key), nil
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "githubapp"})
	})
	fs := cmd.Flags()
	fs.StringVar(&s.AppID, "app-id", "", "number of the app")
	fs.StringVar(&s.Owner, "app-installation-owner", "", "user or organisation where it is installed")
	fs.StringVar(&s.InstallationID, "app-installation-id", "", "number of the installation")
	fs.StringVar(&keyFile, "app-private-key", "", "file with the private key")
	fs.StringVar(&s.BaseURL, "app-base-url", "", "address of a GitHub Enterprise server")
	return cmd
}

func (p *program) newSecretHelm(f *createFlags) *cobra.Command {
	login := &helmLogin{}
	cmd := p.creator(f, "helm [name]", "A login to a chart repository", func(ctx context.Context, m create.Meta) error {
		s, err := login.secret()
		if err != nil {
			return err
		}
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "helm"})
	})
	login.register(cmd.Flags())
	login.files.register(cmd.Flags(), "tls-crt-file", "tls-key-file", "ca-crt-file")
	return cmd
}

func (p *program) newSecretTLS(f *createFlags) *cobra.Command {
	files := &tlsFiles{}
	cmd := p.creator(f, "tls [name]", "Certificates", func(ctx context.Context, m create.Meta) error {
		s, err := files.read()
		if err != nil {
			return err
		}
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "tls", bare: true})
	})
	files.register(cmd.Flags(), "tls-crt-file", "tls-key-file", "ca-crt-file")
	return cmd
}

func (p *program) newSecretOCI(f *createFlags) *cobra.Command {
	s := &create.OCISecret{}
	cmd := p.creator(f, "oci [name]", "A login to a registry", func(ctx context.Context, m create.Meta) error {
		if s.URL != "" && s.Username != "" && !s.Password.IsZero() {
			if _, err := name.ParseReference(s.URL); err != nil {
				return fmt.Errorf("error parsing url: '%w'", err)
			}
		}
		m.Labels = nil
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "oci"})
	})
	fs := cmd.Flags()
	fs.StringVar(&s.URL, "url", "", "registry or repository: ghcr.io/acme")
	fs.StringVarP(&s.Username, "username", "u", "", "user")
	fs.VarP(&secretText{&s.Password}, "password", "p", "password")
	return cmd
}

func (p *program) newSecretProxy(f *createFlags) *cobra.Command {
	s := &create.ProxySecret{}
	cmd := p.creator(f, "proxy [name]", "A proxy and the login to it", func(ctx context.Context, m create.Meta) error {
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "proxy"})
	})
	fs := cmd.Flags()
	fs.Var(&secretText{&s.Address}, "address", "address of the proxy: https://proxy:3128")
	fs.StringVarP(&s.Username, "username", "u", "", "user")
	fs.VarP(&secretText{&s.Password}, "password", "p", "password")
	return cmd
}

func (p *program) newSecretReceiver(f *createFlags) *cobra.Command {
	s := &create.ReceiverSecret{}
	cmd := p.creator(f, "receiver [name]", "The token of a webhook", func(ctx context.Context, m create.Meta) error {
		if err := s.Check(); err != nil {
			return err
		}
		if s.Token.IsZero() {
			token := make([]byte, 32)
			rand.Read(token) //nolint:errcheck // never fails
			s.Token = secret.Of(hex.EncodeToString(token))
		}
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "receiver"})
	})
	fs := cmd.Flags()
	fs.Var(&choice{&s.Type, "receiver type", notSupported, receiverTypes}, "type", "who calls the webhook")
	fs.Var(&secretText{&s.Token}, "token", "token (default a random one)")
	fs.StringVar(&s.Hostname, "hostname", "", "host of the webhook: flux.example.com")
	fs.StringVar(&s.EmailClaim, "email-claim", "", "mail address of the service account that calls, for gcr")
	fs.StringVar(&s.AudienceClaim, "audience-claim", "", "audience of its token, for gcr (default the webhook)")
	return cmd
}

func (p *program) newSecretNotation(f *createFlags) *cobra.Command {
	s := &create.NotationSecret{}
	var certs []string
	cmd := p.creator(f, "notation [name]", "What signatures of Notation are checked against", func(ctx context.Context, m create.Meta) error {
		if len(certs) == 0 {
			return errors.New("--ca-cert-file is required")
		}
		if s.PolicyName == "" {
			return errors.New("--trust-policy-file is required")
		}
		var err error
		if s.Policy, err = read(s.PolicyName, "unable to read trust policy file"); err != nil {
			return err
		}
		if s.Certs, err = readCerts(certs); err != nil {
			return err
		}
		return p.createSecret(ctx, f, m, secretOf{maker: s, what: "notation configuration"})
	})
	fs := cmd.Flags()
	fs.StringVar(&s.PolicyName, "trust-policy-file", "", "file with the trust policy")
	fs.StringSliceVar(&certs, "ca-cert-file", nil, "files with root certificates, .crt or .pem")
	return cmd
}

func readCerts(files []string) ([]create.ValuesFile, error) {
	var out []create.ValuesFile
	var wrong error
	for _, file := range files {
		err := create.CheckCertName(filepath.Base(file))
		var content []byte
		if err == nil {
			content, err = read(file, "unable to read TLS CA file")
		}
		wrong = errors.Join(wrong, err)
		out = append(out, create.ValuesFile{Name: filepath.Base(file), Content: content})
	}
	return out, wrong
}

// with returns a with b laid over.
func with(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, b)
	return out
}

func sameBinding(a, b *unstructured.Unstructured) bool {
	subjects := func(o *unstructured.Unstructured) any {
		list, _, _ := unstructured.NestedSlice(o.Object, "subjects")
		for _, s := range list { // the server adds the group of accounts
			if m, ok := s.(map[string]any); ok && m["apiGroup"] == "" {
				delete(m, "apiGroup")
			}
		}
		return list
	}
	return equality.Semantic.DeepEqual(subjects(a), subjects(b)) && equality.Semantic.DeepEqual(a.Object["roleRef"], b.Object["roleRef"])
}
