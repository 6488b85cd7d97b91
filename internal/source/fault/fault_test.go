package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

func TestErrorIsFoundBelowOthers(t *testing.T) {
	cause := errors.New("the server says no")
	err := fmt.Errorf("index: %w", &Error{Class: Busy, URL: "https://charts.example.org", Err: cause, After: time.Minute})
	if ClassOf(err) != Busy || After(err) != time.Minute || !errors.Is(err, cause) {
		t.Errorf("got %q after %s: %v", ClassOf(err), After(err), err)
	}
	if want := "index: https://charts.example.org: the server says no"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if ClassOf(cause) != "" || After(cause) != 0 || ClassOf(nil) != "" {
		t.Error("an error of others has a class")
	}
}

func TestOfConnection(t *testing.T) {
	for want, err := range map[Class]error{
		Timeout: &net.OpError{Op: "read", Err: context.DeadlineExceeded},
		Trust:   &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"":      &net.OpError{Op: "dial", Err: errors.New("connection refused")},
	} {
		if got := OfConnection(fmt.Errorf("get: %w", err)); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
	if got := OfConnection(context.Canceled); got != Timeout {
		t.Errorf("cancelled: got %q", got)
	}
}
