// Package flowtest plays what people of the seeds do by hand, end to end: real Git
// servers (a Gitea where one is built, else git's own over HTTP), an embedded
// Kubernetes with an engine of its own for each environment, and the verbs as a person
// types them.
//
//	go test ./flowtest              # plays the stories, holds docs/stories.md to them
//	go test ./flowtest -update      # writes what was printed into docs/stories.md
//
// The fleets are the public ones of the seeds; they lie beside the checkout, and where
// they do not the stories are skipped, and say so. Nothing here waits for a clock: who
// would be told by a webhook is told.
package flowtest
