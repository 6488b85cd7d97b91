package fluxcli

import (
	"io"
	"strings"
	"testing"
)

// The nodes of the contract (reference, section 4.3) that make, build, compare
// and move things are all there.
func TestWriterNodes(t *testing.T) {
	root := New(Env{Out: io.Discard, Err: io.Discard})
	for _, line := range []string{
		"build artifact", "build kustomization", "build ks", "completion bash", "completion fish", "completion powershell", "completion zsh",
		"create alert", "create alert-provider", "create helmrelease", "create hr", "create image policy", "create image repository", "create image update",
		"create kustomization", "create ks", "create receiver", "create secret git", "create secret githubapp", "create secret helm", "create secret notation",
		"create secret oci", "create secret proxy", "create secret receiver", "create secret tls", "create source bucket", "create source chart",
		"create source git", "create source helm", "create source oci", "create tenant", "diff artifact", "diff kustomization", "diff ks", "envsubst",
		"install", "list artifacts", "migrate", "pull artifact", "push artifact", "tag artifact", "uninstall",
	} {
		cmd, rest, err := root.Find(strings.Fields(line))
		if err != nil || len(rest) > 0 || !cmd.Runnable() {
			t.Errorf("flux %s: found %q, left %q, %v", line, cmd.CommandPath(), rest, err)
		}
	}
}
