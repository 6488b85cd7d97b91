package helm

import (
	"errors"

	"helm.sh/helm/v4/pkg/storage/driver"
)

// hidden is an error whose own text is not fit to be seen.
type hidden struct {
	text string
	err  error
}

// Error returns the text without secrets.
func (h *hidden) Error() string { return h.text }

// Is tells whether the error is, or wraps, target.
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }

func isNotFound(err error) bool { return errors.Is(err, driver.ErrReleaseNotFound) }
