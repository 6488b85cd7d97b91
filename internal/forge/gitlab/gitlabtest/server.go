// Package gitlabtest is a strict local server with the shapes of GitLab, held to the
// document that the service publishes: for the tests of package gitlab, and of whatever
// asks a forge.
//
//	s := gitlabtest.Start(t, forgetest.Opens(gitlab.New))
//	f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
//
// It must never let pass what the service would ignore.
package gitlabtest

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
)

// Stage is a strict local server with GitLab's shapes, held to the document that GitLab
// publishes; states, words and what refuses are those of docs.gitlab.com/api.
type Stage struct {
	*forgetest.World
	open      forgetest.Open
	url       string
	Published *forgetest.Published
	Busy      int // how often a status is refused, since another is being set
}

type object = forgetest.Object

const repo = "/api/v4/projects/{project}"

// unpublished is what GitLab's document says otherwise than its pages and its program:
// it is made of the program's declarations, which do not say of everything that it is
// a list.
var unpublished = forgetest.Unpublished{
	"definitions > APIEntitiesMergeRequestApprovals > properties > approved_by":      "a list: docs.gitlab.com/api/merge_request_approvals",
	"definitions > APIEntitiesProjectApprovalRule > properties > protected_branches": "a list: docs.gitlab.com/api/merge_request_approvals",
	"operations > POST /api/v4/projects/{id}/statuses/{sha} > answers > 201":         "what Grape answers to POST where nothing is said, as lib/api/commit_statuses.rb says nothing",
}

//go:embed testdata/published.json
var document []byte

// Start starts one; open opens the forge of a person at it.
func Start(t *testing.T, open forgetest.Open) *Stage {
	s := &Stage{World: forgetest.NewWorld(), open: open, Published: forgetest.ReadPublished(t, document, unpublished)}
	s.Published.NoNulls = true
	srv := &forgetest.Strict{
		World: s.World, PerPage: 20, MaxPerPage: 100, Published: s.Published,
		Token:   func(r *http.Request) string { return r.Header.Get("Private-Token") },
		Refusal: func(m string) any { return object{"message": m} },
		Check: func(r *http.Request) error {
			if p := r.PathValue("project"); p != "" && p != "team/fleet" {
				return fmt.Errorf("asked for the project %s", p)
			}
			return nil
		},
	}
	s.routes(srv)
	s.requestRoutes(srv)
	s.sayRoutes(srv)
	s.url = srv.Start(t)
	return s
}

func (s *Stage) user(who string) object {
	return object{"id": s.ID(who), "username": who, "name": who, "state": "active", "web_url": "https://gitlab.example.com/" + who}
}

func (s *Stage) routes(srv *forgetest.Strict) {
	srv.Handle("GET /api/v4/user", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer { return forgetest.OK(s.user(r.Who)) })
	srv.Handle("GET "+repo, nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK(object{"id": 1, "path_with_namespace": "team/fleet", "default_branch": "main", "web_url": "https://gitlab.example.com/team/fleet", "http_url_to_repo": "https://gitlab.example.com/team/fleet.git", "visibility": "private"})
	})
	srv.Handle("GET "+repo+"/repository/branches/{name}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		name := r.PathValue("name")
		if s.Branches[name] == "" {
			return forgetest.Refuse(404, "404 Branch Not Found")
		}
		return forgetest.OK(object{"name": name, "commit": object{"id": s.Branches[name]}, "protected": name == forgetest.Guarded, "developers_can_push": false})
	})
	srv.Handle("GET "+repo+"/approval_rules", nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK([]any{object{"id": 1, "name": "guard", "approvals_required": 1, "protected_branches": []any{object{"id": 1, "name": forgetest.Guarded}}}})
	})
	srv.Handle("GET /api/v4/groups/{group}/members/all", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.PathValue("group") != "team/platform" {
			return forgetest.Refuse(404, "404 Group Not Found")
		}
		gone := s.user(forgetest.Mallory)
		gone["state"] = "blocked"
		return forgetest.OK(append(forgetest.List(s.Team, func(who string) any { return s.user(who) }), gone))
	})
	srv.Handle("GET "+repo+"/events", []string{"action"}, func(forgetest.Request, map[string]any) forgetest.Answer {
		var out []any
		for _, p := range slices.Backward(s.Pushes) {
			out = append(out, object{"action_name": "pushed to", "author": s.user(p.Who), "push_data": object{"ref": p.Branch, "ref_type": "branch", "commit_to": p.Commit}})
		}
		return forgetest.OK(out)
	})
}

func (s *Stage) request(p *forgetest.Pull) object {
	status := "mergeable"
	if p.State != forge.Open {
		status = "not_open"
	} else if p.Base == forgetest.Guarded && !s.Approved(p) {
		status = "not_approved"
	}
	return object{"iid": p.Number, "web_url": fmt.Sprintf("https://gitlab.example.com/team/fleet/-/merge_requests/%d", p.Number), "title": p.Title, "description": p.Body,
		"state": map[forge.State]string{forge.Open: "opened", forge.Closed: "closed", forge.Merged: "merged"}[p.State], "draft": false, "author": s.user(p.Author),
		"source_branch": p.Head, "target_branch": p.Base, "source_project_id": 1, "target_project_id": 1, "sha": p.HeadAt, "merge_commit_sha": p.MergedAs,
		"detailed_merge_status": status, "labels": append([]string{}, p.Labels...), "created_at": p.Created, "updated_at": p.Updated}
}

func (s *Stage) one(serve forgetest.OnPull) forgetest.Serve { return s.One("404 Not found", serve) }

func (s *Stage) requestRoutes(srv *forgetest.Strict) {
	srv.Handle("GET "+repo+"/merge_requests", []string{"state", "source_branch", "target_branch", "order_by", "sort"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		q := r.URL.Query()
		state := map[string]forge.State{"opened": forge.Open, "closed": forge.Closed, "merged": forge.Merged}[q.Get("state")]
		var out []any
		for _, p := range slices.Backward(s.Pulls) {
			if (state == "" || p.State == state) && (!q.Has("target_branch") || q.Get("target_branch") == p.Base) && (!q.Has("source_branch") || q.Get("source_branch") == p.Head) {
				out = append(out, s.request(p))
			}
		}
		return forgetest.OK(out)
	})
	srv.Handle("POST "+repo+"/merge_requests", []string{"source_branch", "target_branch", "title", "description", "labels"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		p := s.Open(r.Who, forgetest.Text(in, "source_branch"), forgetest.Text(in, "target_branch"))
		if p == nil {
			return forgetest.Answer{Status: 409, Body: object{"message": []string{"Another open merge request already exists for this source branch: !1"}}}
		}
		p.Title, p.Body, p.Labels = forgetest.Text(in, "title"), forgetest.Text(in, "description"), forgetest.Texts(in, "labels")
		return forgetest.Answer{Status: 201, Body: s.request(p)}
	})
	one := repo + "/merge_requests/{n}"
	srv.Handle("GET "+one, nil, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.request(p))
	}))
	srv.Handle("PUT "+one, []string{"title", "description", "state_event", "labels"}, s.one(func(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
		p.Rewrite(in, "title", "description")
		if v, ok := in["state_event"].(string); ok {
			p.State = map[string]forge.State{"close": forge.Closed, "reopen": forge.Open}[v]
		}
		if in["labels"] != nil {
			p.Labels = forgetest.Texts(in, "labels")
		}
		return forgetest.OK(s.request(p))
	}))
	srv.Handle("PUT "+one+"/merge", []string{"sha", "squash", "should_remove_source_branch", "merge_commit_message"}, s.one(s.merge))
	srv.Handle("GET "+one+"/versions", nil, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for _, v := range slices.Backward(p.Versions) {
			out = append(out, object{"id": 1, "head_commit_sha": v.Commit, "created_at": v.At})
		}
		return forgetest.OK(out)
	}))
	srv.Handle("GET "+one+"/approvals", nil, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		by := s.NotesOf(p.Number, func(n forgetest.Note) bool { return n.Verdict == forge.Approved && !n.Dismissed })
		return forgetest.OK(object{"approved_by": forgetest.List(by, func(n forgetest.Note) any { return object{"user": s.user(n.Author)} })})
	}))
}

func (s *Stage) merge(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
	switch {
	case p.State != forge.Open:
		return forgetest.Refuse(405, "405 Method Not Allowed")
	case forgetest.Text(in, "sha") != p.HeadAt:
		return forgetest.Refuse(409, "SHA does not match HEAD of source branch: "+p.HeadAt)
	case p.Base == forgetest.Guarded && !s.Approved(p):
		return forgetest.Refuse(405, "405 Method Not Allowed")
	}
	s.Done(p)
	return forgetest.OK(s.request(p))
}

// note is a comment, or GitLab's own about a review.
func (s *Stage) note(n forgetest.Note) any {
	body := n.Body
	switch n.Verdict {
	case forge.Approved:
		body = "approved this merge request"
	case forge.Rejected:
		body = "requested changes"
	}
	return object{"id": n.ID, "body": body, "author": s.user(n.Author), "system": n.Verdict != "" || n.Commit == "system", "created_at": n.At, "updated_at": n.At, "noteable_type": "MergeRequest"}
}

// notes are all, with those that GitLab makes of pushes.
func (s *Stage) notes(p *forgetest.Pull) []forgetest.Note {
	out := s.NotesOf(p.Number, func(forgetest.Note) bool { return true })
	for _, v := range p.Versions[1:] {
		for _, push := range s.Pushes {
			if push.Commit == v.Commit {
				out = append(out, forgetest.Note{ID: 1_000_000 + len(out), Author: push.Who, Body: "added 1 commit\n\n<ul><li>…</li></ul>", Commit: "system", At: v.At})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b forgetest.Note) int { return a.At.Compare(b.At) })
	return out
}

func (s *Stage) sayRoutes(srv *forgetest.Strict) {
	one := repo + "/merge_requests/{n}"
	srv.Handle("GET "+one+"/notes", []string{"sort", "order_by"}, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(forgetest.List(s.notes(p), s.note))
	}))
	srv.Handle("POST "+one+"/notes", []string{"body"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		return forgetest.Answer{Status: 201, Body: s.note(*s.Say(forgetest.Note{Pull: r.Int("n"), Author: r.Who, Body: forgetest.Text(in, "body")}))}
	})
	srv.Handle("PUT "+one+"/notes/{id}", []string{"body"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		n := s.Note(r.Int("id"))
		if n == nil || n.Author != r.Who {
			return forgetest.Refuse(403, "403 Forbidden")
		}
		n.Body = forgetest.Text(in, "body")
		return forgetest.OK(s.note(*n))
	})
	srv.Handle("POST "+repo+"/statuses/{sha}", []string{"name", "state", "description", "target_url"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		st := forgetest.Status{ID: s.Next(), Commit: r.PathValue("sha"), Context: forgetest.Text(in, "name"), State: forgetest.Text(in, "state"), Description: forgetest.Text(in, "description"), URL: forgetest.Text(in, "target_url"), Creator: r.Who, At: s.Now()}
		if !slices.Contains([]string{"pending", "running", "success", "failed", "canceled", "skipped"}, st.State) {
			return forgetest.Refuse(400, "state does not have a valid value")
		}
		if s.Busy > 0 {
			s.Busy--
			return forgetest.Refuse(409, "409 Conflict - Another update to this commit status is in progress")
		}
		if len(st.URL) > 255 {
			return forgetest.Refuse(400, "target_url is too long (maximum is 255 characters)")
		}
		s.Statuses = append(s.Statuses, st)
		return forgetest.Answer{Status: 201, Body: s.status(st)}
	})
	srv.Handle("GET "+repo+"/repository/commits/{sha}/statuses", []string{"all"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		out := forgetest.List(s.StatusesOf(r.PathValue("sha")), func(st forgetest.Status) any { return s.status(st) })
		return forgetest.OK(out)
	})
}

func (s *Stage) status(st forgetest.Status) any {
	return object{"id": st.ID, "status": st.State, "name": st.Context, "description": st.Description, "target_url": st.URL, "author": s.user(st.Creator), "created_at": st.At}
}

// Forge implements forgetest.Stage.
func (s *Stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	return forgetest.Dial(t, s.open, forge.Config{URL: s.url + "/team/fleet", Token: secret.Of(forgetest.Token(who)), Transport: wrap(http.DefaultTransport)})
}

// Can implements forgetest.Stage.
func (s *Stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Dismissal: true, Statuses: true, Team: "team/platform", Insider: forgetest.Leat, Protection: true, Titles: true, Labels: true}
}
