package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

const (
	dialTimeout     = 10 * time.Second // for a connection
	keepAlive       = 30 * time.Second
	headerTimeout   = 90 * time.Second // for the beginning of an answer: an API server gives up after 60
	askTimeout      = 15 * time.Second // for the question whether it answers
	maxAnswer       = 64 << 10         // bytes of the answer to that
	idlePerHost     = 25
	idleConnTimeout = 90 * time.Second
)

// Target is where to connect to.
type Target struct {
	// Config is the server and, without Tokens, the credential.
	Config *rest.Config
	// Tokens brings the credential; nil takes that of Config.
	Tokens Tokens
}

// Conn is a way to a cluster. Its credential is in Client, and nowhere else.
type Conn struct {
	// Config makes clients of Client; it holds no credential.
	Config *rest.Config
	// Client sends requests; it tells reach how they end.
	Client *http.Client
	// Watching is for watches: it waits while the cluster does not answer.
	Watching *http.Client

	host  string
	open  *opened
	reach *reach
}

// Dial returns the way to a cluster; nothing is asked of it before Run. News is
// told when the cluster first answers or does not, with nil or why, and when
// that changes.
func Dial(t Target, news func(error)) (*Conn, error) {
	c := &Conn{open: &opened{all: map[net.Conn]bool{}}, host: t.Config.Host}
	base, err := transport(t.Config, c.open.dial)
	if err != nil {
		return nil, err
	}
	c.reach = newReach(c.ask, news)
	authenticated, err := authenticate(t, sensing{restrained{base}, c.reach})
	if err != nil {
		return nil, err
	}
	c.Config = &rest.Config{Host: t.Config.Host, APIPath: t.Config.APIPath, Transport: authenticated, QPS: -1, WarningHandler: rest.NoWarnings{}}
	c.Client = &http.Client{Transport: authenticated}
	c.Watching = &http.Client{Transport: newPatient(authenticated, c.reach)}
	return c, nil
}

// transport is one of our own, so that it ends with the Conn: client-go keeps
// those that it makes for ever.
func transport(cfg *rest.Config, dial func(context.Context, string, string) (net.Conn, error)) (*http.Transport, error) {
	secure, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, errors.New("the certificates or keys for the cluster cannot be read: want PEM") // the cause may show them
	}
	t := &http.Transport{
		TLSClientConfig: secure, Proxy: cfg.Proxy, DialContext: dial,
		ResponseHeaderTimeout: headerTimeout, MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleConnTimeout, DisableCompression: true,
	}
	if t.Proxy == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	return utilnet.SetTransportDefaults(t), nil
}

func authenticate(t Target, next http.RoundTripper) (http.RoundTripper, error) {
	if t.Tokens != nil {
		return &bearer{next: next, tokens: t.Tokens}, nil
	}
	out, err := rest.HTTPWrappersForConfig(t.Config, next)
	if err != nil {
		return nil, errors.New("the user of the kubeconfig has more than one kind of credential; keep one")
	}
	return out, nil
}

// Run asks the cluster whether it answers, again whenever a request to it broke,
// until ctx ends.
func (c *Conn) Run(ctx context.Context) { c.reach.run(ctx) }

// Close ends every connection; nobody may send a request after it.
func (c *Conn) Close() { c.open.close() }

// opened are the connections that are open.
type opened struct {
	mu     sync.Mutex
	closed bool
	all    map[net.Conn]bool
}

func (o *opened) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	o.all[c] = true
	return closing{c, o}, nil
}

func (o *opened) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for c := range o.all {
		_ = c.Close()
	}
}

// closing forgets a connection when it is closed.
type closing struct {
	net.Conn
	of *opened
}

// Close closes the connection.
func (c closing) Close() error {
	c.of.mu.Lock()
	delete(c.of.all, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// State returns whether the cluster was asked, and an *Unreachable if it does not
// answer.
func (c *Conn) State() (asked bool, err error) {
	asked, err = c.reach.state()
	if err != nil {
		err = &Unreachable{c.host, err}
	}
	return asked, err
}

// ask is one question that every API server answers, allowed or not.
func (c *Conn) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.host, "/")+"/version", nil)
	if err != nil {
		return errors.New("its address is none") // unreachable: it was parsed
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return isAPI(resp)
}

// isAPI tells an API server from anything else that answers. What else answered
// is never shown: an address is somebody's to choose.
func isAPI(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	var answer struct{ GitVersion, Kind string }
	known := json.Unmarshal(body, &answer) == nil && (answer.GitVersion != "" || answer.Kind == "Status")
	switch {
	case resp.StatusCode >= 500:
		return fmt.Errorf("it answers with status %d", resp.StatusCode)
	case resp.StatusCode == http.StatusUnauthorized || known:
		return nil
	default:
		return errors.New("what answers there is no Kubernetes API server")
	}
}
