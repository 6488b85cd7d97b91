package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/live"
	"github.com/leat-dev/leat/internal/world/remote"
)

// answersWithin is how long one action on a release waits for answers of another cluster,
// all requests together: as long as a run of a Kustomization may take there.
const answersWithin = 10 * time.Minute

// Remotes says whether units may work in other clusters, and what kubeconfigs may
// ask for.
type Remotes struct {
	Allowed bool
	remote.Allow
}

// dialer connects to other clusters, with kubeconfigs and with tokens of this one.
type dialer struct {
	app    *App
	allow  remote.Allow
	config *rest.Config // of this cluster, as whoever makes tokens
}

func (a *App) dialer(cfg Config, own *rest.Config) controller.Dial {
	if !cfg.Remotes.Allowed {
		return nil
	}
	own = rest.CopyConfig(own)
	if as := cfg.Options.Acting.Kustomize; as.User != "" {
		own.Impersonate = rest.ImpersonationConfig{UserName: as.User, Groups: as.Groups}
	}
	d := dialer{app: a, allow: cfg.Remotes.Allow, config: own}
	return d.dial
}

// dial implements controller.Dial.
func (d dialer) dial(at engine.Address, answers func(error)) (controller.Connection, error) {
	target, err := d.target(at)
	if err != nil {
		return controller.Connection{}, err
	}
	conn, err := remote.Dial(target, answers)
	if err != nil {
		return controller.Connection{}, err
	}
	w, err := cluster.New(conn.Config, cluster.Options{Client: conn.Client, Observe: d.app.observe})
	if err != nil {
		return controller.Connection{}, err
	}
	charts, err := helm.Connect(conn.Config)
	if err != nil {
		return controller.Connection{}, err
	}
	charts.Patience(answersWithin)
	if d.app.children != nil {
		charts.Isolate(d.app.children)
	}
	clients, err := watchersOf(conn)
	if err != nil {
		return controller.Connection{}, err
	}
	return controller.Connection{
		World: discovering{w, charts}, Clients: clients, Helm: engine.Driving(charts), State: conn.State, Run: conn.Run, Close: conn.Close,
	}, nil
}

func watchersOf(conn *remote.Conn) (c controller.Clients, err error) {
	watching := &http.Client{Transport: live.Soon(conn.Watching.Transport)}
	if c.Dynamic, err = dynamic.NewForConfigAndClient(conn.Config, watching); err != nil {
		return c, err
	}
	c.Metadata, err = metadata.NewForConfigAndClient(conn.Config, watching)
	return c, err
}

func (d dialer) target(at engine.Address) (remote.Target, error) {
	if at.Workload == nil {
		cfg, err := remote.Parse([]byte(at.Kubeconfig.Reveal()), d.allow)
		return remote.Target{Config: cfg}, err
	}
	w := *at.Workload
	cfg := &rest.Config{Host: w.Server, TLSClientConfig: rest.TLSClientConfig{CAData: []byte(w.CA)}}
	return remote.Target{Config: cfg, Tokens: func(ctx context.Context) (string, time.Time, error) { return d.token(ctx, w) }}, nil
}

// token makes a token of a ServiceAccount for another cluster. Where a ConfigMap
// names none it is the engine's own, which must not open this cluster: whoever
// wrote the ConfigMap chose its audiences, and where it is sent.
func (d dialer) token(ctx context.Context, w engine.Workload) (string, time.Time, error) {
	client, err := kubernetes.NewForConfig(d.config)
	if err != nil {
		return "", time.Time{}, err
	}
	own := !w.Named
	if w.Account == "" {
		if w.Namespace, w.Account, err = self(ctx, client); err != nil {
			return "", time.Time{}, err
		}
	}
	req := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: w.Audiences}}
	made, err := client.CoreV1().ServiceAccounts(w.Namespace).CreateToken(ctx, w.Account, req, metav1.CreateOptions{})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a token of ServiceAccount/%s/%s: %w", w.Namespace, w.Account, err)
	}
	if own && d.opens(ctx, made.Status.Token) {
		return "", time.Time{}, errors.New("the token of the engine's own ServiceAccount for these audiences opens this cluster too, and is not sent to another; set serviceAccountName")
	}
	return made.Status.Token, made.Status.ExpirationTimestamp.Time, nil
}

// self is the ServiceAccount that the process has.
func self(ctx context.Context, client kubernetes.Interface) (namespace, name string, err error) {
	who, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", "", fmt.Errorf("ask who the engine is: %w", err)
	}
	if namespace, name, ok := (world.Identity{User: who.Status.UserInfo.Username}).Account(); ok {
		return namespace, name, nil
	}
	return "", "", errors.New("the engine has no ServiceAccount; set serviceAccountName")
}

// opens tells whether a token is good in this cluster, and so does an error that
// leaves it open.
func (d dialer) opens(ctx context.Context, token string) bool {
	cfg := rest.AnonymousClientConfig(d.config)
	cfg.BearerToken = token
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return true
	}
	_, err = client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	return !apierrors.IsUnauthorized(err)
}
