// Package trigger makes the request that a Receiver waits for, as flux trigger
// receiver sends it from outside the cluster (flux2 v2.9.5,
// cmd/flux/trigger_receiver.go).
//
//	call := trigger.Call{Name: "apps", Namespace: "flux-system", Type: trigger.Generic, URL: "https://hooks.acme.com", Token: token}
//	if err := call.Check(); err != nil { … }
//	address, err := call.Address() // https://hooks.acme.com/hook/<digest>
//	header := call.Header(secret.Value{})
//
// It sends nothing, and it must never write a token into an error.
package trigger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/secret"
)

// The types of Receivers that can be triggered.
const (
	Generic     = "generic"
	GenericHMAC = "generic-hmac"
	GenericOIDC = "generic-oidc"
)

// Where tokens of OIDC come from, and whom they are for when nobody says.
const (
	GitHub   = "github"
	Forgejo  = "forgejo"
	Audience = "notification-controller"
)

// Call is a Receiver to trigger, and how.
type Call struct {
	Name, Namespace string
	Type            string // Generic, GenericHMAC, GenericOIDC
	URL             string // of the webhooks, may have a path
	Token           secret.Value
	Payload         string // JSON
	OIDC            OIDC
}

// OIDC says where the token of a generic-oidc Receiver comes from: fetched from
// a provider for an audience, or given.
type OIDC struct {
	Provider string // GitHub, Forgejo
	Audience string
	Token    secret.Value
}

// Check refuses what upstream refuses, in its words.
func (c Call) Check() error {
	switch {
	case c.URL == "":
		return errors.New("--url is required")
	case c.Type == GenericOIDC:
		return c.checkOIDC()
	case c.Type != Generic && c.Type != GenericHMAC:
		return fmt.Errorf("invalid --type %q, must be one of: %s, %s, %s", c.Type, Generic, GenericHMAC, GenericOIDC)
	case c.Token.IsZero():
		return fmt.Errorf("--token is required for --type=%s", c.Type)
	case c.OIDC.Provider != "" || !c.OIDC.Token.IsZero() || c.OIDC.Audience != "":
		return fmt.Errorf("--oidc-provider, --oidc-token and --oidc-audience can only be set for --type=%s", GenericOIDC)
	}
	return nil
}

func (c Call) checkOIDC() error {
	o := c.OIDC
	switch {
	case !c.Token.IsZero():
		return fmt.Errorf("--token must not be set for --type=%s, the Receiver of this type has no secret", GenericOIDC)
	case o.Provider != "" && !o.Token.IsZero():
		return errors.New("--oidc-provider and --oidc-token are mutually exclusive")
	case o.Provider != "" && o.Provider != GitHub && o.Provider != Forgejo:
		return fmt.Errorf("invalid --oidc-provider %q, must be one of: %s, %s", o.Provider, GitHub, Forgejo)
	case o.Audience != "" && o.Provider == "":
		return errors.New("--oidc-audience can only be set together with --oidc-provider")
	}
	return nil
}

// Address is where the request goes: the URL, and the path of the Receiver.
func (c Call) Address() (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(c.URL, "/") + create.WebhookPath(c.Token, c.Name, c.Namespace))
	var broken *url.Error
	if errors.As(err, &broken) {
		return nil, fmt.Errorf("read --url: %w", broken.Err) // without the URL, which may hold a password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("read --url: want http:// or https:// and a host, as in https://flux-webhook.example.com")
	}
	return u, nil
}

// Header is the header of the request; bearer is the token of OIDC. A
// generic-hmac Receiver checks X-Signature, sha256=<hex of the HMAC-SHA256 of the
// body under the token>.
func (c Call) Header(bearer secret.Value) map[string]secret.Value {
	switch c.Type {
	case GenericHMAC:
		mac := hmac.New(sha256.New, []byte(c.Token.Reveal()))
		mac.Write([]byte(c.Payload))
		return map[string]secret.Value{"X-Signature": secret.Of("sha256=" + hex.EncodeToString(mac.Sum(nil)))}
	case GenericOIDC:
		return map[string]secret.Value{"Authorization": secret.Of("Bearer " + bearer.Reveal())}
	}
	return nil
}

// passing are the statuses that may be others in a moment: 404 stands there
// because a Receiver that was just made has no path yet.
var passing = []int{404, 408, 429, 500, 502, 503, 504}

// Passing tells whether to try again after an answer with this status.
func Passing(status int) bool { return slices.Contains(passing, status) }
