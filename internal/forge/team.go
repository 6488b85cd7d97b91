package forge

import (
	"fmt"

	"github.com/leat-dev/leat/internal/source/fault"
)

// Needs says of a team that could not be read what its name must be, and what the token
// must be allowed: services hide behind «not found» what a token may not see. Other
// errors stay as they are.
func Needs(err error, what string) error {
	switch fault.ClassOf(err) {
	case fault.Auth, fault.Forbidden, fault.NotFound:
		return fmt.Errorf("%w; %s", err, what)
	}
	return err
}
