package cli

import "github.com/spf13/cobra"

// groups are the verbs as `leat --help` lists them: by what a person wants.
var groups = []struct {
	id, title string
	verbs     []string
}{
	{"change", "See what a change does, before it merges:", []string{
		"plan", "check", "diff", "build", "test", "graph", "why", "set",
	}},
	{"flow", "Carry it from environment to environment:", []string{
		"init", "env", "matrix", "promote", "release", "hotfix", "rollback", "retire",
	}},
	{"guard", "Decide who may change what:", []string{"review", "gate", "approve", "access"}},
	{"local", "A fleet on this machine:", []string{"up", "down"}},
	{"cluster", "Look into a cluster:", []string{
		"get", "tree", "drift", "logs", "events", "trace", "stats", "debug", "export",
	}},
	{"act", "Act in a cluster:", []string{
		"reconcile", "suspend", "resume", "create", "delete", "trigger", "migrate",
	}},
	{"artifact", "Artifacts:", []string{"push", "pull", "tag", "list", "envsubst"}},
	{"program", "The program itself:", []string{
		"install", "uninstall", "controller", "version", "completion", "plugin", "help",
	}},
}

// group puts every verb of the root command into its group.
func group(root *cobra.Command) {
	of := map[string]string{}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, verb := range g.verbs {
			of[verb] = g.id
		}
	}
	for _, verb := range root.Commands() {
		verb.GroupID = of[verb.Name()]
	}
	root.SetHelpCommandGroupID(of["help"])
	root.SetCompletionCommandGroupID(of["completion"])
}
