package fluxcli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// gitCreation is a GitRepository with the login that becomes its Secret.
type gitCreation struct {
	repository create.GitRepository
	login      *gitLogin
	silent     bool
}

// createGit is the story of create source git: a login, then the source.
func (p *program) createGit(ctx context.Context, f *createFlags, m create.Meta, g gitCreation) error {
	said := saying{noun: "GitRepository source"}
	if f.export || g.repository.SecretRef != "" {
		return p.create(ctx, f, m, g.repository, said)
	}
	if _, err := g.repository.Object(m); err != nil {
		return err
	}
	w, err := p.cluster()
	if err != nil {
		return err
	}
	p.make("generating %s", said.noun)
	made, err := p.gitSecret(ctx, g)
	if err != nil {
		return err
	}
	if made != nil {
		if err := p.keepLogin(ctx, w, create.Meta{Name: m.Name, Namespace: m.Namespace}, made); err != nil {
			return err
		}
		g.repository.SecretRef = m.Name
	}
	obj, err := g.repository.Object(m)
	if err != nil {
		return err
	}
	return p.put(ctx, w, obj, said)
}

// gitSecret is the login that flags and address ask for; nil for none.
func (p *program) gitSecret(ctx context.Context, g gitCreation) (create.Maker, error) {
	u, err := url.Parse(g.repository.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "ssh" {
		if u.Scheme == "http" {
			p.warn("insecure configuration: credentials configured for an HTTP URL")
		}
		ca, err := read(g.login.caFile, "unable to read TLS CA file")
		if err != nil || g.login.username == "" && g.login.password.IsZero() && len(ca) == 0 {
			return nil, err
		}
		return create.GitSecret{Username: g.login.username, Password: g.login.password, CA: ca}, nil
	}
	pair, err := g.login.keyPair(ctx, u.Host)
	if err != nil {
		return nil, err
	}
	p.succeed("collected public key from SSH server:\n%s", pair.KnownHosts)
	p.make("deploy key: %s", pair.Public)
	if !g.silent && !p.confirmed("Have you added the deploy key to your repository") {
		return nil, errors.New("aborting")
	}
	return create.GitSecret{Password: g.login.password, SSH: pair}, nil
}

// confirmed asks; no answer is no.
func (p *program) confirmed(question string) bool {
	fmt.Fprintf(p.Err, "? %s? [y/N] ", question)
	if p.In == nil {
		return false
	}
	answer, err := bufio.NewReader(p.In).ReadString('\n')
	if err != nil {
		fmt.Fprintln(p.Err)
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// keepLogin stores the Secret of a source.
func (p *program) keepLogin(ctx context.Context, w world.World, m create.Meta, of create.Maker) error {
	obj, err := of.Object(m)
	if err != nil {
		return err
	}
	p.act("applying secret with repository credentials")
	if err := upsertSecret(ctx, w, obj); err != nil {
		return err
	}
	p.succeed("authentication configured")
	return nil
}

// helmCreation is a HelmRepository with the login that becomes its Secret.
type helmCreation struct {
	repository create.HelmRepository
	login      *helmLogin
}

func (p *program) createHelm(ctx context.Context, f *createFlags, m create.Meta, h helmCreation) error {
	said := saying{noun: "HelmRepository source", stored: "source"}
	if f.export || h.repository.SecretRef != "" {
		return p.create(ctx, f, m, h.repository, said)
	}
	if _, err := h.repository.Object(m); err != nil {
		return err
	}
	login, err := h.login.secret()
	if err != nil {
		return err
	}
	w, err := p.cluster()
	if err != nil {
		return err
	}
	p.make("generating %s", said.noun)
	if !h.login.empty() {
		name := "helm-" + m.Name
		if err := p.keepLogin(ctx, w, create.Meta{Name: name, Namespace: m.Namespace}, login); err != nil {
			return err
		}
		h.repository.SecretRef = name
	}
	obj, err := h.repository.Object(m)
	if err != nil {
		return err
	}
	return p.put(ctx, w, obj, said)
}

// bucketCreation is a Bucket with the keys that become its Secret.
type bucketCreation struct {
	bucket create.Bucket
	keys   create.BucketSecret
}

func (p *program) createBucket(ctx context.Context, f *createFlags, m create.Meta, b bucketCreation) error {
	said := saying{noun: "Bucket source"}
	if f.export || b.bucket.SecretRef != "" || b.keys.AccessKey.IsZero() || b.keys.SecretKey.IsZero() {
		return p.create(ctx, f, m, b.bucket, said)
	}
	if _, err := b.bucket.Object(m); err != nil {
		return err
	}
	w, err := p.cluster()
	if err != nil {
		return err
	}
	p.make("generating %s", said.noun)
	b.bucket.SecretRef = "bucket-" + m.Name
	keys, err := b.keys.Object(create.Meta{Name: b.bucket.SecretRef, Namespace: m.Namespace, Labels: m.Labels})
	if err != nil {
		return err
	}
	p.act("applying secret with the bucket credentials")
	if err := upsertSecret(ctx, w, keys); err != nil {
		return err
	}
	p.succeed("authentication configured")
	obj, err := b.bucket.Object(m)
	if err != nil {
		return err
	}
	return p.put(ctx, w, obj, said)
}

// createTenant prints or stores what a tenant consists of.
func (p *program) createTenant(ctx context.Context, f *createFlags, m create.Meta, t create.Tenant) error {
	objs, err := t.Objects(m)
	if err != nil {
		return err
	}
	if f.export {
		return p.export(objs...)
	}
	w, err := p.cluster()
	if err != nil {
		return err
	}
	words := map[string]string{"Namespace": "namespace", "ServiceAccount": "service account", "RoleBinding": "role binding"}
	for _, obj := range objs {
		p.act("applying %s %s", words[obj.GetKind()], obj.GetName())
		if err := upsertPart(ctx, w, obj); err != nil {
			return err
		}
	}
	p.succeed("tenant setup completed")
	return nil
}

// upsertPart makes an object of a tenant, or gives the one that is there its
// labels. A binding's role can never change, so it is made anew.
func upsertPart(ctx context.Context, w world.World, obj *unstructured.Unstructured) error {
	live, err := w.Get(ctx, object.RefOf(obj))
	if apierrors.IsNotFound(err) {
		_, err = w.Create(ctx, obj, manager)
		return err
	}
	if err != nil {
		return err
	}
	if obj.GetKind() == "RoleBinding" && !sameBinding(live, obj) {
		if err := w.Delete(ctx, world.Delete{Ref: object.RefOf(live), If: world.Precondition{UID: live.GetUID()}}); err != nil {
			return err
		}
		_, err = w.Create(ctx, obj, manager)
		return err
	}
	labels := with(live.GetLabels(), obj.GetLabels())
	if maps.Equal(labels, live.GetLabels()) {
		return nil
	}
	return replace(ctx, w, live, map[string]any{"/metadata/labels": labels})
}
