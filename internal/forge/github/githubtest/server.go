// Package githubtest is a strict local server with the shapes of GitHub, held to the
// document that the service publishes: for the tests of package github, and of whatever
// asks a forge.
//
//	s := githubtest.Start(t, forgetest.Opens(github.New))
//	f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
//
// It must never let pass what the service would ignore.
package githubtest

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
)

// Stage is a strict local server with GitHub's shapes: fields, states, status
// codes and messages of docs.github.com/rest, version 2022-11-28.
type Stage struct {
	*forgetest.World
	open forgetest.Open
	url  string
}

type object = forgetest.Object

//go:embed testdata/published.json
var document []byte

// Start starts one; open opens the forge of a person at it.
func Start(t *testing.T, open forgetest.Open) *Stage {
	s := &Stage{World: forgetest.NewWorld(), open: open}
	srv := &forgetest.Strict{
		World: s.World, PerPage: 30, MaxPerPage: 100, Published: forgetest.ReadPublished(t, document, nil),
		Token:   func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") },
		Refusal: func(m string) any { return object{"message": m, "documentation_url": "https://docs.github.com/rest"} },
		Check: func(r *http.Request) error {
			if r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" || r.Header.Get("Accept") != "application/vnd.github+json" {
				return fmt.Errorf("the version of the API is not asked for")
			}
			return nil
		},
	}
	s.routes(srv)
	s.pullRoutes(srv)
	s.sayRoutes(srv)
	s.url = srv.Start(t)
	return s
}

const repo = "/repos/team/fleet"

func (s *Stage) user(who string) object {
	kind := "User"
	if who == "" {
		return nil
	}
	return object{"login": who, "id": s.ID(who), "node_id": "MDQ6VXNlcjE=", "type": kind, "site_admin": false}
}

func (s *Stage) routes(srv *forgetest.Strict) {
	srv.Handle("GET /user", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer { return forgetest.OK(s.user(r.Who)) })
	srv.Handle("GET "+repo, nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK(object{"full_name": "team/fleet", "default_branch": "main", "html_url": "https://github.example.com/team/fleet", "clone_url": "https://github.example.com/team/fleet.git", "private": true})
	})
	srv.Handle("GET "+repo+"/branches/{name...}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		name, isProtection := strings.CutSuffix(r.PathValue("name"), "/protection")
		at := s.Branches[name]
		switch {
		case at == "":
			return forgetest.Refuse(404, "Branch not found")
		case isProtection && r.Who != "owner":
			return forgetest.Refuse(403, "Resource not accessible by personal access token")
		}
		return forgetest.OK(object{"name": name, "commit": object{"sha": at}, "protected": name == forgetest.Guarded,
			"protection": object{"enabled": name == forgetest.Guarded, "required_status_checks": object{"enforcement_level": "off", "contexts": []string{}}}})
	})
	srv.Handle("GET "+repo+"/rules/branches/{name...}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.PathValue("name") != forgetest.Guarded {
			return forgetest.OK([]any{})
		}
		return forgetest.OK([]any{object{"type": "pull_request", "ruleset_id": 1, "parameters": object{"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": false}}})
	})
	srv.Handle("GET /orgs/team/teams/{slug}/members", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.PathValue("slug") != "platform" {
			return forgetest.Refuse(404, "Not Found")
		}
		return forgetest.OK(forgetest.List(s.Team, func(who string) any { return s.user(who) }))
	})
	srv.Handle("GET "+repo+"/activity", []string{"ref"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for _, p := range slices.Backward(s.Pushes) {
			if "refs/heads/"+p.Branch == r.URL.Query().Get("ref") {
				out = append(out, object{"id": 1, "ref": "refs/heads/" + p.Branch, "after": p.Commit, "activity_type": "push", "actor": s.user(p.Who), "timestamp": p.At})
			}
		}
		return forgetest.OK(out)
	})
	srv.Handle("DELETE "+repo+"/git/refs/heads/{name...}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if s.Branches[r.PathValue("name")] == "" {
			return forgetest.Refuse(422, "Reference does not exist")
		}
		delete(s.Branches, r.PathValue("name"))
		return forgetest.Answer{Status: 204}
	})
}

func (s *Stage) pull(p *forgetest.Pull) object {
	state, mergedAt := "open", (*time.Time)(nil)
	if p.State != forge.Open {
		state = "closed"
	}
	if p.State == forge.Merged {
		mergedAt = &p.Updated
	}
	end := func(branch, at string) object {
		return object{"ref": branch, "sha": at, "label": "team:" + branch, "repo": object{"full_name": "team/fleet"}}
	}
	return object{"number": p.Number, "html_url": fmt.Sprintf("https://github.example.com/team/fleet/pull/%d", p.Number), "title": p.Title, "body": p.Body,
		"state": state, "draft": false, "merged_at": mergedAt, "merge_commit_sha": p.MergedAs, "mergeable": nil, "user": s.user(p.Author),
		"labels": labels(p), "head": end(p.Head, p.HeadAt), "base": end(p.Base, s.Branches[p.Base]), "created_at": p.Created, "updated_at": p.Updated}
}

// listed is a pull request as a list has it.
func (s *Stage) listed(p *forgetest.Pull) any {
	out := s.pull(p)
	delete(out, "mergeable")
	return out
}

func (s *Stage) pullRoutes(srv *forgetest.Strict) {
	srv.Handle("GET "+repo+"/pulls", []string{"state", "head", "base", "sort", "direction"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		q := r.URL.Query()
		var out []any
		for _, p := range slices.Backward(s.Pulls) {
			open := p.State == forge.Open
			if (q.Get("state") == "all" || open == (q.Get("state") == "open")) && (!q.Has("base") || q.Get("base") == p.Base) && (!q.Has("head") || q.Get("head") == "team:"+p.Head) {
				out = append(out, s.listed(p))
			}
		}
		return forgetest.OK(out)
	})
	srv.Handle("POST "+repo+"/pulls", []string{"title", "head", "base", "body"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		p := s.Open(r.Who, forgetest.Text(in, "head"), forgetest.Text(in, "base"))
		if p == nil {
			return forgetest.Answer{Status: 422, Body: object{"message": "Validation Failed", "errors": []any{object{"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for team:" + forgetest.Text(in, "head") + "."}}}}
		}
		p.Title, p.Body = forgetest.Text(in, "title"), forgetest.Text(in, "body")
		if len([]rune(p.Body)) > 65_536 {
			return forgetest.Refuse(422, "Validation Failed: body is too long (maximum is 65536 characters)")
		}
		return forgetest.Answer{Status: 201, Body: s.pull(p)}
	})
	one := func(serve forgetest.OnPull) forgetest.Serve { return s.One("Not Found", serve) }
	srv.Handle("GET "+repo+"/pulls/{n}", nil, one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("PATCH "+repo+"/pulls/{n}", []string{"title", "body", "state"}, one(func(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
		p.Rewrite(in, "title", "body")
		if v, ok := in["state"].(string); ok {
			p.State = forge.State(v)
		}
		return forgetest.OK(s.pull(p))
	}))
	label := func(keep bool) forgetest.OnPull {
		return func(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
			if !keep {
				p.Labels = nil
			}
			p.Labels = append(p.Labels, forgetest.Texts(in, "labels")...)
			return forgetest.OK(labels(p))
		}
	}
	srv.Handle("POST "+repo+"/issues/{n}/labels", []string{"labels"}, one(label(true)))
	srv.Handle("PUT "+repo+"/issues/{n}/labels", []string{"labels"}, one(label(false)))
	srv.Handle("PUT "+repo+"/pulls/{n}/merge", []string{"sha", "merge_method", "commit_title", "commit_message"}, one(s.merge))
}

func labels(p *forgetest.Pull) []any {
	return forgetest.List(p.Labels, func(l string) any { return object{"name": l} })
}

func (s *Stage) merge(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
	switch {
	case p.State != forge.Open:
		return forgetest.Refuse(405, "Pull Request is not mergeable")
	case forgetest.Text(in, "sha") != p.HeadAt:
		return forgetest.Refuse(409, "Head branch was modified. Review and try the merge again.")
	case p.Base == forgetest.Guarded && !s.Approved(p):
		return forgetest.Refuse(405, "Repository rule violations found\n\nAt least 1 approving review is required by reviewers with write access.")
	}
	s.Done(p)
	return forgetest.OK(object{"sha": p.MergedAs, "merged": true, "message": "Pull Request successfully merged"})
}

func (s *Stage) sayRoutes(srv *forgetest.Strict) {
	comment := func(n forgetest.Note) any {
		return object{"id": n.ID, "body": n.Body, "user": s.user(n.Author), "created_at": n.At, "updated_at": n.At}
	}
	srv.Handle("GET "+repo+"/issues/{n}/comments", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(forgetest.List(s.NotesOf(r.Int("n"), func(n forgetest.Note) bool { return n.Verdict == "" }), comment))
	})
	srv.Handle("POST "+repo+"/issues/{n}/comments", []string{"body"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		n := s.Say(forgetest.Note{Pull: r.Int("n"), Author: r.Who, Body: forgetest.Text(in, "body")})
		return forgetest.Answer{Status: 201, Body: comment(*n)}
	})
	srv.Handle("PATCH "+repo+"/issues/comments/{id}", []string{"body"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		n := s.Note(r.Int("id"))
		if n == nil || n.Author != r.Who {
			return forgetest.Refuse(403, "Must have admin rights to Repository.")
		}
		n.Body = forgetest.Text(in, "body")
		return forgetest.OK(comment(*n))
	})
	srv.Handle("GET "+repo+"/pulls/{n}/reviews", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		states := map[forge.Verdict]string{forge.Approved: "APPROVED", forge.Rejected: "CHANGES_REQUESTED", forge.Commented: "COMMENTED"}
		return forgetest.OK(forgetest.List(s.NotesOf(r.Int("n"), func(n forgetest.Note) bool { return n.Verdict != "" }), func(n forgetest.Note) any {
			state := states[n.Verdict]
			if n.Dismissed {
				state = "DISMISSED"
			}
			return object{"id": n.ID, "user": s.user(n.Author), "state": state, "commit_id": n.Commit, "submitted_at": n.At, "body": ""}
		}))
	})
	srv.Handle("POST "+repo+"/statuses/{sha}", []string{"state", "context", "description", "target_url"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		st := forgetest.Status{ID: s.Next(), Commit: r.PathValue("sha"), Context: forgetest.Text(in, "context"), State: forgetest.Text(in, "state"), Description: forgetest.Text(in, "description"), URL: forgetest.Text(in, "target_url"), Creator: r.Who, At: s.Now()}
		if len([]rune(st.Description)) > 140 {
			return forgetest.Refuse(422, "Validation Failed: description is too long (maximum is 140 characters)")
		}
		s.Statuses = append(s.Statuses, st)
		return forgetest.Answer{Status: 201, Body: s.status(st)}
	})
	srv.Handle("GET "+repo+"/commits/{sha}/statuses", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for _, st := range slices.Backward(s.Statuses) {
			if st.Commit == r.PathValue("sha") {
				out = append(out, s.status(st))
			}
		}
		return forgetest.OK(out)
	})
}

func (s *Stage) status(st forgetest.Status) any {
	return object{"id": st.ID, "state": st.State, "context": st.Context, "description": st.Description, "target_url": st.URL, "creator": s.user(st.Creator), "created_at": st.At, "updated_at": st.At}
}

// Forge implements forgetest.Stage.
func (s *Stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	return forgetest.Dial(t, s.open, forge.Config{URL: "https://github.example.com/team/fleet", API: s.url, Token: secret.Of(forgetest.Token(who)), Transport: wrap(http.DefaultTransport)})
}

// Can implements forgetest.Stage.
func (s *Stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Dismissal: true, Statuses: true, Team: "team/platform", Insider: forgetest.Leat, Protection: true, Titles: true, Labels: true}
}
