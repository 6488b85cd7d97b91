package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is the release; the Makefile sets it.
var Version = "dev"

// versions is what `leat version` prints.
type versions struct {
	Leat       string `json:"leat"`
	Flux       string `json:"flux"`       // the release whose contract this follows
	Kubernetes string `json:"kubernetes"` // of the client libraries
	Go         string `json:"go"`
	Embedded   bool   `json:"embedded"` // whether leat up can start a cluster
}

func newVersion(env Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: args(cobra.NoArgs),
		Example: "  leat version --output json",
		RunE: func(*cobra.Command, []string) error {
			v := versions{Version, "v2.9", moduleVersion("k8s.io/client-go"), runtime.Version(), env.ControlPlane != nil}
			switch output {
			case "json":
				return json.NewEncoder(env.Out).Encode(v)
			case "text":
				embedded := "without the embedded control plane"
				if v.Embedded {
					embedded = "with the embedded control plane"
				}
				_, err := fmt.Fprintf(env.Out, "leat %s (%s)\nfollows Flux %s, client-go %s, %s\n", v.Leat, embedded, v.Flux, v.Kubernetes, v.Go)
				return err
			default:
				return usage("--output %q: want text or json", output)
			}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			if m.Replace != nil {
				return m.Replace.Version
			}
			return m.Version
		}
	}
	return "unknown"
}
