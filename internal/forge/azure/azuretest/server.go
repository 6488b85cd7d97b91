// Package azuretest is a strict local server with the shapes of Azure DevOps, held to the
// document that the service publishes: for the tests of package azure, and of whatever
// asks a forge.
//
//	s := azuretest.Start(t, forgetest.Opens(azure.New))
//	f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
//
// It must never let pass what the service would ignore.
package azuretest

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
)

// Stage is a strict local server with the shapes of Azure DevOps.
type Stage struct {
	*forgetest.World
	open      forgetest.Open
	url       string
	Published *forgetest.Published
}

type object = forgetest.Object

const (
	project = "/org/project/_apis"
	repo    = project + "/git/repositories/fleet"
	repoID  = "3411ebc1-d5aa-464f-9615-0b527bc66719"
)

// unpublished is what Microsoft's document has no types for: its generator writes text
// where the service gives any object (the examples beside the document show them).
var unpublished = forgetest.Unpublished{
	"definitions > PolicyConfiguration > properties > settings":           "an object of each kind of policy",
	"definitions > GitPullRequestCommentThread > properties > properties": "names with $type and $value",
}

//go:embed testdata/published.json
var document []byte

// Start starts one; open opens the forge of a person at it.
func Start(t *testing.T, open forgetest.Open) *Stage {
	published := forgetest.ReadPublished(t, document, unpublished)
	s := &Stage{World: forgetest.NewWorld(), open: open, Published: published}
	published.NoNulls, published.Wrapped = true, "value"
	published.Besides = map[string]string{"/org/_apis/connectionData": "not in the documents; what Microsoft's own clients ask first"}
	srv := &forgetest.Strict{
		World: s.World, PerPage: 100, MaxPerPage: 100, SizeParam: "$top", Published: published,
		Token: func(r *http.Request) string { _, token, _ := r.BasicAuth(); return token },
		Refusal: func(m string) any {
			key, text, _ := strings.Cut(m, ": ")
			return object{"$id": "1", "message": text, "typeKey": key, "errorCode": 0}
		},
	}
	s.routes(srv)
	s.pullRoutes(srv)
	s.sayRoutes(srv)
	s.url = srv.Start(t)
	return s
}

var versionOnly = []string{"api-version"}

// listed is a list as Azure wraps it.
func listed(all []any) forgetest.Answer {
	return forgetest.OK(object{"count": len(all), "value": append([]any{}, all...)})
}

// part cuts a part out by the parameters of an operation; servers give less than what is
// asked only at the end.
func part(r forgetest.Request, all []any, top, skip string) forgetest.Answer {
	size, from := 100, 0
	fmt.Sscan(r.URL.Query().Get(top), &size)
	fmt.Sscan(r.URL.Query().Get(skip), &from)
	from = min(from, len(all))
	return listed(all[from:min(len(all), from+size)])
}

func (s *Stage) id(who string) string {
	return fmt.Sprintf("%08d-4320-4083-9150-925feb93fc22", s.ID(who))
}

func (s *Stage) user(who string) object {
	return object{"id": s.id(who), "uniqueName": who, "displayName": strings.ToUpper(who), "descriptor": "aad." + who}
}

func (s *Stage) repository() object {
	return object{"id": repoID, "name": "fleet", "defaultBranch": "refs/heads/main", "webUrl": "https://dev.azure.com/org/project/_git/fleet", "remoteUrl": "https://org@dev.azure.com/org/project/_git/fleet",
		"project": object{"id": repoID, "name": "project", "state": "wellFormed", "visibility": "private"}}
}

func (s *Stage) routes(srv *forgetest.Strict) {
	srv.Handle("GET /org/_apis/connectionData", nil, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(object{"authenticatedUser": object{"id": s.id(r.Who), "subjectDescriptor": "aad." + r.Who, "providerDisplayName": r.Who, "properties": object{"Account": object{"$type": "System.String", "$value": r.Who}}}})
	})
	srv.Handle("GET /org/_apis/projects/project/teams/{team}/members", []string{"api-version", "$skip"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.PathValue("team") != "platform" {
			return forgetest.Refuse(404, "TeamNotFoundException: The team with id does not exist.")
		}
		group := s.user("group")
		group["isContainer"] = true
		people := forgetest.List(s.Team, func(who string) any { return object{"identity": s.user(who)} })
		return part(r, append(people, object{"identity": group}), "$top", "$skip")
	})
	srv.Handle("GET "+repo, versionOnly, func(forgetest.Request, map[string]any) forgetest.Answer { return forgetest.OK(s.repository()) })
	srv.Handle("GET "+repo+"/refs", []string{"api-version", "filter"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for name, at := range s.Branches {
			if strings.HasPrefix("heads/"+name, r.URL.Query().Get("filter")) {
				out = append(out, object{"name": "refs/heads/" + name, "objectId": at, "creator": s.user(forgetest.Leat)})
			}
		}
		return listed(out)
	})
	srv.Handle("GET "+project+"/git/policy/configurations", []string{"api-version", "repositoryId", "refName"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		if r.URL.Query().Get("repositoryId") != repoID {
			return forgetest.Refuse(400, "ArgumentException: a repository's id")
		}
		if r.URL.Query().Get("refName") != "refs/heads/"+forgetest.Guarded {
			return listed(nil)
		}
		return listed([]any{object{"id": 1, "isEnabled": true, "isBlocking": true, "isDeleted": false, "type": object{"id": "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd", "displayName": "Minimum number of reviewers"},
			"settings": object{"minimumApproverCount": 1, "creatorVoteCounts": false, "allowDownvotes": false, "resetOnSourcePush": true}}})
	})
}

func (s *Stage) pull(p *forgetest.Pull) object {
	status := "succeeded"
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, object{"name": l, "active": true})
	}
	return object{"pullRequestId": p.Number, "title": p.Title, "description": p.Body, "isDraft": false, "createdBy": s.user(p.Author), "creationDate": p.Created, "mergeStatus": status, "labels": labels,
		"status":        map[forge.State]string{forge.Open: "active", forge.Closed: "abandoned", forge.Merged: "completed"}[p.State],
		"sourceRefName": "refs/heads/" + p.Head, "targetRefName": "refs/heads/" + p.Base, "lastMergeSourceCommit": object{"commitId": p.HeadAt}, "lastMergeTargetCommit": object{"commitId": s.Branches[p.Base]},
		"lastMergeCommit": object{"commitId": p.MergedAs}, "repository": s.repository()}
}

// short is a pull request as a list has it.
func (s *Stage) short(p *forgetest.Pull) object {
	out := s.pull(p)
	if text := []rune(p.Body); len(text) > 400 {
		out["description"] = string(text[:400])
	}
	return out
}

func (s *Stage) one(serve forgetest.OnPull) forgetest.Serve {
	return s.One("GitPullRequestNotFoundException: TF401180: The requested pull request was not found.", serve)
}

func (s *Stage) pullRoutes(srv *forgetest.Strict) {
	srv.Handle("GET "+repo+"/pullrequests", []string{"api-version", "$skip", "searchCriteria.status", "searchCriteria.sourceRefName", "searchCriteria.targetRefName"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		q, out := r.URL.Query(), []any{}
		is := func(name, value string) bool { return !q.Has(name) || q.Get(name) == value }
		for _, p := range slices.Backward(s.Pulls) {
			got := s.short(p)
			if (q.Get("searchCriteria.status") == "all" || is("searchCriteria.status", got["status"].(string))) && is("searchCriteria.sourceRefName", "refs/heads/"+p.Head) && is("searchCriteria.targetRefName", "refs/heads/"+p.Base) {
				out = append(out, got)
			}
		}
		return part(r, out, "$top", "$skip")
	})
	srv.Handle("POST "+repo+"/pullrequests", []string{"api-version", "sourceRefName", "targetRefName", "title", "description", "labels"}, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		ref := func(name string) string { return strings.TrimPrefix(forgetest.Text(in, name), "refs/heads/") }
		if len([]rune(forgetest.Text(in, "description"))) > 4000 {
			return forgetest.Refuse(400, "InvalidArgumentValueException: Invalid argument value. Parameter name: Description")
		}
		p := s.Open(r.Who, ref("sourceRefName"), ref("targetRefName"))
		if p == nil {
			return forgetest.Refuse(409, "GitPullRequestExistsException: TF401179: An active pull request for the source and target branch already exists.")
		}
		p.Title, p.Body = forgetest.Text(in, "title"), forgetest.Text(in, "description")
		labels, _ := in["labels"].([]any)
		for _, l := range labels {
			p.Labels = append(p.Labels, forgetest.Text(l.(object), "name"))
		}
		return forgetest.OK(s.pull(p))
	})
	one := repo + "/pullrequests/{n}"
	srv.Handle("GET "+one, versionOnly, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return forgetest.OK(s.pull(p))
	}))
	srv.Handle("PATCH "+one, []string{"api-version", "title", "description", "status", "lastMergeSourceCommit", "completionOptions"}, s.one(s.patch))
	below := repo + "/pullRequests/{n}"
	srv.Handle("GET "+below+"/iterations", versionOnly, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		return listed(s.iterations(p))
	}))
	srv.Handle("POST "+below+"/labels", []string{"api-version", "name"}, s.one(func(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
		p.Labels = append(p.Labels, forgetest.Text(in, "name"))
		return forgetest.OK(object{"name": forgetest.Text(in, "name"), "active": true})
	}))
	srv.Handle("DELETE "+below+"/labels/{name}", versionOnly, s.one(func(p *forgetest.Pull, r forgetest.Request, _ map[string]any) forgetest.Answer {
		p.Labels = slices.DeleteFunc(p.Labels, func(l string) bool { return l == r.PathValue("name") })
		return forgetest.Answer{Status: 200}
	}))
}

// patch changes a pull request; completing it is refused as a policy or a push asks.
func (s *Stage) patch(p *forgetest.Pull, _ forgetest.Request, in map[string]any) forgetest.Answer {
	if v, ok := in["title"].(string); ok {
		p.Title = v
	}
	if v, ok := in["description"].(string); ok {
		p.Body = v
	}
	switch at, _ := in["lastMergeSourceCommit"].(map[string]any); {
	case in["status"] == nil:
	case in["status"] == "abandoned":
		p.State = forge.Closed
	case in["status"] == "active":
		p.State = forge.Open
	case in["status"] != "completed" || p.State != forge.Open:
		return forgetest.Refuse(400, "InvalidArgumentValueException: status")
	case forgetest.Text(at, "commitId") != p.HeadAt:
		return forgetest.Refuse(409, "GitPullRequestStaleException: TF401192: The pull request was changed.")
	case p.Base == forgetest.Guarded && !s.Approved(p):
		return forgetest.Refuse(403, "GitPullRequestUpdateRejectedByPolicyException: This pull request requires an explicit override to bypass policies that aren't currently passing.")
	default:
		queued := s.pull(p)
		queued["mergeStatus"] = "queued"
		s.Done(p) // in the background
		return forgetest.OK(queued)
	}
	return forgetest.OK(s.pull(p))
}

func (s *Stage) iterations(p *forgetest.Pull) []any {
	var out []any
	for i, v := range p.Versions {
		by := p.Author
		for _, push := range s.Pushes {
			if push.Commit == v.Commit {
				by = push.Who
			}
		}
		out = append(out, object{"id": i + 1, "author": s.user(p.Author), "createdDate": v.At, "sourceRefCommit": object{"commitId": v.Commit}, "reason": "push", "push": object{"pushId": i + 1, "pushedBy": s.user(by)}})
	}
	return out
}

// votes are the last of each person.
func (s *Stage) votes(p *forgetest.Pull) map[string]int {
	out := map[string]int{}
	for _, n := range s.NotesOf(p.Number, func(n forgetest.Note) bool { return n.Verdict != "" }) {
		out[n.Author] = map[forge.Verdict]int{forge.Approved: 10, forge.Rejected: -10}[n.Verdict]
		if n.Dismissed {
			out[n.Author] = 0
		}
	}
	return out
}

func (s *Stage) thread(n forgetest.Note) object {
	said := object{"id": 1, "parentCommentId": 0, "author": s.user(n.Author), "content": n.Body, "commentType": "text", "isDeleted": false, "publishedDate": n.At, "lastUpdatedDate": n.At}
	out := object{"id": n.ID, "publishedDate": n.At, "lastUpdatedDate": n.At, "isDeleted": false, "threadContext": nil, "properties": object{}}
	if n.Verdict != "" {
		text := func(v string) object { return object{"$type": "System.String", "$value": v} }
		vote := strconv.Itoa(map[forge.Verdict]int{forge.Approved: 10, forge.Rejected: -5}[n.Verdict])
		said["author"], said["commentType"], said["content"] = object{"id": "00000002-0000-8888-8000-000000000000", "displayName": "Microsoft.VisualStudio.Services.TFS", "descriptor": "s2s.tfs"}, "system", n.Author+" voted "+vote
		props := object{"CodeReviewThreadType": text("VoteUpdate"), "CodeReviewVoteResult": text(vote), "CodeReviewVotedByTfId": text(s.id(n.Author)), "CodeReviewVotedByDisplayName": text(n.Author)}
		if n.ID%2 == 0 { // newer servers
			delete(props, "CodeReviewVotedByTfId")
			props["CodeReviewVotedByIdentity"], out["identities"] = text("1"), object{"1": s.user(n.Author)}
		}
		out["properties"] = props
	}
	out["comments"] = []any{said}
	return out
}

func (s *Stage) sayRoutes(srv *forgetest.Strict) {
	below := repo + "/pullRequests/{n}"
	srv.Handle("GET "+below+"/threads", versionOnly, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		all := forgetest.List(s.NotesOf(p.Number, func(forgetest.Note) bool { return true }), func(n forgetest.Note) any { return s.thread(n) })
		line := s.thread(forgetest.Note{ID: 1, Author: forgetest.Bob, Body: "<!-- leat:plan -->", At: p.Created})
		line["threadContext"] = object{"filePath": "/a"}
		return listed(append(all, line))
	}))
	srv.Handle("POST "+below+"/threads", []string{"api-version", "comments", "status"}, s.one(func(p *forgetest.Pull, r forgetest.Request, in map[string]any) forgetest.Answer {
		said, _ := in["comments"].([]any)[0].(map[string]any)
		return forgetest.OK(s.thread(*s.Say(forgetest.Note{Pull: p.Number, Author: r.Who, Body: forgetest.Text(said, "content")})))
	}))
	srv.Handle("PATCH "+below+"/threads/{id}/comments/1", []string{"api-version", "content"}, s.one(func(_ *forgetest.Pull, r forgetest.Request, in map[string]any) forgetest.Answer {
		n := s.Note(r.Int("id"))
		if n == nil || n.Author != r.Who {
			return forgetest.Refuse(403, "CommentPermissionException: not yours")
		}
		n.Body = forgetest.Text(in, "content")
		return forgetest.OK(s.thread(*n)["comments"].([]any)[0])
	}))
	srv.Handle("GET "+below+"/reviewers", versionOnly, s.one(func(p *forgetest.Pull, _ forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for who, vote := range s.votes(p) {
			r := s.user(who)
			r["vote"], r["isRequired"] = vote, false
			out = append(out, r)
		}
		return listed(out)
	}))
	write := func(st forgetest.Status) object {
		genre, name, _ := strings.Cut(st.Context, "\n")
		return object{"id": st.ID, "state": st.State, "context": object{"genre": genre, "name": name}, "description": st.Description, "targetUrl": st.URL, "createdBy": s.user(st.Creator), "creationDate": st.At}
	}
	set := func(r forgetest.Request, in map[string]any, commit string) forgetest.Answer {
		of, _ := in["context"].(map[string]any)
		st := forgetest.Status{ID: s.Next(), Commit: commit, Context: forgetest.Text(of, "genre") + "\n" + forgetest.Text(of, "name"), State: forgetest.Text(in, "state"), Description: forgetest.Text(in, "description"), URL: forgetest.Text(in, "targetUrl"), Creator: r.Who, At: s.Now()}
		s.Statuses = append(s.Statuses, st)
		return forgetest.OK(write(st))
	}
	fields := []string{"api-version", "context", "state", "description", "targetUrl"}
	srv.Handle("POST "+repo+"/commits/{sha}/statuses", fields, func(r forgetest.Request, in map[string]any) forgetest.Answer {
		return set(r, in, r.PathValue("sha"))
	})
	srv.Handle("POST "+below+"/iterations/{i}/statuses", fields, s.one(func(p *forgetest.Pull, r forgetest.Request, in map[string]any) forgetest.Answer {
		if r.Int("i") != len(p.Versions) {
			return forgetest.Refuse(400, "InvalidArgumentValueException: iteration")
		}
		return set(r, in, fmt.Sprintf("pull %d at %s", p.Number, p.HeadAt))
	}))
	srv.Handle("GET "+repo+"/commits/{sha}/statuses", []string{"api-version", "top", "skip"}, func(r forgetest.Request, _ map[string]any) forgetest.Answer {
		var out []any
		for _, st := range slices.Backward(s.Statuses) {
			if st.Commit == r.PathValue("sha") {
				out = append(out, write(st))
			}
		}
		return part(r, out, "top", "skip")
	})
}

// Forge implements forgetest.Stage.
func (s *Stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	return forgetest.Dial(t, s.open, forge.Config{URL: "https://dev.azure.com/org/project/_git/fleet", API: s.url + "/org", Token: secret.Of(forgetest.Token(who)), Transport: wrap(http.DefaultTransport)})
}

// Review is World's, but that an author may vote.
func (s *Stage) Review(t *testing.T, who string, number int, v forge.Verdict) error {
	s.Lock()
	author := s.Pull(number).Author
	if author == who {
		s.Say(forgetest.Note{Pull: number, Author: who, Verdict: v, Commit: s.Pull(number).HeadAt})
	}
	s.Unlock()
	if author == who {
		return nil
	}
	return s.World.Review(t, who, number, v)
}

// Can implements forgetest.Stage.
func (s *Stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Dismissal: true, Statuses: true, Team: "platform", Insider: forgetest.Leat, SelfReview: true, Protection: true, Titles: true, Labels: true}
}
