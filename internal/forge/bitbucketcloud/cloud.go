// Package bitbucketcloud is the forge port for Bitbucket Cloud, by version 2.0 of its
// REST API (developer.atlassian.com/cloud/bitbucket/rest). Bitbucket Data Center is
// another service with another API: package bitbucket.
//
//	f, err := bitbucketcloud.New(forge.Config{URL: "https://bitbucket.org/team/fleet", Token: token})
//
// The token is one of a workspace, project or repository; with forge.Config.User, the
// mail address of an account, it is an API token of that account.
//
// Bitbucket shortens commits inside of pull requests and does not say which of them an
// approval saw: it is the head at the moment of the approval, by Bitbucket's own list of
// what happened. A build status does not say who set it, so Statuses names no creator.
// Groups of people cannot be read, only the members of a workspace.
package bitbucketcloud

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Forge is a repository at Bitbucket Cloud.
type Forge struct {
	rest *rest.Client
	conf forge.Config
	at   forge.Location

	mu    sync.Mutex
	whole map[string]string // commits by what they are shortened to
}

// New returns the repository that c names; it connects when it is used.
func New(c forge.Config) (*Forge, error) {
	at, err := c.Locate()
	if err != nil {
		return nil, err
	}
	api := &url.URL{Scheme: "https", Host: "api." + at.Base.Host, Path: "/2.0"}
	client, err := rest.Connect(c, api, func(r *http.Request, token string) {
		if c.User != "" {
			r.SetBasicAuth(c.User, token)
			return
		}
		r.Header.Set("Authorization", "Bearer "+token)
	})
	if err != nil {
		return nil, err
	}
	client.Class = classOf
	return &Forge{rest: client, conf: c, at: at, whole: map[string]string{}}, nil
}

// classOf knows what Bitbucket means by a merge that it refuses: 409 for branches that
// conflict, 400 for a check or restriction that is not satisfied.
func classOf(status int, message string) fault.Class {
	m := strings.ToLower(message)
	refused := status == http.StatusBadRequest || status == http.StatusForbidden || status == http.StatusConflict
	if refused && (strings.Contains(m, "merge check") || strings.Contains(m, "approval") || strings.Contains(m, "branch restriction")) {
		return fault.Protected
	}
	if status == 555 { // a merge that took too long (the API's own number)
		return fault.Timeout
	}
	return ""
}

func (f *Forge) repo(more string) string {
	return "/repositories/" + rest.Escape(f.at.Owner) + "/" + rest.Escape(f.at.Name) + more
}

// list is a list with the parameters more.
func list[T any](ctx context.Context, f *Forge, path string, more url.Values) rest.List[T] {
	query := url.Values{"pagelen": {"50"}}
	maps.Copy(query, more)
	return rest.List[T]{Client: f.rest, Path: path, Query: query, Read: func(query url.Values) ([]T, url.Values, error) {
		var page struct {
			Values []T    `json:"values"`
			Next   string `json:"next"`
		}
		if err := f.rest.Get(ctx, path, query, &page); err != nil {
			return nil, nil, err
		}
		next, err := f.rest.NextQuery(path, page.Next)
		return page.Values, next, err
	}}
}

// all reads a whole list.
func all[T any](ctx context.Context, f *Forge, path string, more url.Values) ([]T, error) {
	return list[T](ctx, f, path, more).All()
}

// user is an account as Bitbucket writes it.
type user struct {
	UUID     string `json:"uuid"`
	Nickname string `json:"nickname"`
	Display  string `json:"display_name"`
	Type     string `json:"type"` // user, team, app_user
}

func (f *Forge) user(u *user) forge.User {
	if u == nil || u.UUID == "" {
		return forge.User{}
	}
	login := u.Nickname
	if login == "" {
		login = u.Display
	}
	return forge.User{ID: u.UUID, Login: login, Bot: u.Type != "user" || f.conf.IsBot(login)}
}

// Me implements forge.Forge.
func (f *Forge) Me(ctx context.Context) (forge.User, error) {
	var u user
	err := f.rest.Get(ctx, "/user", nil, &u)
	return f.user(&u), err
}

// link is one of several addresses.
type link struct {
	Href string `json:"href"`
	Name string `json:"name"`
}

// Repository implements forge.Forge.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	var r struct {
		FullName string `json:"full_name"`
		Private  bool   `json:"is_private"`
		Main     struct {
			Name string `json:"name"`
		} `json:"mainbranch"`
		Links struct {
			HTML  link   `json:"html"`
			Clone []link `json:"clone"`
		} `json:"links"`
	}
	if err := f.rest.Get(ctx, f.repo(""), nil, &r); err != nil {
		return forge.Repository{}, err
	}
	out := forge.Repository{Name: r.FullName, DefaultBranch: r.Main.Name, URL: r.Links.HTML.Href, Private: r.Private}
	for _, l := range r.Links.Clone {
		if l.Name == "https" {
			out.CloneURL = l.Href
		}
	}
	return out, nil
}

// Branch implements forge.Forge.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	var b struct {
		Name   string `json:"name"`
		Target struct {
			Hash string `json:"hash"`
		} `json:"target"`
	}
	if err := f.rest.Get(ctx, f.repo("/refs/branches/"+rest.Elements(name)), nil, &b); err != nil {
		return forge.Branch{}, err
	}
	out := forge.Branch{Name: b.Name, Commit: b.Target.Hash}
	return out, f.protection(ctx, &out)
}

// protection reads the restrictions whose pattern is the branch's name; only who
// administers the repository may.
func (f *Forge) protection(ctx context.Context, b *forge.Branch) error {
	type restriction struct {
		Kind    string `json:"kind"`
		Match   string `json:"branch_match_kind"` // glob or branching_model
		Pattern string `json:"pattern"`
		Value   int    `json:"value"`
	}
	list, err := all[restriction](ctx, f, f.repo("/branch-restrictions"), nil)
	if err != nil {
		return rest.Unless(err, fault.Forbidden, fault.NotFound)
	}
	p := &b.Protection
	p.ForcePush = true
	for _, r := range list {
		if r.Match == "branching_model" || !globs(r.Pattern, b.Name) {
			continue
		}
		switch r.Kind {
		case "push", "restrict_merges":
			b.Protected = true
		case "force":
			p.ForcePush = false
		case "require_approvals_to_merge", "require_default_reviewer_approvals_to_merge":
			b.Protected, p.Approvals = true, max(p.Approvals, r.Value)
		case "reset_pullrequest_approvals_on_change":
			p.DismissStale = true
		case "require_no_changes_requested":
			b.Protected, p.BlockRejected = true, true
		}
	}
	return nil
}

// globs matches a name to a pattern in which * stands for any text.
func globs(pattern, name string) bool {
	expr := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
	matched, err := regexp.MatchString("^"+expr+"$", name)
	return err == nil && matched
}

// Members implements forge.Forge: of a workspace.
func (f *Forge) Members(ctx context.Context, team string) ([]forge.User, error) {
	type membership struct {
		User *user `json:"user"`
	}
	list, err := all[membership](ctx, f, "/workspaces/"+rest.Escape(team)+"/members", nil)
	var out []forge.User
	for _, m := range list {
		out = append(out, f.user(m.User))
	}
	return out, forge.Needs(err, "want the name of a workspace, and a token of it that may read accounts (account: read)")
}
