// Package kube is the harness's own client: raw requests, counted in the terms
// of the API server's metrics, so that they can be subtracted from what the
// server counted.
//
//	c, err := kube.Connect(kubeconfig)
//	err = c.Apply(ctx, object)
//	before, err := c.Scrape(ctx)
//	...
//	requests := after.Sub(before)
//
// It must never cache, retry or poll behind the caller's back.
package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Manager is the field manager of what the harness applies.
const Manager = "leat-bench"

// maxAnswer bounds the answer to one request, in bytes.
const maxAnswer = 256 << 20

// Client talks to one API server. It is safe for concurrent use.
type Client struct {
	http *http.Client
	host string

	mu  sync.Mutex
	own Counts
}

// Connect reads a kubeconfig. Nothing is sent yet.
func Connect(kubeconfig string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return &Client{http: client, host: config.Host, own: Counts{}}, nil
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Code int
	Body string
}

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d: %.300s", e.Code, e.Body) }

// IsStatus tells whether err is an answer with this code.
func IsStatus(err error, code int) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Code == code
}

// request is one request in the terms of the metrics.
type request struct {
	verb        string // GET, LIST, WATCH, APPLY, PATCH, DELETE, POST
	kind        Kind
	path        string
	subresource string
	query       url.Values
	contentType string
	accept      string
	body        []byte
}

var methods = map[string]string{
	"GET": "GET", "LIST": "GET", "WATCH": "GET", "APPLY": "PATCH", "PATCH": "PATCH", "DELETE": "DELETE", "POST": "POST",
}

// open sends r and returns the body of a 2xx answer. The caller closes it and
// calls count when the server will have counted.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	address := c.host + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, methods[r.verb], address, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.accept == "" {
		r.accept = "application/json"
	}
	req.Header.Set("Accept", r.accept)
	return c.http.Do(req)
}

func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	response, err := c.open(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.verb, r.path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	c.count(r, response.StatusCode)
	if err == nil && response.StatusCode/100 != 2 {
		err = &StatusError{Code: response.StatusCode, Body: string(body)}
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.verb, r.path, err)
	}
	return body, nil
}

func (c *Client) count(r request, code int) {
	if r.kind.Resource == "" {
		return // not a resource: the server does not count these under apiserver_request_total
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own[Sort{Verb: r.verb, Resource: r.kind.Resource, Subresource: r.subresource, Code: code}]++
}

// Own is what this client has sent, and what was answered.
func (c *Client) Own() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own.Add(nil)
}

// Apply applies an object server-side, with force.
func (c *Client) Apply(ctx context.Context, o map[string]any) error {
	return c.ApplyAs(ctx, o, Manager)
}

// ApplyAs is Apply with another field manager.
func (c *Client) ApplyAs(ctx context.Context, o map[string]any, manager string) error {
	k, err := KindOf(o)
	if err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, request{
		verb: "APPLY", kind: k, path: k.Path(Name(o)), contentType: "application/apply-patch+yaml", body: body,
		query: url.Values{"fieldManager": {manager}, "force": {"true"}},
	})
	return err
}

// Target names one object.
type Target struct {
	Kind            Kind
	Namespace, Name string
}

func (t Target) path() string { return t.Kind.Path(t.Namespace, t.Name) }

// PatchType is the content type of a patch.
type PatchType string

// The types of patches.
const (
	MergePatch PatchType = "application/merge-patch+json"
	JSONPatch  PatchType = "application/json-patch+json"
)

// Patch patches an object as a field manager.
func (c *Client) Patch(ctx context.Context, t Target, p PatchType, body, manager string) error {
	_, err := c.do(ctx, request{
		verb: "PATCH", kind: t.Kind, path: t.path(), contentType: string(p), body: []byte(body),
		query: url.Values{"fieldManager": {manager}},
	})
	return err
}

// Delete deletes an object.
func (c *Client) Delete(ctx context.Context, t Target) error {
	_, err := c.do(ctx, request{verb: "DELETE", kind: t.Kind, path: t.path()})
	return err
}

// Get returns the JSON of an object.
func (c *Client) Get(ctx context.Context, t Target) ([]byte, error) {
	return c.do(ctx, request{verb: "GET", kind: t.Kind, path: t.path()})
}

// List returns the JSON of the objects of a kind in a namespace.
func (c *Client) List(ctx context.Context, k Kind, namespace string) ([]json.RawMessage, error) {
	body, err := c.do(ctx, request{verb: "LIST", kind: k, path: k.Path(namespace, "")})
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("list %s: %w", k.Resource, err)
	}
	return list.Items, nil
}

// Scrape reads how many requests the server has counted.
func (c *Client) Scrape(ctx context.Context) (Counts, error) {
	body, err := c.do(ctx, request{verb: "GET", path: "/metrics", accept: "text/plain"})
	if err != nil {
		return nil, err
	}
	return ParseMetrics(bytes.NewReader(body))
}
