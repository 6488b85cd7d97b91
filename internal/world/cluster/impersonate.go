package cluster

import (
	"net/http"

	"k8s.io/client-go/transport"

	"github.com/leat-dev/leat/internal/world"
)

// Impersonating wraps a transport so that every request is made in the name of
// an identity, over the same connections; the zero identity changes nothing.
// It is for clients that are not a World, such as watches.
func Impersonating(next http.RoundTripper, id world.Identity) http.RoundTripper {
	if id.User == "" {
		return next
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return transport.NewImpersonatingRoundTripper(transport.ImpersonationConfig{UserName: id.User, Groups: id.Groups}, next)
}
