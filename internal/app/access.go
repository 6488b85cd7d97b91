package app

import (
	"context"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/grant"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// accessClients are those of the App that granting uses too.
type accessClients struct {
	own, acting controller.Clients
	events      corev1.CoreV1Interface
}

// grants makes the controller of temporary access. It gives rights away as who applies
// Kustomizations does, who has them.
func (a *App) grants(cfg Config, restCfg *rest.Config, client *http.Client, with accessClients) (*controller.Access, error) {
	acting := *client
	acting.Transport = cluster.Impersonating(client.Transport, cfg.Options.Acting.Kustomize)
	accounts, err := corev1.NewForConfigAndClient(restCfg, &acting)
	if err != nil {
		return nil, err
	}
	return controller.NewAccess(controller.AccessConfig{
		World: a.World, Clients: with.own, Events: with.events, Log: cfg.Log,
		Grantor: &grant.Grantor{
			Own: a.World, Acting: a.World.As(cfg.Options.Acting.Kustomize), Tokens: accountTokens(accounts), Metadata: with.acting.Metadata, Namespace: cfg.Access,
		},
	}), nil
}

// accountTokens asks the API server for tokens of the accounts of grants.
func accountTokens(client corev1.ServiceAccountsGetter) grant.Tokens {
	return func(ctx context.Context, account string, life time.Duration) (grant.Token, error) {
		seconds := int64(life / time.Second)
		made, err := client.ServiceAccounts(access.Namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
		}, metav1.CreateOptions{})
		if err != nil {
			return grant.Token{}, err
		}
		return grant.Token{Text: made.Status.Token, Until: made.Status.ExpirationTimestamp.Time}, nil
	}
}

// work runs the controllers until ctx ends, or one of them does.
func (a *App) work(ctx context.Context) error {
	if a.access == nil {
		return a.Controller.Run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.access.Run(ctx) }()
	err := a.Controller.Run(ctx)
	cancel()
	if late := <-done; err == nil {
		err = late
	}
	return err
}
