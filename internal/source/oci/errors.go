package oci

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/leat-dev/leat/internal/source/fault"
)

func fail(class fault.Class, format string, args ...any) error {
	return &fault.Error{Class: class, Err: fmt.Errorf(format, args...)}
}

// classify finds the class of what the transport returns and takes out of its
// text what may be long or secret.
func classify(err error) error {
	var e *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e // the context that others put before it is a URL
	}
	class := classOf(err)
	text := plain(err)
	switch class {
	case fault.Auth:
		text = "authentication failed: " + text
	case fault.Timeout:
		text = "the registry did not answer in time: " + text
	}
	return &fault.Error{Class: class, Err: &shown{clip(text), err}}
}

// shown is an error with another text.
type shown struct {
	text string
	err  error
}

func (s *shown) Error() string { return s.text }
func (s *shown) Unwrap() error { return s.err }

func classOf(err error) fault.Class {
	var answer *transport.Error
	if class := fault.OfConnection(err); class != "" {
		return class
	}
	switch {
	case wantsCertificate(err):
		return fault.Auth
	case errors.As(err, &answer):
		return classOfAnswer(answer)
	case strings.Contains(err.Error(), "Proxy Authentication Required"):
		return fault.Auth
	}
	return fault.Unreachable
}

func classOfAnswer(err *transport.Error) fault.Class {
	for _, d := range err.Errors {
		switch d.Code {
		case transport.UnauthorizedErrorCode, transport.DeniedErrorCode:
			return fault.Auth
		case transport.ManifestUnknownErrorCode, transport.NameUnknownErrorCode, transport.BlobUnknownErrorCode:
			return fault.NotFound
		}
	}
	switch err.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return fault.Auth
	case http.StatusNotFound, http.StatusGone:
		return fault.NotFound
	}
	return fault.Unreachable
}

// wantsCertificate tells whether the server refused us for want of one that it
// takes: required, bad, unknown…
func wantsCertificate(err error) bool {
	return strings.Contains(err.Error(), "remote error: tls: ") && strings.Contains(err.Error(), "certificate")
}

// plain returns the text of an error without what was asked: addresses behind
// a redirect may be signed. Where TLS and plain HTTP were tried, what a
// registry answers goes before what a connection lacks.
func plain(err error) string {
	var of *url.Error
	var answer *transport.Error
	switch class := classOf(err); {
	case class != fault.Trust && !wantsCertificate(err) && errors.As(err, &answer):
		return answer.Error()
	case errors.As(err, &of):
		return of.Err.Error()
	}
	text := err.Error()
	if head, _, ok := strings.Cut(text, "no token in bearer response"); ok {
		return head + "no token in the answer of the token server"
	}
	return text
}

// maxText bounds the text of an error, in bytes: a registry writes it.
const maxText = 600

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
