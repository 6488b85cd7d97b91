// Package helmtest holds the tests of internal/helm against a real API server.
// They are apart because the server is Kubernetes itself.
package helmtest
