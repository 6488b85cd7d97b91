package simkubelet

import (
	"context"
	"net"

	"google.golang.org/grpc/test/bufconn"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/server/egressselector"
)

const pipeSize = 32 << 10 // buffer of one connection, in bytes, each way

// Network is how the API server reaches the simulated kubelets: through memory.
type Network struct{ conns *bufconn.Listener }

// NewNetwork makes a network that nobody serves yet.
func NewNetwork() *Network { return &Network{bufconn.Listen(pipeSize)} }

// Dial is an egress lookup whose connections all end at the simulated kubelets,
// whatever the address.
func (n *Network) Dial(egressselector.NetworkContext) (utilnet.DialFunc, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return n.conns.DialContext(ctx)
	}, nil
}
