package create

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/secret"
)

// The types of Secrets.
const (
	opaque     = "Opaque"
	basicAuth  = "kubernetes.io/basic-auth"
	tlsType    = "kubernetes.io/tls"
	dockerJSON = "kubernetes.io/dockerconfigjson"
)

// WebhookAnnotation holds the address of a receiver's webhook.
const WebhookAnnotation = "notification.toolkit.fluxcd.io/webhook"

// secretOf is the object of a Secret. An empty type is left out.
func (m Meta) secretOf(kind string, data map[string]any) (*unstructured.Unstructured, error) {
	d, err := m.object("v1", "Secret")
	if err != nil {
		return nil, err
	}
	d.set("type", kind)
	d.set("stringData", data)
	return d.done(), nil
}

// GitSecret is what create secret git and create source git know of a login.
type GitSecret struct {
	Username              string
	Password, BearerToken secret.Value
	CA                    []byte
	SSH                   *KeyPair // nil without SSH
}

// KeyPair is a login by SSH: PEM, a line of authorized_keys, and lines of
// known_hosts.
type KeyPair struct {
	Private    secret.Value
	Public     string
	KnownHosts string
}

// CheckHTTP refuses what create secret git refuses for an HTTP address.
func (f GitSecret) CheckHTTP() error {
	login := f.Username != "" && !f.Password.IsZero()
	switch {
	case !login && f.BearerToken.IsZero():
		return errors.New("for Git over HTTP/S the username and password, or a bearer token is required; pass --username and --password, or --bearer-token")
	case login && !f.BearerToken.IsZero():
		return errors.New("user credentials and bearer token cannot be used together")
	}
	return nil
}

// Object implements Maker.
func (f GitSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	data := draft{}
	if f.Username != "" && !f.Password.IsZero() {
		data["username"], data["password"] = f.Username, f.Password.Reveal()
	}
	if !f.BearerToken.IsZero() {
		data["bearerToken"] = f.BearerToken.Reveal()
	}
	if len(f.CA) > 0 {
		data["ca.crt"] = string(f.CA)
	}
	if f.SSH != nil {
		data["identity"], data["identity.pub"] = f.SSH.Private.Reveal(), f.SSH.Public
		data["known_hosts"] = f.SSH.KnownHosts
		if !f.Password.IsZero() {
			data["password"] = f.Password.Reveal()
		}
	}
	return m.secretOf("", data)
}

// TLSSecret are the flags of create secret tls, read.
type TLSSecret struct {
	Cert, CA []byte
	Key      secret.Value
}

// Object implements Maker.
func (f TLSSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	hasCert, hasKey := len(f.Cert) > 0, !f.Key.IsZero()
	switch {
	case hasCert && !hasKey:
		return nil, errors.New("found certificate but missing private key; pass --tls-key-file")
	case hasKey && !hasCert:
		return nil, errors.New("found private key but missing certificate; pass --tls-crt-file")
	case !hasCert && len(f.CA) == 0:
		return nil, errors.New("no CA certificate or client certificate pair found; pass --ca-crt-file, or --tls-crt-file and --tls-key-file")
	}
	kind, data := opaque, draft{}
	if hasCert {
		if _, err := tls.X509KeyPair(f.Cert, []byte(f.Key.Reveal())); err != nil {
			return nil, fmt.Errorf("invalid TLS certificate and key pair: %w", err)
		}
		kind = tlsType
		data["tls.crt"], data["tls.key"] = string(f.Cert), f.Key.Reveal()
	}
	if len(f.CA) > 0 {
		data["ca.crt"] = string(f.CA)
	}
	return m.secretOf(kind, data)
}

// HelmSecret are the flags of create secret helm, read: a client certificate
// goes before a login, a login before an authority alone.
type HelmSecret struct {
	Username string
	Password secret.Value
	TLS      TLSSecret
}

// Object implements Maker.
func (f HelmSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	switch {
	case len(f.TLS.Cert) > 0 || !f.TLS.Key.IsZero():
		return f.TLS.Object(m)
	case f.Username == "" && !f.Password.IsZero():
		return nil, errors.New("username is required; pass --username")
	case f.Username != "" && f.Password.IsZero():
		return nil, errors.New("password is required; pass --password")
	case f.Username != "":
		data := draft{"username": f.Username, "password": f.Password.Reveal()}
		if len(f.TLS.CA) > 0 {
			data["ca.crt"] = string(f.TLS.CA)
		}
		return m.secretOf(basicAuth, data)
	case len(f.TLS.CA) > 0:
		return f.TLS.Object(m)
	}
	return m.secretOf("", nil)
}

// OCISecret are the flags of create secret oci. That URL names a repository is
// checked by the caller.
type OCISecret struct {
	URL, Username string
	Password      secret.Value
}

// Object implements Maker. Upstream gives this Secret no labels.
func (f OCISecret) Object(m Meta) (*unstructured.Unstructured, error) {
	switch {
	case f.URL == "":
		return nil, errors.New("--url is required")
	case f.Username == "":
		return nil, errors.New("--username is required")
	case f.Password.IsZero():
		return nil, errors.New("--password is required")
	}
	type auth struct {
		Username string `json:"username"`
		Password string `json:"password"`
		Auth     string `json:"auth"`
	}
	text, err := json.MarshalIndent(map[string]any{"auths": map[string]auth{f.URL: {
		f.Username, f.Password.Reveal(), base64.StdEncoding.EncodeToString([]byte(f.Username + ":" + f.Password.Reveal())),
	}}}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the docker config: %w", err)
	}
	return m.secretOf(dockerJSON, map[string]any{".dockerconfigjson": string(text)})
}

// ProxySecret are the flags of create secret proxy.
type ProxySecret struct {
	Address  secret.Value // may hold a login
	Username string
	Password secret.Value
}

// Object implements Maker.
func (f ProxySecret) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Address.IsZero() {
		return nil, errors.New("address is required; pass --address")
	}
	if _, err := url.Parse(f.Address.Reveal()); err != nil {
		return nil, errors.New("invalid proxy address: --address is no URL")
	}
	data := draft{"address": f.Address.Reveal()}
	data.set("username", f.Username)
	data.set("password", f.Password.Reveal())
	return m.secretOf(opaque, data)
}

// GitHubAppSecret are the flags of create secret githubapp, read.
type GitHubAppSecret struct {
	AppID, Owner, InstallationID, BaseURL string
	PrivateKey                            secret.Value
}

// Object implements Maker. Upstream gives this Secret no labels.
func (f GitHubAppSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	switch {
	case f.AppID == "":
		return nil, errors.New("githubAppID is required; pass --app-id")
	case f.PrivateKey.IsZero():
		return nil, errors.New("githubAppPrivateKey is required; the file of --app-private-key is empty")
	case (f.Owner == "") == (f.InstallationID == ""):
		return nil, errors.New("exactly one of githubAppInstallationOwner or githubAppInstallationID must be provided; pass --app-installation-owner or --app-installation-id")
	}
	data := draft{"githubAppID": f.AppID, "githubAppPrivateKey": f.PrivateKey.Reveal()}
	data.set("githubAppInstallationOwner", f.Owner)
	data.set("githubAppInstallationID", f.InstallationID)
	data.set("githubAppBaseURL", f.BaseURL)
	return m.secretOf(opaque, data)
}

// ReceiverSecret are the flags of create secret receiver. Token is random where
// the flag is not given.
type ReceiverSecret struct {
	Type, Hostname            string
	Token                     secret.Value
	EmailClaim, AudienceClaim string
}

// Check refuses flags that upstream refuses.
func (f ReceiverSecret) Check() error {
	switch {
	case f.Type == "":
		return errors.New("--type is required")
	case f.Hostname == "":
		return errors.New("--hostname is required")
	case f.Type == "gcr" && f.EmailClaim == "":
		return errors.New("--email-claim is required for gcr receiver type")
	}
	return nil
}

// WebhookPath is where notification-controller waits for the calls of a Receiver
// (api/v1 Receiver.GetWebhookPath): a digest of token, name and namespace.
func WebhookPath(token secret.Value, name, namespace string) string {
	return fmt.Sprintf("/hook/%x", sha256.Sum256([]byte(token.Reveal()+name+namespace)))
}

// Object implements Maker.
func (f ReceiverSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	webhook := "https://" + f.Hostname + WebhookPath(f.Token, m.Name, m.Namespace)
	data := draft{"token": f.Token.Reveal()}
	if f.Type == "gcr" {
		data["email"], data["audience"] = f.EmailClaim, orElse(f.AudienceClaim, webhook)
	}
	obj, err := m.secretOf("", data)
	if err != nil {
		return nil, err
	}
	obj.SetAnnotations(map[string]string{WebhookAnnotation: webhook})
	return obj, nil
}

// BucketSecret is the Secret that create source bucket makes of its keys.
type BucketSecret struct{ AccessKey, SecretKey secret.Value }

// Object implements Maker.
func (f BucketSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	return m.secretOf("", map[string]any{"accesskey": f.AccessKey.Reveal(), "secretkey": f.SecretKey.Reveal()})
}
