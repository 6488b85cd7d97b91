package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Class says what kind of thing went wrong, and so what to do about it.
type Class string

// The classes of errors.
const (
	Auth        Class = "authentication failed" // the credential is wrong or missing
	Trust       Class = "identity not verified" // the server's certificate
	NotFound    Class = "not found"             // the repository, tag, version or layer is not there
	Limited     Class = "rate limit"            // the registry asks to wait, see After
	Unreachable Class = "unreachable"           // the server does not answer, or not as a registry
	Timeout     Class = "timeout"               // the context ended first
	TooLarge    Class = "too large"             // a limit was reached
	Unsafe      Class = "unsafe content"        // the content breaks a rule
	InvalidURL  Class = "invalid URL"           // the address can never be used
	Invalid     Class = "invalid"               // something else that was asked can never be
)

// Error is what this package returns. Its text never holds a credential.
type Error struct {
	Class Class
	After time.Duration // of Limited: how long the registry asks to wait, 0 when it does not say
	Err   error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of an error of this package, "" of others.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// After returns how long a registry asks to wait, 0 when it does not.
func After(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}

func fail(class Class, format string, args ...any) error {
	return &Error{Class: class, Err: fmt.Errorf(format, args...)}
}

// classify finds the class of what the transport returns and takes out of its
// text what may be long or secret.
func classify(err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e // the context that others put before it is a URL
	}
	class := classOf(err)
	text := plain(err)
	switch class {
	case Auth:
		text = "authentication failed: " + text
	case Timeout:
		text = "the registry did not answer in time: " + text
	}
	return &Error{Class: class, Err: &shown{clip(text), err}}
}

// shown is an error with another text.
type shown struct {
	text string
	err  error
}

func (s *shown) Error() string { return s.text }
func (s *shown) Unwrap() error { return s.err }

func classOf(err error) Class {
	var netErr net.Error
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var answer *transport.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &netErr) && netErr.Timeout():
		return Timeout
	case errors.As(err, &cert), errors.As(err, &unknown):
		return Trust
	case wantsCertificate(err):
		return Auth
	case errors.As(err, &answer):
		return classOfAnswer(answer)
	case strings.Contains(err.Error(), "Proxy Authentication Required"):
		return Auth
	}
	return Unreachable
}

func classOfAnswer(err *transport.Error) Class {
	for _, d := range err.Errors {
		switch d.Code {
		case transport.UnauthorizedErrorCode, transport.DeniedErrorCode:
			return Auth
		case transport.ManifestUnknownErrorCode, transport.NameUnknownErrorCode, transport.BlobUnknownErrorCode:
			return NotFound
		}
	}
	switch err.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return Auth
	case http.StatusNotFound, http.StatusGone:
		return NotFound
	}
	return Unreachable
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
	case class != Trust && !wantsCertificate(err) && errors.As(err, &answer):
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
