package fluxcli

import (
	"errors"
	"testing"
)

func TestWithReady(t *testing.T) {
	err := errors.New("Failed to install after 1 attempt(s)")
	for ready, want := range map[string]string{
		"":                                      "Failed to install after 1 attempt(s)",
		"Failed to install":                     "Failed to install after 1 attempt(s)",
		"Helm install failed: no such template": "Failed to install after 1 attempt(s); HelmRelease/web says: Helm install failed: no such template",
	} {
		if got := withReady(err, "HelmRelease/web", ready); got.Error() != want || !errors.Is(got, err) {
			t.Errorf("%q: got %v, want %s", ready, got, want)
		}
	}
}
