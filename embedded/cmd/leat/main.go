// Command leat, with the embedded control plane.
package main

import (
	"fmt"
	"os"

	"github.com/leat-dev/leat/embedded/verb"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "control-plane" {
		os.Exit(verb.ControlPlane(os.Args[2:]))
	}
	fmt.Fprintln(os.Stderr, "usage: leat control-plane --data-dir DIRECTORY [flags]")
	os.Exit(2)
}
