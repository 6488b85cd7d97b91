package git

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

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/leat-dev/leat/internal/source/git/wire"
)

// Class says what kind of thing went wrong, and so what to do about it.
type Class string

// The classes of errors. The reasons that Flux gives for them are in brackets.
const (
	Auth        Class = "authentication failed" // the credential is wrong or missing [AuthenticationFailed]
	NotFound    Class = "not found"             // the repository or the ref is not there [GitOperationFailed]
	Empty       Class = "empty repository"      // there is no commit [EmptyGitRepository]
	Unreachable Class = "unreachable"           // the server does not answer, or not as one of Git [GitOperationFailed]
	Timeout     Class = "timeout"               // the context ended first [GitOperationFailed]
	TooLarge    Class = "too large"             // a limit was reached [GitOperationFailed]
	Unsafe      Class = "unsafe content"        // the repository tries something [GitOperationFailed]
	Invalid     Class = "invalid"               // what was asked can never be [GitOperationFailed]
	Trust       Class = "identity not verified" // TLS certificate or SSH host key [AuthenticationFailed]
)

// Error is what this package returns. Its text never holds a credential.
type Error struct {
	Class Class
	URL   string // without user information; "" when it is known from the context
	Err   error
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

// classify finds the class of what a transport returns.
func classify(err error, shownURL string) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // its text holds the URL as it was sent
	}
	class, err := classOf(err)
	return &Error{Class: class, URL: shownURL, Err: err}
}

func classOf(err error) (Class, error) {
	var netErr net.Error
	var tooMany *wire.TooManyError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return Timeout, fmt.Errorf("the server did not answer in time: %w", err)
	case errors.Is(err, context.Canceled):
		return Timeout, err
	case errors.Is(err, wire.ErrSHA256):
		return Invalid, err
	case errors.As(err, &tooMany):
		return TooLarge, err
	}
	if class, ok := classOfTrust(err); ok {
		return class, err
	}
	return classOfAnswer(err)
}

func classOfTrust(err error) (Class, bool) {
	var host *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host), errors.As(err, &revoked), errors.As(err, &cert), errors.As(err, &unknown), errors.Is(err, errWeakKey):
		return Trust, true
	}
	return "", false
}

func classOfAnswer(err error) (Class, error) {
	var status *wire.StatusError
	var server *wire.ServerError
	var auth *ssh.ServerAuthError
	switch {
	case errors.As(err, &status):
		switch status.Code {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
			return Auth, fmt.Errorf("authentication failed: %w", err)
		case http.StatusNotFound, http.StatusGone:
			return NotFound, fmt.Errorf("there is no such repository, or it may not be read with this credential: %w", err)
		}
	case errors.As(err, &auth), strings.Contains(err.Error(), "ssh: unable to authenticate"):
		return Auth, fmt.Errorf("authentication failed: %w", err)
	case errors.As(err, &server) && isMissing(server.Text):
		return NotFound, fmt.Errorf("there is no such repository, or it may not be read with this credential: %w", err)
	case strings.Contains(err.Error(), "remote error: tls: ") && strings.Contains(err.Error(), "certificate"): // required, bad, unknown…
		return Auth, fmt.Errorf("authentication failed: %w", err)
	}
	return Unreachable, err
}

// isMissing knows how the forges say over SSH that there is no repository.
func isMissing(text string) bool {
	text = strings.ToLower(text)
	for _, s := range []string{"not found", "does not exist", "no such repository", "not appear to be a git repository", "could not be found", "access denied", "not exported"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
