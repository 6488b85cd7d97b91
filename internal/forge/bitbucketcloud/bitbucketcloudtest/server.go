// Package bitbucketcloudtest is a strict local server with the shapes of Bitbucket Cloud, held to the
// document that the service publishes: for the tests of package bitbucketcloud, and of whatever
// asks a forge.
//
//	s := bitbucketcloudtest.Start(t, forgetest.Opens(bitbucketcloud.New))
//	f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
//
// It must never let pass what the service would ignore.
package bitbucketcloudtest

import (
	_ "embed"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
)

// Stage is a strict local server with Bitbucket Cloud's shapes.
type Stage struct {
	*forgetest.World
	open      forgetest.Open
	url       string
	Published *forgetest.Published
}

type object = forgetest.Object

const repo = "/2.0/repositories/team/fleet"

// unpublished is what Atlassian's document lacks or says otherwise, by the examples of
// its own pages (developer.atlassian.com/cloud/bitbucket/rest).
var unpublished = forgetest.Unpublished{
	"definitions > account > properties > nickname":                                                                  "of people; the document has it in user",
	"definitions > pullrequest > properties > description":                                                           "in every example; the document has its rendered form, summary",
	"operations > GET /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/activity > answers > 200": "described by an example alone",
	"operations > GET /repositories/{workspace}/{repo_slug}/pullrequests > query > q":                                "filtering is described for all lists in one place",
	"operations > GET /repositories/{workspace}/{repo_slug}/pullrequests > query > sort":                             "so is sorting",
}

//go:embed testdata/published.json
var document []byte

// Start starts one; open opens the forge of a person at it.
func Start(t *testing.T, open forgetest.Open) *Stage {
	published := forgetest.ReadPublished(t, document, unpublished)
	s := &Stage{World: forgetest.NewWorld(), open: open, Published: published}
	published.Path = func(path string) string { return strings.TrimPrefix(path, "/2.0") }
	published.Paging = []string{"pagelen", "page"}
	srv := &forgetest.Strict{
		World: s.World, PerPage: 10, MaxPerPage: 50, SizeParam: "pagelen", Published: published,
		Token:   func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") },
		Refusal: func(m string) any { return object{"type": "error", "error": object{"message": m}} },
	}
	s.routes(srv)
	s.pullRoutes(srv)
	s.sayRoutes(srv)
	s.url = srv.Start(t)
	return s
}

// page cuts a page out as Bitbucket does; a link leads to the next.
func page(r forgetest.Request, list []any) forgetest.Answer {
	at, size := 1, 10
	fmt.Sscan(r.URL.Query().Get("page"), &at)
	fmt.Sscan(r.URL.Query().Get("pagelen"), &size)
	size = min(size, 7) // fewer than what is asked
	from, to := min(len(list), (at-1)*size), min(len(list), at*size)
	out := object{"values": append([]any{}, list[from:to]...), "page": at, "pagelen": size, "size": len(list)}
	if to < len(list) {
		next := *r.URL
		q := next.Query()
		q.Set("page", fmt.Sprint(at+1))
		next.Scheme, next.Host, next.RawQuery = "https", "api.bitbucket.org", q.Encode()
		out["next"] = next.String()
	}
	return forgetest.OK(out)
}

func (s *Stage) user(who string) object {
	return object{"type": "user", "uuid": fmt.Sprintf("{%08d}", s.ID(who)), "nickname": who, "display_name": strings.ToUpper(who)}
}

func short(commit string) string { return commit[:min(12, len(commit))] }

func (s *Stage) routes(srv *forgetest.Strict) {
	srv.Handle("GET /2.0/user", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer { return forgetest.OK(s.user(r.Who)) })
	srv.Handle("GET /2.0/workspaces/{name}/members", []string{"pagelen", "page"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.PathValue("name") != "team" {
			return forgetest.Refuse(404, "No workspace with identifier")
		}
		member := func(who string) any { return object{"type": "workspace_membership", "user": s.user(who)} }
		return page(r, forgetest.List(s.Team, member))
	})
	srv.Handle("GET "+repo, nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK(object{"type": "repository", "full_name": "team/fleet", "is_private": true, "mainbranch": object{"type": "branch", "name": "main"},
			"links": object{"html": object{"href": "https://bitbucket.org/team/fleet"}, "clone": []any{object{"href": "https://bitbucket.org/team/fleet.git", "name": "https"}}}})
	})
	srv.Handle("GET "+repo+"/refs/branches/{name...}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		name := r.PathValue("name")
		if s.Branches[name] == "" {
			return forgetest.Refuse(404, "Resource not found")
		}
		return forgetest.OK(object{"type": "branch", "name": name, "target": object{"type": "commit", "hash": s.Branches[name]}})
	})
	srv.Handle("GET "+repo+"/branch-restrictions", []string{"pagelen", "page"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		rule := func(kind, pattern string, value any) any {
			return object{"type": "branchrestriction", "id": 1, "kind": kind, "pattern": pattern, "branch_match_kind": "glob", "value": value}
		}
		return page(r, []any{rule("push", "guard*", 0), rule("require_approvals_to_merge", forgetest.Guarded, 1), rule("force", "release/*", 0)})
	})
	srv.Handle("GET "+repo+"/commit/{sha}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		for _, at := range s.commits() {
			if strings.HasPrefix(at, r.PathValue("sha")) {
				return forgetest.OK(object{"type": "commit", "hash": at})
			}
		}
		return forgetest.Refuse(404, "Commit not found")
	})
}

// commits are those that something points to, or did.
func (s *Stage) commits() []string {
	var out []string
	for _, at := range s.Branches {
		out = append(out, at)
	}
	for _, p := range s.Pulls {
		out = append(out, p.MergedAs)
		for _, v := range p.Versions {
			out = append(out, v.Commit)
		}
	}
	return out
}

func (s *Stage) pull(p *forgetest.Pull) object {
	end := func(branch, at string) object {
		return object{"branch": object{"name": branch}, "commit": object{"hash": short(at)}, "repository": object{"type": "repository", "full_name": "team/fleet"}}
	}
	out := object{"type": "pullrequest", "id": p.Number, "title": p.Title, "description": p.Body, "draft": false, "author": s.user(p.Author),
		"state":  map[forge.State]string{forge.Open: "OPEN", forge.Closed: "DECLINED", forge.Merged: "MERGED"}[p.State],
		"source": end(p.Head, p.HeadAt), "destination": end(p.Base, s.Branches[p.Base]), "created_on": p.Created, "updated_on": p.Updated,
		"reviewers": []any{s.user(forgetest.Bob)}, "participants": s.participants(p), "links": object{"html": object{"href": fmt.Sprintf("https://bitbucket.org/team/fleet/pull-requests/%d", p.Number)}}}
	if p.MergedAs != "" {
		out["merge_commit"] = object{"hash": short(p.MergedAs)}
	}
	return out
}

func (s *Stage) verdicts(p *forgetest.Pull) []forgetest.Note {
	return s.NotesOf(p.Number, func(n forgetest.Note) bool { return n.Verdict == forge.Approved || n.Verdict == forge.Rejected })
}

func (s *Stage) participants(p *forgetest.Pull) []any {
	last := map[string]forgetest.Note{}
	for _, n := range s.verdicts(p) {
		last[n.Author] = n
	}
	out := []any{}
	for who, n := range last {
		var state any = map[forge.Verdict]string{forge.Approved: "approved", forge.Rejected: "changes_requested"}[n.Verdict]
		if n.Dismissed {
			state = nil
		}
		out = append(out, object{"type": "participant", "user": s.user(who), "role": "REVIEWER", "approved": state == "approved", "state": state, "participated_on": n.At.Format(time.RFC3339)})
	}
	return out
}

func (s *Stage) one(serve forgetest.OnPull) forgetest.Serve {
	return s.One("Resource not found", serve)
}

// condition is one of Bitbucket's query language, as the adapter writes it.
var condition = regexp.MustCompile(`^(source|destination)\.branch\.name = "([^"]*)"$`)

func (s *Stage) pullRoutes(srv *forgetest.Strict) {
	srv.Handle("GET "+repo+"/pullrequests", []string{"state", "q", "sort", "pagelen", "page"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		q, out := r.URL.Query(), []any{}
		for _, p := range slices.Backward(s.Pulls) {
			got := s.pull(p)
			if slices.Contains(q["state"], got["state"].(string)) && matches(q.Get("q"), p) {
				out = append(out, got)
			}
		}
		return page(r, out)
	})
	branch := func(in map[string]any, end string) string {
		side, _ := in[end].(map[string]any)
		of, _ := side["branch"].(map[string]any)
		return forgetest.Text(of, "name")
	}
	srv.Handle("POST "+repo+"/pullrequests", []string{"type", "title", "description", "source", "destination"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		p := s.Open(r.Who, branch(in, "source"), branch(in, "destination"))
		if p == nil {
			return forgetest.Refuse(400, "There are no changes to be pulled")
		}
		p.Title, p.Body = forgetest.Text(in, "title"), forgetest.Text(in, "description")
		if len([]rune(p.Body)) > 32_768 {
			return forgetest.Refuse(400, "description: Ensure this value has at most 32768 characters.")
		}
		return forgetest.Answer{Status: 201, Body: s.pull(p)}
	})
	one := repo + "/pullrequests/{n}"
	srv.Handle("GET "+one, nil, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("PUT "+one, []string{"type", "title", "description", "reviewers"}, s.one(func(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
		if list, _ := in["reviewers"].([]any); p.State != forge.Open || len(list) != 1 {
			return forgetest.Refuse(400, "only open pull requests can be mutated, and reviewers stay")
		}
		p.Title, p.Body = forgetest.Text(in, "title"), forgetest.Text(in, "description")
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("POST "+one+"/decline", nil, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		p.State = forge.Closed
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("POST "+one+"/merge", []string{"type", "message", "close_source_branch", "merge_strategy"}, s.one(func(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
		switch {
		case p.State != forge.Open:
			return forgetest.Refuse(400, "This pull request is already closed.")
		case p.Base == forgetest.Guarded && !s.Approved(p):
			return forgetest.Refuse(400, "Your merge cannot be completed: 1 merge check has not passed: at least 1 approval")
		}
		s.Done(p)
		if in["close_source_branch"] == true {
			delete(s.Branches, p.Head)
		}
		return forgetest.OK(s.pull(p))
	}))
}

// matches tells whether a query is one of a pull request.
func matches(q string, p *forgetest.Pull) bool {
	for part := range strings.SplitSeq(q, " AND ") {
		m := condition.FindStringSubmatch(part)
		switch {
		case part == "":
		case m == nil, m[1] == "source" && m[2] != p.Head, m[1] == "destination" && m[2] != p.Base:
			return false
		}
	}
	return true
}

func (s *Stage) comment(n forgetest.Note) object {
	return object{"type": "pullrequest_comment", "id": n.ID, "content": object{"raw": n.Body}, "user": s.user(n.Author), "deleted": false, "created_on": n.At, "updated_on": n.At}
}

// activity is what happened, the newest first.
func (s *Stage) activity(p *forgetest.Pull) []any {
	type happened struct {
		at   time.Time
		what object
	}
	var list []happened
	for _, n := range s.NotesOf(p.Number, func(forgetest.Note) bool { return true }) {
		key := map[forge.Verdict]string{"": "comment", forge.Approved: "approval", forge.Rejected: "changes_requested"}[n.Verdict]
		what := s.comment(n)
		if n.Verdict != "" {
			what = object{"date": n.At, "user": s.user(n.Author)}
		}
		list = append(list, happened{n.At, object{key: what}})
	}
	for i, v := range p.Versions {
		by := p.Author
		for _, push := range s.Pushes {
			if i > 0 && push.Commit == v.Commit {
				by = push.Who
			}
		}
		list = append(list, happened{v.At, object{"update": object{"date": v.At, "author": s.user(by), "state": "OPEN",
			"source": object{"branch": object{"name": p.Head}, "commit": object{"hash": short(v.Commit)}, "repository": object{"full_name": "team/fleet"}}}}})
	}
	slices.SortFunc(list, func(a, b happened) int { return b.at.Compare(a.at) })
	return forgetest.List(list, func(h happened) any { return h.what })
}

func (s *Stage) sayRoutes(srv *forgetest.Strict) {
	one := repo + "/pullrequests/{n}"
	raw := func(in map[string]any) string {
		content, _ := in["content"].(map[string]any)
		return forgetest.Text(content, "raw")
	}
	srv.Handle("GET "+one+"/activity", []string{"pagelen", "page"}, s.one(func(p *forgetest.Pull, r forgetest.Request, _ map[string]any) forgetest.Answer {
		return page(r, s.activity(p))
	}))
	srv.Handle("GET "+one+"/comments", []string{"pagelen", "page"}, s.one(func(p *forgetest.Pull, r forgetest.Request, _ map[string]any) forgetest.Answer {
		list := forgetest.List(s.NotesOf(p.Number, func(n forgetest.Note) bool { return n.Verdict == "" }), func(n forgetest.Note) any { return s.comment(n) })
		line := s.comment(forgetest.Note{ID: 1, Author: forgetest.Bob, Body: "<!-- leat:plan -->", At: p.Created})
		line["inline"] = object{"path": "a", "to": 1}
		return page(r, append(list, line))
	}))
	srv.Handle("POST "+one+"/comments", []string{"type", "content"}, s.one(func(p *forgetest.Pull, r forgetest.Request, in map[string]any) forgetest.Answer {
		return forgetest.Answer{Status: 201, Body: s.comment(*s.Say(forgetest.Note{Pull: p.Number, Author: r.Who, Body: raw(in)}))}
	}))
	srv.Handle("PUT "+one+"/comments/{id}", []string{"type", "content"}, s.one(func(_ *forgetest.Pull, r forgetest.Request, in map[string]any) forgetest.Answer {
		n := s.Note(r.Int("id"))
		if n == nil || n.Author != r.Who {
			return forgetest.Refuse(403, "You don't have access to modify this comment")
		}
		n.Body = raw(in)
		return forgetest.OK(s.comment(*n))
	}))
	status := func(st forgetest.Status) any {
		return object{"type": "build", "key": st.Creator, "name": st.Context, "state": st.State, "url": st.URL, "description": st.Description, "updated_on": st.At}
	}
	srv.Handle("POST "+repo+"/commit/{sha}/statuses/build", []string{"type", "key", "name", "state", "url", "description"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		st := forgetest.Status{Commit: r.PathValue("sha"), Context: forgetest.Text(in, "name"), Creator: forgetest.Text(in, "key"), State: forgetest.Text(in, "state"), URL: forgetest.Text(in, "url"), At: s.Now()}
		if st.URL == "" || st.Creator == "" || len(st.Creator) > 40 {
			return forgetest.Refuse(400, "key: Ensure this value has at most 40 characters, url is required")
		}
		s.Statuses = append(slices.DeleteFunc(s.Statuses, func(o forgetest.Status) bool { return o.Commit == st.Commit && o.Creator == st.Creator }), st)
		return forgetest.Answer{Status: 201, Body: status(st)}
	})
	srv.Handle("GET "+repo+"/commit/{sha}/statuses", []string{"pagelen", "page"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		out := forgetest.List(s.StatusesOf(r.PathValue("sha")), func(st forgetest.Status) any { return status(st) })
		return page(r, out)
	})
}

// Forge implements forgetest.Stage.
func (s *Stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	return forgetest.Dial(t, s.open, forge.Config{URL: "https://bitbucket.org/team/fleet", API: s.url + "/2.0", Token: secret.Of(forgetest.Token(who)), Transport: wrap(http.DefaultTransport)})
}

// Can implements forgetest.Stage.
func (s *Stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Dismissal: true, Team: "team", Insider: forgetest.Leat, Protection: true, Titles: true}
}
