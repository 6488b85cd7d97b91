// Package gitlab is the forge port for GitLab, by version 4 of its REST API
// (docs.gitlab.com/api; doc/api/openapi/openapi_v3.yaml of GitLab 19).
//
//	f, err := gitlab.New(forge.Config{URL: "https://gitlab.com/group/sub/fleet", Token: token})
//
// The token needs the scope api. GitLab does not say which commit an approval
// saw: it is the head that the merge request had at the moment of the approval,
// by GitLab's own list of versions and its own notes.
package gitlab

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Forge is a project at a GitLab.
type Forge struct {
	rest *rest.Client
	conf forge.Config
	at   forge.Location
	repo string // path of the project below the API
}

// New returns the project that c names; it connects when it is used. A GitLab
// below a path needs c.API.
func New(c forge.Config) (*Forge, error) {
	at, err := c.Locate()
	if err != nil {
		return nil, err
	}
	client, err := rest.Connect(c, at.Base.JoinPath("api/v4"), func(r *http.Request, token string) { r.Header.Set("Private-Token", token) })
	if err != nil {
		return nil, err
	}
	return &Forge{rest: client, conf: c, at: at, repo: "/projects/" + rest.Escape(at.Path())}, nil
}

// pages asks for the longest pages.
func pages(more ...string) url.Values { return rest.Query(append(more, "per_page", "100")...) }

// user is an account as GitLab writes it.
type user struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	State    string `json:"state"`
	Bot      bool   `json:"bot"` // only where one account is asked for
}

// tokenBot is the name of the account behind a project's or group's access token
// (docs.gitlab.com/user/project/settings/project_access_tokens).
var tokenBot = regexp.MustCompile(`^(project|group)_\d+_bot(_[0-9a-z]+)?$`)

func (f *Forge) user(u *user) forge.User {
	if u == nil || u.ID == 0 {
		return forge.User{}
	}
	return forge.User{ID: strconv.FormatInt(u.ID, 10), Login: u.Username, Bot: u.Bot || tokenBot.MatchString(u.Username) || f.conf.IsBot(u.Username)}
}

// Me implements forge.Forge.
func (f *Forge) Me(ctx context.Context) (forge.User, error) {
	var u user
	err := f.rest.Get(ctx, "/user", nil, &u)
	return f.user(&u), err
}

// Repository implements forge.Forge.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	var r struct {
		Path          string `json:"path_with_namespace"`
		DefaultBranch string `json:"default_branch"`
		WebURL        string `json:"web_url"`
		CloneURL      string `json:"http_url_to_repo"`
		Visibility    string `json:"visibility"`
	}
	err := f.rest.Get(ctx, f.repo, nil, &r)
	return forge.Repository{Name: r.Path, DefaultBranch: r.DefaultBranch, URL: r.WebURL, CloneURL: r.CloneURL, Private: r.Visibility != "public"}, err
}

// Branch implements forge.Forge. Numbers of approvals are a feature of the paid
// editions; without it there is none.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	var b struct {
		Name   string `json:"name"`
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
		Protected bool `json:"protected"`
	}
	if err := f.rest.Get(ctx, f.repo+"/repository/branches/"+rest.Escape(name), nil, &b); err != nil {
		return forge.Branch{}, err
	}
	out := forge.Branch{Name: b.Name, Commit: b.Commit.ID, Protected: b.Protected}
	if !b.Protected {
		return out, nil
	}
	type rule struct {
		Required int `json:"approvals_required"`
		Branches []struct {
			Name string `json:"name"`
		} `json:"protected_branches"`
	}
	rules, err := rest.All[rule](ctx, f.rest, f.repo+"/approval_rules", pages())
	for _, r := range rules {
		applies := len(r.Branches) == 0 // a rule without branches is for all
		for _, on := range r.Branches {
			applies = applies || on.Name == name
		}
		if applies {
			out.Protection.Approvals = max(out.Protection.Approvals, r.Required)
		}
	}
	return out, rest.Unless(err, fault.NotFound, fault.Forbidden)
}

// Members implements forge.Forge: of a group, by its full path, with those that
// it inherits; accounts that are blocked do not count.
func (f *Forge) Members(ctx context.Context, team string) ([]forge.User, error) {
	list, err := rest.All[user](ctx, f.rest, "/groups/"+rest.Escape(team)+"/members/all", pages())
	var out []forge.User
	for _, u := range list {
		if u.State == "" || u.State == "active" {
			out = append(out, f.user(&u))
		}
	}
	return out, forge.Needs(err, "want the whole path of a group, and a token with the scope read_api or api of an account that is in it (a project's own token sees no group that is private)")
}
