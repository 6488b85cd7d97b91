package fluxcli

import "github.com/spf13/cobra"

// writers are the verbs that make, build, compare and move things.
func (p *program) writers() []*cobra.Command {
	return []*cobra.Command{p.newInstall(), p.newUninstall(), p.newCreate(), p.newMigrate(), p.newEnvsubst(), p.newBuild(), p.newDiff(), p.newPush(), p.newPull(), p.newTag(), p.newList(), p.newTrigger(), p.newPlugin(), p.newCompletion()}
}
