package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// classify finds the class of what a transport returns.
func classify(err error, shownURL string) error {
	var e *fault.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // its text holds the URL as it was sent
	}
	class, err := classOf(err)
	return &fault.Error{Class: class, URL: shownURL, Err: err}
}

func classOf(err error) (fault.Class, error) {
	var tooMany *wire.TooManyError
	class := fault.OfConnection(err)
	switch {
	case class == fault.Timeout && !errors.Is(err, context.Canceled):
		return class, fmt.Errorf("the server did not answer in time: %w", err)
	case class != "":
		return class, err
	case errors.Is(err, wire.ErrSHA256):
		return fault.Invalid, err
	case errors.As(err, &tooMany):
		return fault.TooLarge, err
	case untrusted(err):
		return fault.Trust, err
	}
	return classOfAnswer(err)
}

// untrusted tells whether the host key of a server is not the one that is known.
func untrusted(err error) bool {
	var host *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	return errors.As(err, &host) || errors.As(err, &revoked) || errors.Is(err, errWeakKey)
}

func classOfAnswer(err error) (fault.Class, error) {
	var status *wire.StatusError
	var server *wire.ServerError
	var auth *ssh.ServerAuthError
	switch {
	case errors.As(err, &status):
		switch status.Code {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
			return fault.Auth, fmt.Errorf("authentication failed: %w", err)
		case http.StatusNotFound, http.StatusGone:
			return fault.NotFound, fmt.Errorf("there is no such repository, or it may not be read with this credential: %w", err)
		}
	case errors.As(err, &auth), strings.Contains(err.Error(), "ssh: unable to authenticate"):
		return fault.Auth, fmt.Errorf("authentication failed: %w", err)
	case errors.As(err, &server) && isMissing(server.Text):
		return fault.NotFound, fmt.Errorf("there is no such repository, or it may not be read with this credential: %w", err)
	case strings.Contains(err.Error(), "remote error: tls: ") && strings.Contains(err.Error(), "certificate"): // required, bad, unknown…
		return fault.Auth, fmt.Errorf("authentication failed: %w", err)
	}
	return fault.Unreachable, err
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
