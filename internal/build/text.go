package build

import (
	"fmt"

	"github.com/fluxcd/pkg/envsubst"
)

// Text substitutes variables in a text, as Build does in manifests: those of
// r.Substitute, with r.Strict. Values are taken as they are.
func Text(text string, r Recipe) (string, error) {
	v := variables{values: r.Substitute, strict: r.Strict, run: true, missing: &missing{}}
	if err := v.bound(text); err != nil {
		return "", fmt.Errorf("substitute: %w", err)
	}
	return envsubst.Eval(text, v.lookup)
}
