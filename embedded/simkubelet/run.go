package simkubelet

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"
)

type Options struct {
	Config *rest.Config
	Nodes int
	Version string
	Network *Network
	CertFile, KeyFile string
}
func (o Options) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func NodeName(i int) string { return fmt.Sprintf("leat-sim-%d", i) }
