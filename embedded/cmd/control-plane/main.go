// Command control-plane is the embedded Kubernetes and nothing else; tests start
// it, so that they need not link it themselves (see package kubetest).
package main

import (
	"os"

	"github.com/leat-dev/leat/embedded/verb"
)

func main() { os.Exit(verb.ControlPlane(os.Args[1:])) }
