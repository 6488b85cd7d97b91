package app

import (
	"testing"

	"github.com/leat-dev/leat/internal/flow"
)

func TestForgeAddress(t *testing.T) {
	const fleet = "https://git.example.com:8443/team/fleet"
	for _, c := range []struct{ declared, repository, want string }{
		{fleet, "", fleet},
		{fleet, "https://git.example.com/team/web.git", "https://git.example.com:8443/team/web"},
		{fleet, "git@git.example.com:team/web.git", "https://git.example.com:8443/team/web"},
		{fleet, "ssh://git@git.example.com:2222/team/web", "https://git.example.com:8443/team/web"},
		{fleet, "https://elsewhere.example.com/team/web", ""},
		{fleet, "/srv/git/web.git", ""},
		{"https://dev.azure.com/org/p/_git/fleet", "git@ssh.dev.azure.com:v3/org/p/web", "https://dev.azure.com/v3/org/p/web"},
	} {
		if got, err := forgeAddress(c.declared, c.repository); err != nil || got != c.want {
			t.Errorf("%s of %s: got %q, %v; want %q", c.repository, c.declared, got, err, c.want)
		}
	}
}

// Every kind that leat.yaml takes opens a forge, but plain Git.
func TestEveryKindOpens(t *testing.T) {
	t.Setenv("LEAT_FORGE_TOKEN", "token")
	for kind, address := range map[string]string{
		"azure-devops": "https://dev.azure.com/org/project/_git/fleet", "bitbucket-cloud": "https://bitbucket.org/team/fleet",
		"bitbucket-server": "https://git.example.com/projects/TEAM/repos/fleet", "gitea": "https://git.example.com/team/fleet",
		"github": "https://github.com/team/fleet", "gitlab": "https://gitlab.com/team/fleet", "git": "https://git.example.com/fleet",
	} {
		text := "apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments: [{name: dev, branch: main}]\nforge: {kind: " + kind + ", url: " + address + "}\n"
		f, err := flow.Parse("leat.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := forgeOf(f.Forge, ""); err != nil || (got == nil) != (kind == "git") || (forgeKinds[kind].webhook == nil) != (kind == "git") {
			t.Errorf("%s: got %v, %v", kind, got, err)
		}
	}
}
