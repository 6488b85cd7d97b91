package fluxcli

import "github.com/spf13/cobra"

func (p *program) newBuildArtifact() *cobra.Command {
	return &cobra.Command{Use: "artifact"}
}
