package controlplane

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/simservice"
)

// services answers what the API server sends to Services, and writes the events
// about it.
func (c *cluster) services(admin *rest.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := kubernetes.NewForConfig(admin)
		if err != nil {
			return fmt.Errorf("simulated services: %w", err)
		}
		server := &http.Server{Handler: simservice.Aggregated()}
		go func() {
			_ = server.ServeTLS(c.networks.services, c.keys.file("apiserver.crt"), c.keys.file("apiserver.key"))
		}()
		defer server.Close()
		return c.announcer.Run(ctx, client)
	}
}
