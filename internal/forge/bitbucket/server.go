// Package bitbucket is the forge port for Bitbucket Data Center (formerly Server),
// by version 1.0 of its REST API (developer.atlassian.com/server/bitbucket/rest,
// 7.21 to 9). Bitbucket Cloud is another service with another API: bitbucketcloud.
//
//	f, err := bitbucket.New(forge.Config{URL: "https://git.example.com/projects/TEAM/repos/fleet", Token: token})
//
// A build status of Bitbucket does not say who set it, so Statuses names no
// creator, and a gate that trusts only its own trusts none of them.
package bitbucket

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Forge is a repository at a Bitbucket.
type Forge struct {
	rest    *rest.Client
	conf    forge.Config
	project string
	slug    string

	mu sync.Mutex
	me forge.User // asked once: it takes two requests
}

// New returns the repository that c names, by the address of its page
// (/projects/TEAM/repos/fleet) or of its clone (/scm/team/fleet.git); it connects
// when it is used.
func New(c forge.Config) (*Forge, error) {
	base, project, slug, err := locate(c.URL)
	if err != nil {
		return nil, err
	}
	client, err := rest.Connect(c, base, func(r *http.Request, token string) { r.Header.Set("Authorization", "Bearer "+token) })
	if err != nil {
		return nil, err
	}
	client.Class = classOf
	return &Forge{rest: client, conf: c, project: project, slug: slug}, nil
}

func locate(address string) (base *url.URL, project, slug string, err error) {
	u, err := url.Parse(address)
	if err == nil && u.Host != "" {
		path := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
		parts := strings.Split(path, "/")
		n := len(parts)
		base = &url.URL{Scheme: u.Scheme, Host: u.Host}
		switch {
		case n >= 4 && parts[n-4] == "projects" && parts[n-2] == "repos":
			return base.JoinPath(parts[:n-4]...), parts[n-3], parts[n-1], nil
		case n >= 3 && parts[n-3] == "scm":
			return base.JoinPath(parts[:n-3]...), parts[n-2], parts[n-1], nil
		}
	}
	return nil, "", "", &fault.Error{Class: fault.Invalid, Err: errors.New("forge.url names no repository of Bitbucket; want https://host/projects/KEY/repos/name")}
}

// classOf knows what Bitbucket means by 409: a merge that a rule vetoes, or
// somebody who was faster.
func classOf(status int, message string) fault.Class {
	if status == http.StatusConflict && strings.Contains(message, "MergeVetoedException") && !strings.Contains(message, `"conflicted":true`) {
		return fault.Protected
	}
	return ""
}

const core = "/rest/api/1.0"

func (f *Forge) repo(more string) string {
	return core + "/projects/" + rest.Escape(f.project) + "/repos/" + rest.Escape(f.slug) + more
}

// list is a list with the parameters more.
func list[T any](ctx context.Context, f *Forge, path string, more url.Values) rest.List[T] {
	query := url.Values{"limit": {"100"}}
	maps.Copy(query, more)
	return rest.List[T]{Client: f.rest, Path: path, Query: query, Read: func(query url.Values) ([]T, url.Values, error) {
		var page struct {
			Values []T  `json:"values"`
			Last   bool `json:"isLastPage"`
			Next   int  `json:"nextPageStart"`
		}
		if err := f.rest.Get(ctx, path, query, &page); err != nil || page.Last {
			return page.Values, nil, err
		}
		next := maps.Clone(query)
		next.Set("start", strconv.Itoa(page.Next))
		return page.Values, next, nil
	}}
}

// all reads a whole list.
func all[T any](ctx context.Context, f *Forge, path string, more url.Values) ([]T, error) {
	return list[T](ctx, f, path, more).All()
}

// user is an account as Bitbucket writes it.
type user struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
	Type string `json:"type"` // NORMAL or SERVICE
}

func (f *Forge) user(u *user) forge.User {
	if u == nil || u.ID == 0 {
		return forge.User{}
	}
	return forge.User{ID: strconv.FormatInt(u.ID, 10), Login: u.Name, Bot: u.Type == "SERVICE" || f.conf.IsBot(u.Name)}
}

// Me implements forge.Forge: every answer says in a header who asked.
func (f *Forge) Me(ctx context.Context) (forge.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.me.ID != "" {
		return f.me, nil
	}
	var told map[string]any
	a, err := f.rest.Do(ctx, rest.Call{Method: http.MethodGet, Path: core + "/application-properties", Into: &told})
	if err != nil {
		return forge.User{}, err
	}
	name := a.Header.Get("X-Ausername")
	if name == "" {
		return forge.User{}, f.rest.Nobody()
	}
	var u user
	if err := f.rest.Get(ctx, core+"/users/"+rest.Escape(strings.ToLower(name)), nil, &u); err != nil {
		return forge.User{}, err
	}
	f.me = f.user(&u)
	return f.me, nil
}

// Repository implements forge.Forge.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	var r struct {
		Slug    string `json:"slug"`
		Public  bool   `json:"public"`
		Project struct {
			Key string `json:"key"`
		} `json:"project"`
		Links struct {
			Self  []link `json:"self"`
			Clone []link `json:"clone"`
		} `json:"links"`
	}
	if err := f.rest.Get(ctx, f.repo(""), nil, &r); err != nil {
		return forge.Repository{}, err
	}
	var b struct {
		Name string `json:"displayId"`
	}
	if err := f.rest.Get(ctx, f.repo("/default-branch"), nil, &b); err != nil {
		return forge.Repository{}, err
	}
	out := forge.Repository{Name: r.Project.Key + "/" + r.Slug, DefaultBranch: b.Name, Private: !r.Public}
	for _, l := range r.Links.Self {
		out.URL = l.Href
	}
	for _, l := range r.Links.Clone {
		if l.Name == "http" {
			out.CloneURL = l.Href
		}
	}
	return out, nil
}

type link struct {
	Href string `json:"href"`
	Name string `json:"name"`
}

// Branch implements forge.Forge.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	type branch struct {
		Name   string `json:"displayId"`
		Commit string `json:"latestCommit"`
	}
	list, err := all[branch](ctx, f, f.repo("/branches"), url.Values{"filterText": {name}})
	if err != nil {
		return forge.Branch{}, err
	}
	for _, b := range list {
		if b.Name == name {
			out := forge.Branch{Name: name, Commit: b.Commit}
			return out, f.protection(ctx, &out)
		}
	}
	return forge.Branch{}, f.rest.NoBranch(name)
}

// protection reads what restricts a branch by its name, and what the repository
// asks of every pull request.
func (f *Forge) protection(ctx context.Context, b *forge.Branch) error {
	type restriction struct {
		Type    string `json:"type"`
		Matcher struct {
			Name string `json:"displayId"`
		} `json:"matcher"`
	}
	path := "/rest/branch-permissions/2.0/projects/" + rest.Escape(f.project) + "/repos/" + rest.Escape(f.slug) + "/restrictions"
	list, err := all[restriction](ctx, f, path, nil)
	if err := rest.Unless(err, fault.Forbidden, fault.NotFound, fault.Auth); err != nil {
		return err
	}
	b.Protection.ForcePush = true
	for _, r := range list {
		if r.Matcher.Name != b.Name {
			continue
		}
		b.Protected = b.Protected || r.Type == "pull-request-only" || r.Type == "read-only"
		b.Protection.ForcePush = b.Protection.ForcePush && r.Type != "fast-forward-only"
	}
	var settings struct {
		Approvers struct {
			Enable bool `json:"enable"`
			Count  any  `json:"count"`
		} `json:"requiredApprovers"`
	}
	if err := f.rest.Get(ctx, f.repo("/settings/pull-requests"), nil, &settings); err != nil {
		return rest.Unless(err, fault.Forbidden, fault.NotFound, fault.Auth)
	}
	if settings.Approvers.Enable {
		switch n := settings.Approvers.Count.(type) { // versions differ
		case float64:
			b.Protection.Approvals = int(n)
		case string:
			b.Protection.Approvals, _ = strconv.Atoi(n)
		}
	}
	return nil
}

// Members implements forge.Forge: of a group of Bitbucket's.
func (f *Forge) Members(ctx context.Context, team string) ([]forge.User, error) {
	type member struct {
		user
		Active *bool `json:"active"`
	}
	list, err := all[member](ctx, f, core+"/users", url.Values{"group": {team}})
	if err != nil {
		return nil, forge.Needs(err, "want the name of a group, and a token of an account that may use Bitbucket")
	}
	var out []forge.User
	for _, m := range list {
		if m.Active == nil || *m.Active {
			out = append(out, f.user(&m.user))
		}
	}
	if len(out) == 0 {
		return nil, f.rest.Fault(fault.NotFound, errors.New("there is no group "+team+", or nobody is in it"))
	}
	return out, nil
}
