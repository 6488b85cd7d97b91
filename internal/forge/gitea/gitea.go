// Package gitea is the forge port for Gitea and Forgejo, by version 1 of their API
// (templates/swagger/v1_json.tmpl of Gitea 1.26; Forgejo 7 to 12 has the same).
//
//	f, err := gitea.New(forge.Config{URL: "https://git.example.com/team/fleet", Token: token})
//
// What is not in the API: which accounts are bots (see forge.Config.Bots).
package gitea

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Forge is a repository at a Gitea.
type Forge struct {
	hub.Talk
	conf forge.Config
	at   forge.Location
}

// New returns the repository that c names; it connects when it is used.
func New(c forge.Config) (*Forge, error) {
	at, err := c.Locate()
	if err != nil {
		return nil, err
	}
	// Owners have no slash: what stands before is where the forge is served.
	if i := strings.LastIndexByte(at.Owner, '/'); i >= 0 {
		at.Base = at.Base.JoinPath(at.Owner[:i])
		at.Owner = at.Owner[i+1:]
	}
	client, err := rest.Connect(c, at.Base.JoinPath("api/v1"), func(r *http.Request, token string) { r.Header.Set("Authorization", "token "+token) })
	if err != nil {
		return nil, err
	}
	client.Class = classOf
	f := &Forge{conf: c, at: at}
	f.Talk = hub.Talk{
		Repo: "/repos/" + rest.Escape(at.Owner) + "/" + rest.Escape(at.Name),
		Page: url.Values{"limit": {"50"}},
		User: f.user, Rest: client,
	}
	return f, nil
}

// classOf knows what Gitea means by some answers (routers/api/v1/repo/pull.go).
func classOf(status int, message string) fault.Class {
	switch {
	case status == http.StatusMethodNotAllowed && strings.Contains(message, "not allowed to merge"):
		return fault.Forbidden
	case status == http.StatusMethodNotAllowed && strings.Contains(message, "already merged"):
		return fault.Conflict
	case status == http.StatusMethodNotAllowed:
		return fault.Protected
	}
	return ""
}

// user translates; accounts with a negative number are Gitea's own (Actions, Ghost).
func (f *Forge) user(u *hub.Account) forge.User {
	if u == nil {
		return forge.User{}
	}
	return forge.User{ID: strconv.FormatInt(u.ID, 10), Login: u.Login, Bot: u.ID < 0 || f.conf.IsBot(u.Login)}
}

// Me implements forge.Forge.
func (f *Forge) Me(ctx context.Context) (forge.User, error) {
	var u hub.Account
	err := f.Rest.Get(ctx, "/user", nil, &u)
	return f.user(&u), err
}

// protection is a rule of a branch.
type protection struct {
	RuleName         string   `json:"rule_name"`
	Approvals        int      `json:"required_approvals"`
	StatusCheck      bool     `json:"enable_status_check"`
	Contexts         []string `json:"status_check_contexts"`
	DismissStale     bool     `json:"dismiss_stale_approvals"`
	BlockRejected    bool     `json:"block_on_rejected_reviews"`
	BlockAdmins      bool     `json:"block_admin_merge_override"`
	ForcePush        bool     `json:"enable_force_push"`
	IgnoreStaleVotes bool     `json:"ignore_stale_approvals"`
}

// Branch implements forge.Forge. The rule itself can be read only by who may
// administer the repository; others see the number of approvals and the checks.
func (f *Forge) Branch(ctx context.Context, name string) (forge.Branch, error) {
	var b struct {
		Name   string `json:"name"`
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
		Protected   bool     `json:"protected"`
		Approvals   int      `json:"required_approvals"`
		StatusCheck bool     `json:"enable_status_check"`
		Contexts    []string `json:"status_check_contexts"`
		Rule        string   `json:"effective_branch_protection_name"`
	}
	if err := f.Rest.Get(ctx, f.Repo+"/branches/"+rest.Elements(name), nil, &b); err != nil {
		return forge.Branch{}, err
	}
	out := forge.Branch{Name: b.Name, Commit: b.Commit.ID, Protected: b.Protected}
	if !b.Protected {
		return out, nil
	}
	out.Protection = forge.Protection{Approvals: b.Approvals}
	if b.StatusCheck {
		out.Protection.Checks = b.Contexts
	}
	if b.Rule == "" {
		return out, nil // told only to those who may administer
	}
	var p protection
	if err := f.Rest.Get(ctx, f.Repo+"/branch_protections/"+rest.Escape(b.Rule), nil, &p); err != nil {
		return out, rest.Unless(err, fault.Forbidden, fault.NotFound)
	}
	out.Protection.DismissStale = p.DismissStale || p.IgnoreStaleVotes
	out.Protection.BlockRejected, out.Protection.EnforceAdmins, out.Protection.ForcePush = p.BlockRejected, p.BlockAdmins, p.ForcePush
	return out, nil
}

// Members implements forge.Forge: of <organisation>/<team>. Gitea tells only who is in
// the team, or owns the organisation; others are Forbidden (reqTeamMembership in
// routers/api/v1/api.go). Of an organisation it tells strangers those alone who show that
// they are in it: too few to decide by.
func (f *Forge) Members(ctx context.Context, team string) ([]forge.User, error) {
	const needs = "want <organisation>/<team>, a token with the scope read:organization, and its account in that team or among the owners"
	org, name, _ := strings.Cut(team, "/")
	id, err := f.team(ctx, org, name)
	if err != nil {
		return nil, forge.Needs(err, needs)
	}
	list, err := f.People(ctx, "/teams/"+strconv.FormatInt(id, 10)+"/members")
	return list, forge.Needs(err, needs)
}

func (f *Forge) team(ctx context.Context, org, name string) (int64, error) {
	type team struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	list, err := rest.All[team](ctx, f.Rest, "/orgs/"+rest.Escape(org)+"/teams", f.Page)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(list, func(t team) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return 0, f.Rest.Fault(fault.NotFound, errNoTeam(org, name))
	}
	return list[i].ID, nil
}
