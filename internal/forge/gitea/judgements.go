package gitea

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// Reviews implements forge.Judgements. Reviews that were only begun, and requests
// for one, are no reviews.
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	type review struct {
		ID        int64        `json:"id"`
		User      *hub.Account `json:"user"`
		State     string       `json:"state"`
		Commit    string       `json:"commit_id"`
		Dismissed bool         `json:"dismissed"`
		Submitted time.Time    `json:"submitted_at"`
	}
	list, err := rest.All[review](ctx, f.Rest, f.Path(number, "/reviews"), f.Page)
	if err != nil {
		return nil, err
	}
	verdicts := map[string]forge.Verdict{"APPROVED": forge.Approved, "REQUEST_CHANGES": forge.Rejected, "COMMENT": forge.Commented}
	var out []forge.Review
	for _, r := range list {
		v, ok := verdicts[r.State]
		if !ok || r.User == nil {
			continue
		}
		out = append(out, forge.Review{
			ID: strconv.FormatInt(r.ID, 10), Reviewer: f.user(r.User), Verdict: v, Commit: r.Commit, Dismissed: r.Dismissed, Submitted: r.Submitted,
		})
	}
	slices.SortStableFunc(out, func(a, b forge.Review) int { return a.Submitted.Compare(b.Submitted) })
	return out, nil
}

// Statuses implements forge.Judgements: Gitea keeps all that were ever set.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	type status struct {
		ID          int64        `json:"id"`
		State       string       `json:"status"`
		Context     string       `json:"context"`
		Description string       `json:"description"`
		URL         string       `json:"target_url"`
		Creator     *hub.Account `json:"creator"`
		Updated     time.Time    `json:"updated_at"`
	}
	list, err := rest.All[status](ctx, f.Rest, f.Repo+"/commits/"+rest.Escape(commit)+"/statuses", f.Page)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b status) int { return cmp.Compare(a.ID, b.ID) }) // times have seconds only
	var out []forge.Status
	for _, s := range list {
		state := forge.CheckState(s.State)
		if s.State == "warning" || s.State == "skipped" {
			state = forge.Success // as Gitea itself counts it (modules/commitstatus)
		}
		out = append(out, forge.Status{Context: s.Context, State: state, Description: s.Description, URL: s.URL, Creator: f.user(s.Creator), Updated: s.Updated})
	}
	return forge.LastOfEach(out), nil
}

// SetStatus implements forge.Judgements.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]string{"context": s.Context, "state": string(s.State), "description": forge.Describe(s.Description), "target_url": s.URL}
	_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.Repo + "/statuses/" + rest.Escape(commit), Body: body})
	return err
}
