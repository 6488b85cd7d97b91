package charts

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/leat-dev/leat/internal/source/fault"
)

// classify finds the class of what the HTTP client returns.
func classify(err error, address string) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // its text holds the URL as it was sent
	}
	class := fault.OfConnection(err)
	switch {
	case class == fault.Timeout && !errors.Is(err, context.Canceled):
		err = fmt.Errorf("the server did not answer in time: %w", err)
	case class == "" && strings.Contains(err.Error(), "remote error: tls: "):
		class = fault.Trust
	case class == "":
		class = fault.Unreachable
	}
	return &fault.Error{Class: class, URL: Shown(address), Err: err}
}
