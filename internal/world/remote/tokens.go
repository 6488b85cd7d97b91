package remote

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Tokens brings a bearer token and when it expires.
type Tokens func(ctx context.Context) (token string, expires time.Time, err error)

// A token is renewed when a fifth of its life is left, and never asked for more
// often than once in a while.
const (
	lifeLeft  = 5
	shortLife = 10 * time.Second
)

// bearer gives requests a token that is good.
type bearer struct {
	next   http.RoundTripper
	tokens Tokens

	mu    sync.Mutex
	token string
	renew time.Time
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := b.good(req.Context())
	if err != nil {
		return nil, fmt.Errorf("get a token for the cluster: %w", err)
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(req)
}

func (b *bearer) good(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.token != "" && now.Before(b.renew) {
		return b.token, nil
	}
	token, expires, err := b.tokens(ctx)
	if err != nil {
		return "", err
	}
	b.token, b.renew = token, now.Add(max(expires.Sub(now)*(lifeLeft-1)/lifeLeft, shortLife))
	return token, nil
}
