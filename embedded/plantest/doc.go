// Package plantest plans changes of a fleet that a real API server has, and sees that
// the server does not notice.
//
//	go test ./embedded/plantest
package plantest
