package fluxcli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) newCompletion() *cobra.Command {
	cmd := &cobra.Command{
		Use: "completion", Short: "Scripts that complete verbs, flags and the names of live objects",
		Example: `  . <(flux completion bash)
  flux completion zsh > "${fpath[1]}/_flux"
  flux completion fish | source`,
	}
	for shell, write := range map[string]func(*cobra.Command) error{
		"bash":       func(root *cobra.Command) error { return root.GenBashCompletionV2(p.Out, true) },
		"fish":       func(root *cobra.Command) error { return root.GenFishCompletion(p.Out, true) },
		"powershell": func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(p.Out) },
		"zsh": func(root *cobra.Command) error {
			if err := root.GenZshCompletion(p.Out); err != nil {
				return err
			}
			_, err := fmt.Fprintf(p.Out, "compdef _%[1]s %[1]s\n", root.Name())
			return err
		},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: shell, Short: "Script for " + shell, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return write(cmd.Root()) },
		})
	}
	return cmd
}
