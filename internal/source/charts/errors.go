package charts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Class says what kind of thing went wrong, and so what to do about it.
type Class string

// The classes of errors.
const (
	Auth        Class = "authentication failed" // the credential is wrong or missing
	NotFound    Class = "not found"             // there is no such file
	Unreachable Class = "unreachable"           // the server does not answer, or not as it should
	Timeout     Class = "timeout"               // the context ended first
	TooLarge    Class = "too large"             // a limit was reached
	Invalid     Class = "invalid"               // what was asked can never be
	Trust       Class = "identity not verified" // of the server, or ours
	Busy        Class = "busy"                  // the server asks for patience
	Corrupt     Class = "corrupt"               // not what the index says
)

// Error is what this package returns. Its text never holds a credential.
type Error struct {
	Class Class
	URL   string // without user information and query
	Err   error
	After time.Duration // how long the server asks us to wait
}

// Error implements error.
func (e *Error) Error() string {
	if e.URL == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %s", e.URL, e.Err)
}

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

// After returns how long the server asked us to wait, zero for not at all.
func After(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}

// classify finds the class of what the HTTP client returns.
func classify(err error, address string) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // its text holds the URL as it was sent
	}
	class := Unreachable
	var netErr net.Error
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		class, err = Timeout, fmt.Errorf("the server did not answer in time: %w", err)
	case errors.Is(err, context.Canceled):
		class = Timeout
	case errors.As(err, &cert), errors.As(err, &unknown), strings.Contains(err.Error(), "remote error: tls: "):
		class = Trust
	}
	return &Error{Class: class, URL: Shown(address), Err: err}
}
