package hub

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// verdicts are the states of reviews in the words of both; reviews that were only begun,
// and requests for one, are no reviews. GitHub forgets what a dismissed review said: it
// is given as an approval that was dismissed.
var verdicts = map[string]forge.Verdict{
	"APPROVED": forge.Approved, "DISMISSED": forge.Approved,
	"CHANGES_REQUESTED": forge.Rejected, "REQUEST_CHANGES": forge.Rejected,
	"COMMENTED": forge.Commented, "COMMENT": forge.Commented,
}

// Reviews implements forge.Judgements.
func (t Talk) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	type review struct {
		ID        int64     `json:"id"`
		User      *Account  `json:"user"`
		State     string    `json:"state"`
		Commit    string    `json:"commit_id"`
		Dismissed bool      `json:"dismissed"` // Gitea
		Submitted time.Time `json:"submitted_at"`
	}
	list, err := rest.All[review](ctx, t.Rest, t.Path(number, "/reviews"), t.Page)
	if err != nil {
		return nil, err
	}
	var out []forge.Review
	for _, r := range list {
		v, ok := verdicts[r.State]
		if !ok || r.User == nil {
			continue // or by an account that is gone
		}
		out = append(out, forge.Review{
			ID: strconv.FormatInt(r.ID, 10), Reviewer: t.User(r.User), Verdict: v, Commit: r.Commit,
			Dismissed: r.Dismissed || r.State == "DISMISSED", Submitted: r.Submitted,
		})
	}
	slices.SortStableFunc(out, func(a, b forge.Review) int { return a.Submitted.Compare(b.Submitted) })
	return out, nil
}

// Statuses implements forge.Judgements: both keep all that were ever set, and give the
// newest first.
func (t Talk) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	type status struct {
		ID          int64     `json:"id"`
		State       string    `json:"state"`
		Status      string    `json:"status"` // Gitea's name of it
		Context     string    `json:"context"`
		Description string    `json:"description"`
		URL         string    `json:"target_url"`
		Creator     *Account  `json:"creator"`
		Updated     time.Time `json:"updated_at"`
	}
	list, err := rest.Linked[status](ctx, t.Rest, t.Repo+"/commits/"+rest.Escape(commit)+"/statuses", t.Page).Newest()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b status) int { return cmp.Compare(a.ID, b.ID) }) // Gitea's times have seconds only
	var out []forge.Status
	for _, s := range list {
		state := forge.CheckState(cmp.Or(s.State, s.Status))
		if state == "warning" || state == "skipped" {
			state = forge.Success // as Gitea itself counts it (modules/commitstatus)
		}
		out = append(out, forge.Status{Context: s.Context, State: state, Description: s.Description, URL: s.URL, Creator: t.User(s.Creator), Updated: s.Updated})
	}
	return forge.LastOfEach(out), nil
}

// SetStatus implements forge.Judgements.
func (t Talk) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]string{"context": s.Context, "state": string(s.State), "description": forge.Describe(s.Description)}
	if s.URL != "" {
		body["target_url"] = s.URL
	}
	_, err := t.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: t.Repo + "/statuses/" + rest.Escape(commit), Body: body})
	return err
}

// Repository implements forge.Forge.
func (t Talk) Repository(ctx context.Context) (forge.Repository, error) {
	var r struct {
		FullName      string `json:"full_name"`
		DefaultBranch string `json:"default_branch"`
		HTMLURL       string `json:"html_url"`
		CloneURL      string `json:"clone_url"`
		Private       bool   `json:"private"`
	}
	err := t.Rest.Get(ctx, t.Repo, nil, &r)
	return forge.Repository{Name: r.FullName, DefaultBranch: r.DefaultBranch, URL: r.HTMLURL, CloneURL: r.CloneURL, Private: r.Private}, err
}

// People reads a list of accounts.
func (t Talk) People(ctx context.Context, path string) ([]forge.User, error) {
	list, err := rest.All[Account](ctx, t.Rest, path, t.Page)
	var out []forge.User
	for _, u := range list {
		out = append(out, t.User(&u))
	}
	return out, err
}
