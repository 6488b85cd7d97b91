// Package registrytest starts a real OCI registry for tests.
package registrytest

import (
	_ "github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
)
