package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// Token asks for a token of a ServiceAccount.
func (c *Client) Token(ctx context.Context, account Target, life time.Duration) (string, error) {
	body := fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":%d}}`, int(life.Seconds()))
	b, err := c.do(ctx, request{
		verb: "POST", kind: account.Kind, path: account.path() + "/token", subresource: "token",
		contentType: "application/json", body: []byte(body),
	})
	if err != nil {
		return "", err
	}
	var answer struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return answer.Status.Token, nil
}

// ServerOf returns the URL and the certificate authority of a kubeconfig.
func ServerOf(kubeconfig string) (server string, ca []byte, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	if len(config.CAData) == 0 {
		return "", nil, fmt.Errorf("%s holds no certificate authority", kubeconfig)
	}
	return config.Host, config.CAData, nil
}
