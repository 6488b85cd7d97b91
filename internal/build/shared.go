package build

// Shared runs f, which calls kustomize by other ways than Build, while the
// process's schema is the built-in one. f must not set a schema of its own.
func Shared(f func()) { withSchema(false, f) }
