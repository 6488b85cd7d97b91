// Package github is the forge port for GitHub and GitHub Enterprise Server, by the
// REST API of version 2022-11-28 (docs.github.com/rest; descriptions/api.github.com
// of github/rest-api-description).
//
//	f, err := github.New(forge.Config{URL: "https://github.com/team/fleet", Token: token})
//
// The token is a fine-grained one, or of an App's installation; the latter cannot
// ask who it is, so forge.Config.User names the App's account: "leat[bot]".
package github

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Forge is a repository at a GitHub.
type Forge struct {
	hub.Talk
	conf forge.Config
	at   forge.Location
}

// apiVersion is the version of the API that every request asks for.
const apiVersion = "2022-11-28"

// New returns the repository that c names; it connects when it is used.
func New(c forge.Config) (*Forge, error) {
	at, err := c.Locate()
	if err != nil {
		return nil, err
	}
	api := at.Base.JoinPath("api/v3")
	if strings.EqualFold(at.Base.Host, "github.com") {
		api = &url.URL{Scheme: "https", Host: "api.github.com"}
	}
	client, err := rest.Connect(c, api, func(r *http.Request, token string) { r.Header.Set("Authorization", "Bearer "+token) })
	if err != nil {
		return nil, err
	}
	client.Class, client.Header = classOf, http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {apiVersion}}
	f := &Forge{conf: c, at: at}
	f.Talk = hub.Talk{
		Repo: "/repos/" + rest.Escape(at.Owner) + "/" + rest.Escape(at.Name), Page: pages(), Said: pages(), User: f.user, Rest: client,
	}
	return f, nil
}

// classOf knows what GitHub means by some answers. A merge that is refused is 405
// whatever the cause; its words tell rules from conflicts.
func classOf(status int, message string) fault.Class {
	m := strings.ToLower(message)
	switch {
	case status == http.StatusUnprocessableEntity && strings.Contains(m, "already exists"):
		return fault.Conflict
	case status == http.StatusMethodNotAllowed && (strings.Contains(m, "review") || strings.Contains(m, "status check") || strings.Contains(m, "protected branch") || strings.Contains(m, "rule violations") || strings.Contains(m, "draft")):
		return fault.Protected
	case status == http.StatusMethodNotAllowed:
		return fault.Conflict
	}
	return ""
}

// pages asks for the longest pages.
func pages(more ...string) url.Values { return rest.Query(append(more, "per_page", "100")...) }

func (f *Forge) user(u *hub.Account) forge.User {
	if u == nil || u.ID == 0 {
		return forge.User{}
	}
	return forge.User{ID: strconv.FormatInt(u.ID, 10), Login: u.Login, Bot: u.Type == "Bot" || f.conf.IsBot(u.Login)}
}

// Me implements forge.Forge.
func (f *Forge) Me(ctx context.Context) (forge.User, error) {
	path := "/user"
	if f.conf.User != "" {
		path = "/users/" + rest.Escape(f.conf.User)
	}
	var u hub.Account
	err := f.Rest.Get(ctx, path, nil, &u)
	return f.user(&u), err
}

// Branch implements forge.Forge. Rulesets can be read by everyone; branch
// protection of the older kind only by who administers the repository, others see
// its checks.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	var b struct {
		Name   string `json:"name"`
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
		Protected  bool `json:"protected"`
		Protection struct {
			Checks struct {
				Contexts []string `json:"contexts"`
			} `json:"required_status_checks"`
		} `json:"protection"`
	}
	at := f.Repo + "/branches/" + rest.Elements(name)
	if err := f.Rest.Get(ctx, at, nil, &b); err != nil {
		return forge.Branch{}, err
	}
	out := forge.Branch{Name: b.Name, Commit: b.Commit.SHA, Protected: b.Protected}
	if err := f.rules(ctx, name, &out); err != nil || !b.Protected {
		return out, err
	}
	out.Protection.Checks = append(out.Protection.Checks, b.Protection.Checks.Contexts...)
	return out, f.protection(ctx, at, &out.Protection)
}

// rules adds what rulesets ask for.
func (f *Forge) rules(ctx context.Context, name string, b *forge.Branch) error {
	type rule struct {
		Type       string `json:"type"`
		Parameters struct {
			Approvals int  `json:"required_approving_review_count"`
			Dismiss   bool `json:"dismiss_stale_reviews_on_push"`
			Checks    []struct {
				Context string `json:"context"`
			} `json:"required_status_checks"`
		} `json:"parameters"`
	}
	list, err := rest.All[rule](ctx, f.Rest, f.Repo+"/rules/branches/"+rest.Elements(name), pages())
	for _, r := range list {
		switch r.Type {
		case "pull_request":
			b.Protected = true
			b.Protection.Approvals = max(b.Protection.Approvals, r.Parameters.Approvals)
			b.Protection.DismissStale = b.Protection.DismissStale || r.Parameters.Dismiss
		case "required_status_checks":
			b.Protected = true
			for _, c := range r.Parameters.Checks {
				b.Protection.Checks = append(b.Protection.Checks, c.Context)
			}
		}
	}
	return rest.Unless(err, fault.NotFound, fault.Forbidden) // versions of the server before rulesets
}

func (f *Forge) protection(ctx context.Context, branch string, out *forge.Protection) error {
	var p struct {
		Reviews *struct {
			Count   int  `json:"required_approving_review_count"`
			Dismiss bool `json:"dismiss_stale_reviews"`
		} `json:"required_pull_request_reviews"`
		Admins struct {
			Enabled bool `json:"enabled"`
		} `json:"enforce_admins"`
		Force struct {
			Enabled bool `json:"enabled"`
		} `json:"allow_force_pushes"`
	}
	if err := f.Rest.Get(ctx, branch+"/protection", nil, &p); err != nil {
		return rest.Unless(err, fault.Forbidden, fault.NotFound)
	}
	if p.Reviews != nil {
		out.Approvals = max(out.Approvals, p.Reviews.Count)
		out.DismissStale = out.DismissStale || p.Reviews.Dismiss
		out.BlockRejected = true
	}
	out.EnforceAdmins, out.ForcePush = p.Admins.Enabled, p.Force.Enabled
	return nil
}

// Members implements forge.Forge: of <organisation>/<team slug>, with those of the teams
// below it (docs.github.com/rest/teams/members). Of an organisation GitHub tells a token
// without the right for it those alone who show that they are in it: too few to decide by.
func (f *Forge) Members(ctx context.Context, team string) ([]forge.User, error) {
	org, slug, _ := strings.Cut(team, "/")
	list, err := f.People(ctx, "/orgs/"+rest.Escape(org)+"/teams/"+rest.Escape(slug)+"/members")
	return list, forge.Needs(err, "want <organisation>/<team> as in the team's address, and a token with the organisation's permission Members: read (a classic one: the scope read:org)")
}
