package fluxcli

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Help says something of every command and every flag, and examples begin with
// the name that the program was called by.
func TestHelp(t *testing.T) {
	root := New(Env{Out: io.Discard, Err: io.Discard})
	walk(root, func(cmd *cobra.Command) {
		if cmd.Short == "" {
			t.Errorf("%s says nothing of itself", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing of itself", cmd.CommandPath(), f.Name)
			}
		})
		for line := range strings.Lines(cmd.Example) {
			if words := strings.Fields(line); len(words) > 0 && slices.Contains(verbNames(root), words[0]) {
				t.Errorf("%s: the example %q does not begin with the program's name", cmd.CommandPath(), line)
			}
		}
	})
}

// The nodes of the contract (reference, section 4.3) whose kinds come from the
// table are all there, with their aliases.
func TestNodes(t *testing.T) {
	root := New(Env{Out: io.Discard, Err: io.Discard})
	for _, line := range []string{
		"get kustomizations", "get ks", "get kustomization", "get helmreleases", "get hr", "get sources git", "get source oci", "get sources external",
		"get sources all", "get images policy", "get image all", "get all", "get alerts", "get alert", "get alert-provider", "get receiver", "get artifacts generators",
		"get artifact generator", "reconcile ks", "reconcile hr", "reconcile source bucket", "reconcile source chart", "reconcile image update", "reconcile receiver",
		"suspend ks", "suspend alert", "suspend alert-provider", "suspend source helm", "suspend image policy", "resume hr", "resume source oci", "resume image repository",
		"delete ks", "delete source chart", "delete image update", "delete alert-provider", "delete receiver",
		"export ks", "export hr", "export source external", "export source git", "export artifact generator", "export image policy", "export alert", "export receiver",
		"tree ks", "tree kustomization", "tree artifact generator", "debug ks", "debug hr", "events", "logs", "stats", "trace", "check", "version",
	} {
		words := strings.Fields(line)
		cmd, rest, err := root.Find(words)
		if err != nil || len(rest) > 0 || !cmd.Runnable() {
			t.Errorf("flux %s: found %q, left %q, %v", line, cmd.CommandPath(), rest, err)
		}
	}
	for _, missing := range []string{"reconcile alert", "suspend artifact", "delete source external"} {
		if cmd, rest, _ := root.Find(strings.Fields(missing)); len(rest) == 0 && cmd.Runnable() {
			t.Errorf("flux %s is there, which upstream has not", missing)
		}
	}
}

// Below leat there are the same verbs with the shared flags on each.
func TestVerbsBelowLeat(t *testing.T) {
	verbs := Verbs(Env{Own: true, Out: io.Discard, Err: io.Discard}, "version")
	for _, verb := range verbs {
		if verb.Name() == "version" {
			t.Error("version was to be left out")
		}
		if verb.PersistentFlags().Lookup("kubeconfig") == nil {
			t.Errorf("%s has no --kubeconfig", verb.Name())
		}
	}
}

func verbNames(root *cobra.Command) []string {
	var names []string
	for _, verb := range root.Commands() {
		names = append(names, verb.Name())
	}
	return names
}
