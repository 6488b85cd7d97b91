// Package azure is the forge port for Azure DevOps Services and Server, by version 7.1 of
// its REST API (learn.microsoft.com/rest/api/azure/devops; specification/git/7.1 of
// MicrosoftDocs/vsts-rest-api-specs).
//
//	f, err := azure.New(forge.Config{URL: "https://dev.azure.com/org/project/_git/fleet", Token: token})
//
// The token is a personal access token, or System.AccessToken of a pipeline. A vote does
// not name a commit: it is the head of the iteration at that moment, by the list of
// iterations and the notes of votes.
package azure

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Forge is a repository at an Azure DevOps.
type Forge struct {
	rest    *rest.Client
	conf    forge.Config
	project string
	name    string
}

// apiVersion is what every request asks for.
const apiVersion = "7.1"

// New returns the repository that c names, by the address of its page; it connects when
// it is used.
func New(c forge.Config) (*Forge, error) {
	base, project, name, err := locate(c.URL)
	if err != nil {
		return nil, err
	}
	client, err := rest.Connect(c, base, func(r *http.Request, token string) { r.SetBasicAuth(c.User, token) })
	if err != nil {
		return nil, err
	}
	client.Class, client.Transport = classOf, atTheDoor{cmp.Or[http.RoundTripper](c.Transport, http.DefaultTransport)}
	return &Forge{rest: client, conf: c, project: project, name: name}, nil
}

// locate takes https://dev.azure.com/org/project/_git/name apart, or an address of a
// server of one's own; a repository of its project's name may lack the project.
func locate(address string) (base *url.URL, project, name string, err error) {
	u, err := url.Parse(address)
	if err == nil && u.Host != "" {
		parts := strings.Split(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"), "/")
		n := len(parts)
		base = &url.URL{Scheme: u.Scheme, Host: u.Host} // who logs in stands before some hosts
		old := strings.HasSuffix(u.Hostname(), ".visualstudio.com")
		switch {
		case n == 4 && parts[0] == "v3": // as ssh has it
			return base.JoinPath(parts[1]), parts[2], parts[3], nil
		case n < 2 || parts[n-2] != "_git":
		case n == 2 && old, n == 3 && !old:
			return base.JoinPath(parts[:n-2]...), parts[n-1], parts[n-1], nil
		case n >= 3:
			return base.JoinPath(parts[:n-3]...), parts[n-3], parts[n-1], nil
		}
	}
	return nil, "", "", &fault.Error{Class: fault.Invalid, Err: errors.New("forge.url names no repository of Azure DevOps; want https://dev.azure.com/organization/project/_git/name")}
}

// atTheDoor answers 401 where Azure shows a page to sign in, which it does with 203 or
// a redirect.
type atTheDoor struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (d atTheDoor) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusNonAuthoritativeInfo || res.StatusCode == http.StatusFound && strings.Contains(res.Header.Get("Location"), "_signin") {
		res.StatusCode = http.StatusUnauthorized
		res.Header.Del("Location")
	}
	return res, nil
}

// classOf knows what Azure means by some refusals: its words name the exception.
func classOf(status int, message string) fault.Class {
	m := strings.ToLower(message)
	switch {
	case status == http.StatusUnauthorized, status == http.StatusNotFound:
		return ""
	case strings.Contains(m, "rejectedbypolicy") || strings.Contains(m, "bypass policies") || strings.Contains(message, "TF402455"):
		return fault.Protected
	case strings.Contains(message, "TF401179") || strings.Contains(m, "stale"): // one is open; it was changed meanwhile
		return fault.Conflict
	}
	return ""
}

func (f *Forge) repo(more string) string {
	return "/" + rest.Escape(f.project) + "/_apis/git/repositories/" + rest.Escape(f.name) + more
}

// versioned is a query with the version of the API, and pairs of names and values.
func versioned(more ...string) url.Values {
	return rest.Query(append(more, "api-version", apiVersion)...)
}

// do makes a request that changes something.
func (f *Forge) do(ctx context.Context, method, path string, body, into any) error {
	_, err := f.rest.Do(ctx, rest.Call{Method: method, Path: path, Query: versioned(), Body: body, Into: into})
	return err
}

// list reads a list that comes whole.
func list[T any](ctx context.Context, f *Forge, path string, query url.Values) ([]T, error) {
	var page struct {
		Value []T `json:"value"`
	}
	err := f.rest.Get(ctx, path, query, &page)
	return page.Value, err
}

// pageSize is how many items are asked for at once.
const pageSize = 100

// pages is a list that comes in parts.
type pages struct {
	path      string
	query     url.Values
	top, skip string // how its operation calls a part's size and begin; "" for $top and $skip
}

func paged[T any](ctx context.Context, f *Forge, p pages) rest.List[T] {
	size, begin := cmp.Or(p.top, "$top"), cmp.Or(p.skip, "$skip")
	query := maps.Clone(p.query)
	query.Set(size, strconv.Itoa(pageSize))
	query.Set(begin, "0")
	return rest.List[T]{Client: f.rest, Path: p.path, Query: query, Read: func(query url.Values) ([]T, url.Values, error) {
		page, err := list[T](ctx, f, p.path, query)
		if err != nil || len(page) < pageSize {
			return page, nil, err
		}
		from, err := strconv.Atoi(query.Get(begin))
		next := maps.Clone(query)
		next.Set(begin, strconv.Itoa(from+len(page)))
		return page, next, err
	}}
}

// identity is an account as Azure writes it.
type identity struct {
	ID         string `json:"id"`
	Name       string `json:"uniqueName"` // a mail address
	Display    string `json:"displayName"`
	Descriptor string `json:"descriptor"`  // <kind>.<opaque>
	Container  bool   `json:"isContainer"` // a group
}

// user translates; service accounts and the principals of applications are machines.
func (f *Forge) user(i *identity) forge.User {
	if i == nil || i.ID == "" {
		return forge.User{}
	}
	login := cmp.Or(i.Name, i.Display)
	kind, _, _ := strings.Cut(i.Descriptor, ".")
	return forge.User{ID: strings.ToLower(i.ID), Login: login, Bot: kind == "svc" || kind == "aadsp" || f.conf.IsBot(login)}
}

// Me implements forge.Forge.
func (f *Forge) Me(ctx context.Context) (forge.User, error) {
	var c struct {
		User struct {
			ID         string `json:"id"`
			Descriptor string `json:"subjectDescriptor"`
			Display    string `json:"providerDisplayName"`
			Properties struct {
				Account struct {
					Value string `json:"$value"`
				} `json:"Account"`
			} `json:"properties"`
		} `json:"authenticatedUser"`
	}
	if err := f.rest.Get(ctx, "/_apis/connectionData", nil, &c); err != nil {
		return forge.User{}, err
	}
	if strings.Trim(c.User.ID, "0-") == "" || c.User.Display == "Anonymous" {
		return forge.User{}, f.rest.Nobody()
	}
	return f.user(&identity{ID: c.User.ID, Name: c.User.Properties.Account.Value, Display: c.User.Display, Descriptor: c.User.Descriptor}), nil
}

// repository is a repository as Azure writes it.
type repository struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Default string `json:"defaultBranch"`
	WebURL  string `json:"webUrl"`
	Remote  string `json:"remoteUrl"`
	Project struct {
		Name       string `json:"name"`
		Visibility string `json:"visibility"`
	} `json:"project"`
}

func (r repository) path() string { return r.Project.Name + "/" + r.Name }

const heads = "refs/heads/"

func (f *Forge) repository(ctx context.Context) (repository, error) {
	var r repository
	err := f.rest.Get(ctx, f.repo(""), versioned(), &r)
	return r, err
}

// Repository implements forge.Forge.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	r, err := f.repository(ctx)
	return forge.Repository{
		Name: r.path(), DefaultBranch: strings.TrimPrefix(r.Default, heads), URL: r.WebURL, CloneURL: r.Remote, Private: r.Project.Visibility != "public",
	}, err
}

// Branch implements forge.Forge.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	type ref struct {
		Name   string `json:"name"`
		Commit string `json:"objectId"`
	}
	found, err := list[ref](ctx, f, f.repo("/refs"), versioned("filter", "heads/"+name)) // all that begin so
	if err != nil {
		return forge.Branch{}, err
	}
	for _, r := range found {
		if r.Name == heads+name {
			out := forge.Branch{Name: name, Commit: r.Commit}
			return out, f.policies(ctx, &out)
		}
	}
	return forge.Branch{}, f.rest.NoBranch(name)
}

// The kinds of policies (learn.microsoft.com/rest/api/azure/devops/policy/types).
const (
	minimumReviewers = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
	statusCheck      = "cbdc66da-9728-4af8-aada-9a5a32e4a226"
)

// policies adds what blocks a branch.
func (f *Forge) policies(ctx context.Context, b *forge.Branch) error {
	r, err := f.repository(ctx)
	if err != nil {
		return err
	}
	type policy struct {
		Enabled  bool `json:"isEnabled"`
		Blocking bool `json:"isBlocking"`
		Deleted  bool `json:"isDeleted"`
		Type     struct {
			ID string `json:"id"`
		} `json:"type"`
		Settings struct {
			Approvers int    `json:"minimumApproverCount"`
			Reset     bool   `json:"resetOnSourcePush"`
			AllowDown bool   `json:"allowDownvotes"`
			Genre     string `json:"statusGenre"`
			Name      string `json:"statusName"`
		} `json:"settings"`
	}
	path := "/" + rest.Escape(f.project) + "/_apis/git/policy/configurations"
	all, err := list[policy](ctx, f, path, versioned("repositoryId", r.ID, "refName", heads+b.Name))
	if err != nil {
		return rest.Unless(err, fault.Forbidden, fault.NotFound)
	}
	for _, p := range all {
		if !p.Enabled || !p.Blocking || p.Deleted {
			continue
		}
		b.Protected = true
		switch p.Type.ID {
		case minimumReviewers:
			b.Protection.Approvals = max(b.Protection.Approvals, p.Settings.Approvers)
			b.Protection.DismissStale = b.Protection.DismissStale || p.Settings.Reset
			b.Protection.BlockRejected = b.Protection.BlockRejected || !p.Settings.AllowDown
		case statusCheck:
			b.Protection.Checks = append(b.Protection.Checks, joined(p.Settings.Genre, p.Settings.Name))
		}
	}
	return nil
}

// Members implements forge.Forge: of a team of the project, or of <project>/<team>; of the
// groups in it Azure does not say who they are, and nobody of them is told.
func (f *Forge) Members(ctx context.Context, team string) ([]forge.User, error) {
	project, name, other := strings.Cut(team, "/")
	if !other {
		project, name = f.project, team
	}
	type member struct {
		Identity *identity `json:"identity"`
	}
	path := "/_apis/projects/" + rest.Escape(project) + "/teams/" + rest.Escape(name) + "/members"
	all, err := paged[member](ctx, f, pages{path: path, query: versioned()}).All()
	var out []forge.User
	for _, m := range all {
		if m.Identity != nil && !m.Identity.Container {
			out = append(out, f.user(m.Identity))
		}
	}
	return out, forge.Needs(err, "want <team> or <project>/<team>, and a token with the scope Project and Team: read")
}
