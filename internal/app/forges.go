package app

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/azure"
	"github.com/leat-dev/leat/internal/forge/bitbucket"
	"github.com/leat-dev/leat/internal/forge/bitbucketcloud"
	"github.com/leat-dev/leat/internal/forge/gitea"
	"github.com/leat-dev/leat/internal/forge/github"
	"github.com/leat-dev/leat/internal/forge/gitlab"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/secret"
)

// plainGit is the kind of no forge: records in the repository itself.
const plainGit = "git"

// Forge is that of a repository; nil where a person merges what was pushed.
func (c *Carrying) Forge(of *repo.Repo) (forge.Forge, error) {
	out, why, err := c.forge(of)
	if why != "" && c.cfg.Signing.Without != nil {
		c.cfg.Signing.Without(why)
	}
	return out, err
}

// forge opens it, or says why there is none.
func (c *Carrying) forge(of *repo.Repo) (out forge.Forge, why string, err error) {
	declared, repository := c.Flow.Forge, of.URL()
	if of == c.Repo {
		repository = "" // however it was cloned
	}
	switch {
	case declared == nil:
		return nil, "there is no forge in " + flow.FileName, nil
	case declared.Kind == plainGit:
		return c.plain(of)
	}
	if out, err = forgeOf(declared, repository); out == nil && err == nil {
		why = fmt.Sprintf("%s is on another host than the forge of %s", repository, flow.FileName)
	}
	return out, why, err
}

// forgeOf opens the forge of a repository: that of leat.yaml for the fleet's own, and
// for others on the same host. nil, with no error, is plain Git, or another host.
func forgeOf(declared *flow.Forge, repository string) (forge.Forge, error) {
	if declared == nil || declared.Kind == plainGit {
		return nil, nil
	}
	at, err := forgeAddress(declared.URL, repository)
	if err != nil || at == "" {
		return nil, err
	}
	of, known := forgeKinds[declared.Kind]
	if !known {
		return nil, fmt.Errorf("%s: there is no forge.kind %q", flow.FileName, declared.Kind) // Parse refuses it
	}
	token := tokenOf(declared.Kind)
	if token.IsZero() {
		return nil, fmt.Errorf("a %s needs a token to open pull requests: set %s", declared.Kind, strings.Join(of.tokens, " or "))
	}
	return of.open(forge.Config{URL: at, Token: token, User: os.Getenv("LEAT_FORGE_USER")})
}

// forgeAddress is where a repository stands at the forge: where the declared one does,
// on the same host with the path of the repository. Empty where it is another host.
func forgeAddress(declared, repository string) (string, error) {
	forgeURL, err := url.Parse(declared)
	if err != nil {
		return "", fmt.Errorf("leat.yaml: forge.url: %w", err)
	}
	if repository == "" {
		return declared, nil
	}
	if ssh, is := mirror.FromSCP(repository); is {
		repository = ssh
	}
	other, err := url.Parse(repository)
	if err != nil || strings.TrimPrefix(other.Hostname(), "ssh.") != forgeURL.Hostname() { // Azure's of ssh has it
		return "", nil //nolint:nilerr // an address that is no URL is a folder
	}
	out := *forgeURL
	out.Path = strings.TrimSuffix(other.Path, ".git")
	return out.String(), nil
}

// service is a kind of forge.
type service struct {
	open    func(forge.Config) (forge.Forge, error)
	webhook forge.Webhook
	tokens  []string // variables in which its token is looked for; the first that is set counts
}

// forgeKinds are those of forge.kind, but plain Git.
var forgeKinds = map[string]service{
	"azure-devops":     {opening(azure.New), azure.Webhook, []string{"LEAT_FORGE_TOKEN", "AZURE_DEVOPS_TOKEN", "SYSTEM_ACCESSTOKEN"}},
	"bitbucket-cloud":  {opening(bitbucketcloud.New), bitbucketcloud.Webhook, []string{"LEAT_FORGE_TOKEN", "BITBUCKET_TOKEN"}},
	"bitbucket-server": {opening(bitbucket.New), bitbucket.Webhook, []string{"LEAT_FORGE_TOKEN", "BITBUCKET_TOKEN"}},
	"gitea":            {opening(gitea.New), gitea.Webhook, []string{"LEAT_FORGE_TOKEN", "GITEA_TOKEN"}},
	"github":           {opening(github.New), github.Webhook, []string{"LEAT_FORGE_TOKEN", "GITHUB_TOKEN"}},
	"gitlab":           {opening(gitlab.New), gitlab.Webhook, []string{"LEAT_FORGE_TOKEN", "GITLAB_TOKEN"}},
}

// opening lets a service's own type be a forge, and nothing be none.
func opening[F forge.Forge](open func(forge.Config) (F, error)) func(forge.Config) (forge.Forge, error) {
	return func(c forge.Config) (forge.Forge, error) {
		f, err := open(c)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
}

func tokenOf(kind string) secret.Value {
	for _, name := range forgeKinds[kind].tokens {
		if set := os.Getenv(name); set != "" {
			return secret.Of(set)
		}
	}
	return secret.Value{}
}
