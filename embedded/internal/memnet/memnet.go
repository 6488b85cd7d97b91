// Package memnet connects parts of this process without a port or a socket file.
//
//	n := memnet.New()
//	go server.Serve(n)
//	conn, err := n.DialContext(ctx, "", "")
package memnet

import (
	"context"
	"net"

	"google.golang.org/grpc/test/bufconn"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/server/egressselector"
)

// pipeSize is the buffer of one connection, in bytes, each way.
const pipeSize = 32 << 10

// Network is a listener that is reached through memory.
type Network struct{ *bufconn.Listener }

// New makes a network that nobody serves yet; dialling it waits until somebody does.
func New() *Network { return &Network{bufconn.Listen(pipeSize)} }

// DialContext connects to whoever serves the network, whatever the address.
func (n *Network) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return n.Listener.DialContext(ctx)
}

// Egress is DialContext as the API server wants it for its storage and its kubelets.
func (n *Network) Egress(egressselector.NetworkContext) (utilnet.DialFunc, error) {
	return n.DialContext, nil
}
