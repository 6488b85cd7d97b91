// Package ocitest holds package oci to a real registry: what it reads, how it
// logs in, what it refuses.
package ocitest
