// Package fault says of what goes wrong between this program and a server of
// sources what kind of thing it is, and so what to do about it. It is what
// packages git, oci, charts, repo and forge return.
//
//	return &fault.Error{Class: fault.NotFound, URL: shown, Err: err}
//	if fault.ClassOf(err) == fault.Auth { … }
package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// Class is a kind of fault.
type Class string

// The classes.
const (
	Auth        Class = "authentication failed" // the credential is wrong or missing
	Forbidden   Class = "forbidden"             // the credential is good and may not do this
	Protected   Class = "protected"             // a rule of the server lets only pull requests change the branch
	Conflict    Class = "conflict"              // somebody was faster: what was expected is no longer so
	Trust       Class = "identity not verified" // TLS certificate, SSH host key; of the server, or ours
	NotFound    Class = "not found"             // what was asked for is not there
	Empty       Class = "empty repository"      // there is no commit
	Busy        Class = "busy"                  // the server asks for patience, see After
	Unreachable Class = "unreachable"           // the server does not answer, or not as it should
	Timeout     Class = "timeout"               // the context ended first
	TooLarge    Class = "too large"             // a limit was reached
	Unsafe      Class = "unsafe content"        // the content breaks a rule
	Corrupt     Class = "corrupt"               // the content is not what it was said to be
	InvalidURL  Class = "invalid URL"           // the address can never be used
	Invalid     Class = "invalid"               // something else that was asked can never be
)

// Error is a fault. Its text never holds a credential.
type Error struct {
	Class Class
	URL   string // without user information and query; "" when it is known from the context
	Err   error
	After time.Duration // of Busy: how long the server asks us to wait; 0 when it does not say
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

// ClassOf returns the class of a fault, "" of other errors.
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

// OfConnection classes what any connection may fail with: Timeout or Trust; ""
// for what only the protocol can class.
func OfConnection(err error) Class {
	var netErr net.Error
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &netErr) && netErr.Timeout():
		return Timeout
	case errors.As(err, &cert), errors.As(err, &unknown):
		return Trust
	}
	return ""
}
