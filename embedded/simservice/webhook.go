// Package simservice answers for Services whose pods are simulated where the
// API server itself calls them: admission webhooks, conversion webhooks and
// aggregated APIs. Without an answer, one webhook with failurePolicy Fail
// would stop every change of a rehearsed cluster.
//
// A webhook allows everything and changes nothing, a conversion changes the
// apiVersion only, an aggregated API has no resources. Each Service that was
// answered for gets an event that says so. Webhooks with a URL are called for
// real, and a Service that does not exist is the error it would be.
//
// It must never let a call leave the process.
package simservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/initializer"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
)

// Webhooks answers webhooks. Resolve must be set before the API server serves.
type Webhooks struct {
	// Resolve finds a Service, as the API server does before it calls one.
	Resolve func(namespace, name string, port int32) (*url.URL, error)
	// Answered is called for every answer.
	Answered func(namespace, service string)
}

// Decorate makes an admission plugin ask w instead of Services.
func (w *Webhooks) Decorate(plugin admission.Interface, _ string) admission.Interface {
	if p, ok := plugin.(initializer.WantsAuthenticationInfoResolverWrapper); ok {
		p.SetAuthenticationInfoResolverWrapper(w.Wrap)
	}
	return plugin
}

// Wrap makes the clients of Services end at w.
func (w *Webhooks) Wrap(next webhook.AuthenticationInfoResolver) webhook.AuthenticationInfoResolver {
	return &webhook.AuthenticationInfoResolverDelegator{
		ClientConfigForFunc: next.ClientConfigFor,
		ClientConfigForServiceFunc: func(name, namespace string, port int) (*rest.Config, error) {
			config, err := next.ClientConfigForService(name, namespace, port)
			if err != nil || namespace == "default" && name == "kubernetes" {
				return config, err
			}
			config = rest.CopyConfig(config)
			config.Wrap(func(http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					return w.call(r, namespace, name, int32(port))
				})
			})
			return config, nil
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *Webhooks) call(r *http.Request, namespace, name string, port int32) (*http.Response, error) {
	defer r.Body.Close()
	if _, err := w.Resolve(namespace, name, port); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	answer, err := review(body)
	if err != nil {
		return nil, fmt.Errorf("simulate webhook of Service %s/%s: %w", namespace, name, err)
	}
	w.Answered(namespace, name)
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

// request is what admission.k8s.io and apiextensions.k8s.io send, in all their
// versions, as far as an answer needs it.
type request struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    struct {
		UID               string           `json:"uid"`
		DesiredAPIVersion string           `json:"desiredAPIVersion"`
		Objects           []map[string]any `json:"objects"`
	} `json:"request"`
}

// review answers an AdmissionReview or a ConversionReview.
func review(body []byte) ([]byte, error) {
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	response := map[string]any{"uid": in.Request.UID}
	switch in.Kind {
	case "AdmissionReview":
		response["allowed"] = true
	case "ConversionReview":
		for _, o := range in.Request.Objects {
			o["apiVersion"] = in.Request.DesiredAPIVersion
		}
		response["convertedObjects"] = in.Request.Objects
		response["result"] = map[string]any{"status": "Success"}
	default:
		return nil, fmt.Errorf("unknown request %s %s", in.APIVersion, in.Kind)
	}
	return json.Marshal(map[string]any{"apiVersion": in.APIVersion, "kind": in.Kind, "response": response})
}
