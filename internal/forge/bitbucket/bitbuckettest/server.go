// Package bitbuckettest is a strict local server with the shapes of Bitbucket Data Center, held to the
// document that the service publishes: for the tests of package bitbucket, and of whatever
// asks a forge.
//
//	s := bitbuckettest.Start(t, forgetest.Opens(bitbucket.New))
//	f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
//
// It must never let pass what the service would ignore.
package bitbuckettest

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

// Stage is a strict local server with Bitbucket Data Center's shapes: fields,
// states, versions, pages and exceptions of its REST API 1.0.
type Stage struct {
	*forgetest.World
	open      forgetest.Open
	url       string
	Published *forgetest.Published
	versions  map[int]int // of pull requests and comments
}

type object = forgetest.Object

// core is where most of the API stands.
const core = "/rest/api/1.0"

const repo = core + "/projects/TEAM/repos/fleet"

//go:embed testdata/published.json
var document []byte

// Start starts one; open opens the forge of a person at it.
func Start(t *testing.T, open forgetest.Open) *Stage {
	s := &Stage{World: forgetest.NewWorld(), open: open, Published: published(t), versions: map[int]int{}}
	srv := &forgetest.Strict{
		World: s.World, PerPage: 25, MaxPerPage: 100, SizeParam: "limit", Published: s.Published,
		Token: func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") },
		Refusal: func(m string) any {
			return object{"errors": []any{object{"context": nil, "message": m, "exceptionName": nil}}}
		},
	}
	s.routes(srv)
	s.pullRoutes(srv)
	s.sayRoutes(srv)
	s.url = srv.Start(t)
	return s
}

// published is of the newest version, and writes latest for the number of each API.
func published(t *testing.T) *forgetest.Published {
	p := forgetest.ReadPublished(t, document, unpublished)
	number := regexp.MustCompile(`^/rest/([a-z-]+)/[0-9.]+/`)
	p.Path = func(path string) string { return number.ReplaceAllString(path, "/$1/latest/") }
	return p
}

// unpublished is what Atlassian's document lacks, by the examples of its own pages and
// by what 8.19 answers (developer.atlassian.com/server/bitbucket/how-tos/webhooks has
// most of these objects).
var unpublished = forgetest.Unpublished{
	"definitions > RestPullRequest > properties > author":                                                    "who opened it, in every answer",
	"definitions > RestPullRequest > properties > properties":                                                "mergeResult and mergeCommit",
	"definitions > RestPullRequestActivity > properties > comment":                                           "what COMMENTED is about",
	"definitions > RestPullRequestActivity > properties > commentAction":                                     "whether it was added",
	"definitions > RestPullRequestActivity > properties > fromHash":                                          "the head after RESCOPED",
	"definitions > RestPullRequestActivity > properties > previousFromHash":                                  "the head before it",
	"definitions > RestRepositoryPullRequestSettings > properties > requiredApprovers > properties > enable": "whether the number counts",
	"definitions > RestBuildStatus > properties > dateAdded":                                                 "API build-status 1.0; newer ones say createdDate",
	"definitions > RestErrorMessage > properties > context":                                                  "null where it is about no field",
	"definitions > RestErrorMessage > properties > exceptionName":                                            "null for some",
	"definitions > RestErrorMessage > properties > conflicted":                                               "of a merge that is refused",
	"definitions > RestErrorMessage > properties > vetoes":                                                   "of a merge that is refused",
	"operations > GET /api/latest/users > answers > 200":                                                     "a page, not one user",
	"operations > GET /api/latest/users > query > limit":                                                     "it is paged",
}

// page cuts a page out as Bitbucket does.
func page(r forgetest.Request, list []any) forgetest.Answer {
	start, limit := 0, 25
	fmt.Sscan(r.URL.Query().Get("start"), &start)
	fmt.Sscan(r.URL.Query().Get("limit"), &limit)
	to := min(len(list), start+min(limit, 3)) // servers may give less than what is asked
	return forgetest.OK(object{"values": append([]any{}, list[min(start, len(list)):to]...), "start": start, "isLastPage": to == len(list), "nextPageStart": to})
}

func (s *Stage) user(who string) object {
	return object{"id": s.ID(who), "name": who, "slug": who, "displayName": who, "type": "NORMAL", "active": true}
}

func (s *Stage) routes(srv *forgetest.Strict) {
	srv.Handle("GET "+core+"/application-properties", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.Answer{Status: 200, Body: object{"version": "8.19.1", "displayName": "Bitbucket"}, Header: http.Header{"X-Ausername": {r.Who}}}
	})
	srv.Handle("GET "+core+"/users/{slug}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.user(r.PathValue("slug")))
	})
	srv.Handle("GET "+core+"/users", []string{"group", "start"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.URL.Query().Get("group") != "platform" {
			return page(r, nil)
		}
		gone := s.user(forgetest.Mallory)
		gone["active"] = false
		return page(r, append(forgetest.List(s.Team, func(who string) any { return s.user(who) }), gone))
	})
	srv.Handle("GET "+repo, nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK(object{"slug": "fleet", "public": false, "project": object{"key": "TEAM"}, "links": object{"self": []any{object{"href": "https://git.example.com/projects/TEAM/repos/fleet/browse"}}, "clone": []any{object{"href": "ssh://git@git.example.com/team/fleet.git", "name": "ssh"}, object{"href": "https://git.example.com/scm/team/fleet.git", "name": "http"}}}})
	})
	srv.Handle("GET "+repo+"/default-branch", nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK(object{"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"})
	})
	srv.Handle("GET "+repo+"/branches", []string{"filterText", "start"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for name, at := range s.Branches {
			if strings.Contains(name, r.URL.Query().Get("filterText")) {
				out = append(out, object{"id": "refs/heads/" + name, "displayId": name, "latestCommit": at, "type": "BRANCH"})
			}
		}
		return page(r, out)
	})
	srv.Handle("GET /rest/branch-permissions/2.0/projects/TEAM/repos/fleet/restrictions", []string{"start"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		return page(r, []any{object{"id": 1, "type": "pull-request-only", "matcher": object{"id": "refs/heads/guarded", "displayId": forgetest.Guarded, "type": object{"id": "BRANCH"}}}})
	})
	srv.Handle("GET "+repo+"/settings/pull-requests", nil, func(forgetest.Request, map[string]any) forgetest.Answer {
		return forgetest.OK(object{"requiredApprovers": object{"enable": true, "count": "1"}, "mergeConfig": object{}})
	})
}

func (s *Stage) participants(p *forgetest.Pull) []any {
	last := map[string]forgetest.Note{}
	for _, n := range s.NotesOf(p.Number, func(n forgetest.Note) bool { return n.Verdict == forge.Approved || n.Verdict == forge.Rejected }) {
		last[n.Author] = n
	}
	out := []any{}
	for who, n := range last {
		out = append(out, object{"user": s.user(who), "role": "REVIEWER", "approved": n.Verdict == forge.Approved, "lastReviewedCommit": n.Commit,
			"status": map[forge.Verdict]string{forge.Approved: "APPROVED", forge.Rejected: "NEEDS_WORK"}[n.Verdict]})
	}
	return out
}

func (s *Stage) pull(p *forgetest.Pull) object {
	end := func(branch, at string) object {
		return object{"id": "refs/heads/" + branch, "displayId": branch, "latestCommit": at, "repository": object{"slug": "fleet", "project": object{"key": "TEAM"}}}
	}
	return object{"id": p.Number, "version": s.versions[p.Number] + len(p.Versions), "title": p.Title, "description": p.Body, "draft": false,
		"state":   map[forge.State]string{forge.Open: "OPEN", forge.Closed: "DECLINED", forge.Merged: "MERGED"}[p.State],
		"fromRef": end(p.Head, p.HeadAt), "toRef": end(p.Base, s.Branches[p.Base]), "author": object{"user": s.user(p.Author), "role": "AUTHOR", "status": "UNAPPROVED"},
		"reviewers": s.participants(p), "participants": []any{}, "createdDate": p.Created.UnixMilli(), "updatedDate": p.Updated.UnixMilli(),
		"properties": object{"mergeResult": object{"outcome": "CLEAN", "current": true}, "mergeCommit": object{"id": p.MergedAs}},
		"links":      object{"self": []any{object{"href": fmt.Sprintf("https://git.example.com/projects/TEAM/repos/fleet/pull-requests/%d", p.Number)}}}}
}

func (s *Stage) one(serve forgetest.OnPull) forgetest.Serve {
	return s.One("Pull request does not exist", serve)
}

// locked refuses a version that is not the last.
func (s *Stage) locked(serve func(*forgetest.Pull, map[string]any) forgetest.Answer) func(forgetest.Request, map[string]any) forgetest.Answer {
	return s.one(func(p *forgetest.Pull, r forgetest.Request, in map[string]any) forgetest.Answer {
		want := fmt.Sprint(s.pull(p)["version"])
		if got := r.URL.Query().Get("version"); got != want && fmt.Sprint(in["version"]) != want {
			return forgetest.Answer{Status: 409, Body: object{"errors": []any{object{"message": "You are attempting to modify a pull request based on out-of-date information.", "exceptionName": "com.atlassian.bitbucket.pull.PullRequestOutOfDateException"}}}}
		}
		return serve(p, in)
	})
}

func (s *Stage) pullRoutes(srv *forgetest.Strict) {
	srv.Handle("GET "+repo+"/pull-requests", []string{"state", "at", "direction", "order", "start"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		q := r.URL.Query()
		var out []any
		for _, p := range slices.Backward(s.Pulls) {
			branch := p.Base
			if q.Get("direction") == "OUTGOING" {
				branch = p.Head
			}
			if got := s.pull(p); (q.Get("state") == "ALL" || q.Get("state") == got["state"]) && (!q.Has("at") || q.Get("at") == "refs/heads/"+branch) {
				out = append(out, got)
			}
		}
		return page(r, out)
	})
	srv.Handle("POST "+repo+"/pull-requests", []string{"title", "description", "fromRef", "toRef"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		ref := func(name string) string {
			end, _ := in[name].(map[string]any)
			return strings.TrimPrefix(forgetest.Text(end, "id"), "refs/heads/")
		}
		p := s.Open(r.Who, ref("fromRef"), ref("toRef"))
		if p == nil {
			return forgetest.Answer{Status: 409, Body: object{"errors": []any{object{"message": "Only one pull request may be open for a given source and target branch", "exceptionName": "com.atlassian.bitbucket.pull.DuplicatePullRequestException"}}}}
		}
		p.Title, p.Body = forgetest.Text(in, "title"), forgetest.Text(in, "description")
		if len([]rune(p.Body)) > 32_768 {
			return forgetest.Refuse(400, "The description should not exceed 32768 characters.")
		}
		return forgetest.Answer{Status: 201, Body: s.pull(p)}
	})
	one := repo + "/pull-requests/{n}"
	srv.Handle("GET "+one, nil, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("PUT "+one, []string{"version", "title", "description", "reviewers"}, s.locked(func(p *forgetest.Pull, in map[string]any) forgetest.Answer {
		if len(in["reviewers"].([]any)) != len(s.participants(p)) {
			return forgetest.Refuse(400, "the test: reviewers were removed")
		}
		p.Title, p.Body = forgetest.Text(in, "title"), forgetest.Text(in, "description")
		s.versions[p.Number]++
		return forgetest.OK(s.pull(p))
	}))
	for action, state := range map[string]forge.State{"decline": forge.Closed, "reopen": forge.Open} {
		srv.Handle("POST "+one+"/"+action, []string{"version"}, s.locked(func(p *forgetest.Pull, _ map[string]any) forgetest.Answer {
			p.State = state
			s.versions[p.Number]++
			return forgetest.OK(s.pull(p))
		}))
	}
	srv.Handle("POST "+one+"/merge", []string{"version", "message", "strategyId"}, s.locked(func(p *forgetest.Pull, _ map[string]any) forgetest.Answer {
		if p.Base == forgetest.Guarded && !s.Approved(p) {
			return forgetest.Answer{Status: 409, Body: object{"errors": []any{object{"context": nil, "message": "Merging the pull request was vetoed by the repository", "exceptionName": "com.atlassian.bitbucket.pull.PullRequestMergeVetoedException", "conflicted": false, "vetoes": []any{object{"summaryMessage": "Not all required reviewers have approved yet"}}}}}}
		}
		s.Done(p)
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("DELETE /rest/branch-utils/1.0/projects/TEAM/repos/fleet/branches", []string{"name", "dryRun"}, func(_ forgetest.Request, in map[string]any) forgetest.Answer {
		delete(s.Branches, strings.TrimPrefix(forgetest.Text(in, "name"), "refs/heads/"))
		return forgetest.Answer{Status: 204}
	})
}

func (s *Stage) comment(n forgetest.Note) object {
	return object{"id": n.ID, "version": s.versions[n.ID], "text": n.Body, "author": s.user(n.Author), "createdDate": n.At.UnixMilli(), "updatedDate": n.At.UnixMilli()}
}

// activities are what happened, the newest first.
func (s *Stage) activities(p *forgetest.Pull) []any {
	type happened struct {
		at   time.Time
		what object
	}
	var list []happened
	for _, n := range s.NotesOf(p.Number, func(forgetest.Note) bool { return true }) {
		what := object{"action": "COMMENTED", "commentAction": "ADDED", "comment": s.comment(n)}
		if n.Verdict != "" {
			what = object{"action": map[forge.Verdict]string{forge.Approved: "APPROVED", forge.Rejected: "REVIEWED"}[n.Verdict]}
		}
		what["user"], what["createdDate"] = s.user(n.Author), n.At.UnixMilli()
		list = append(list, happened{n.At, what})
	}
	for i, v := range p.Versions[1:] {
		for _, push := range s.Pushes {
			if push.Commit == v.Commit {
				list = append(list, happened{v.At, object{"action": "RESCOPED", "user": s.user(push.Who), "createdDate": v.At.UnixMilli(), "fromHash": v.Commit, "previousFromHash": p.Versions[i].Commit}})
			}
		}
	}
	slices.SortFunc(list, func(a, b happened) int { return b.at.Compare(a.at) })
	return forgetest.List(list, func(h happened) any { return h.what })
}

func (s *Stage) sayRoutes(srv *forgetest.Strict) {
	one := repo + "/pull-requests/{n}"
	srv.Handle("GET "+one+"/activities", []string{"start"}, s.one(func(p *forgetest.Pull, r forgetest.Request, _ map[string]any) forgetest.Answer {
		return page(r, s.activities(p))
	}))
	srv.Handle("POST "+one+"/comments", []string{"text"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		return forgetest.Answer{Status: 201, Body: s.comment(*s.Say(forgetest.Note{Pull: r.Int("n"), Author: r.Who, Body: forgetest.Text(in, "text")}))}
	})
	srv.Handle("GET "+one+"/comments/{id}", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.comment(*s.Note(r.Int("id"))))
	})
	srv.Handle("PUT "+one+"/comments/{id}", []string{"text", "version"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		n := s.Note(r.Int("id"))
		if n.Author != r.Who || fmt.Sprint(in["version"]) != fmt.Sprint(s.versions[n.ID]) {
			return forgetest.Refuse(409, "out of date")
		}
		n.Body = forgetest.Text(in, "text")
		s.versions[n.ID]++
		return forgetest.OK(s.comment(*n))
	})
	srv.Handle("POST "+repo+"/commits/{sha}/builds", []string{"key", "name", "state", "url", "description"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		st := forgetest.Status{Commit: r.PathValue("sha"), Context: forgetest.Text(in, "key"), State: forgetest.Text(in, "state"), URL: forgetest.Text(in, "url"), At: s.Now()}
		if st.URL == "" || st.State == "" {
			return forgetest.Refuse(400, "url and state are required")
		}
		s.Statuses = append(slices.DeleteFunc(s.Statuses, func(o forgetest.Status) bool { return o.Commit == st.Commit && o.Context == st.Context }), st)
		return forgetest.Answer{Status: 204}
	})
	srv.Handle("GET /rest/build-status/1.0/commits/{sha}", []string{"start"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		out := forgetest.List(s.StatusesOf(r.PathValue("sha")), func(st forgetest.Status) any {
			return object{"state": st.State, "key": st.Context, "url": st.URL, "description": "", "dateAdded": st.At.UnixMilli()}
		})
		return page(r, out)
	})
}

// Forge implements forgetest.Stage.
func (s *Stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	return forgetest.Dial(t, s.open, forge.Config{URL: s.url + "/projects/TEAM/repos/fleet", Token: secret.Of(forgetest.Token(who)), Transport: wrap(http.DefaultTransport)})
}

// Can implements forgetest.Stage.
func (s *Stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Team: "platform", Insider: forgetest.Leat, Protection: true, Titles: true}
}
