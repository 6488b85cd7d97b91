package carry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/git"
)

// organisation is seed 1's in small: repositories on real Git servers, by name.
type organisation struct {
	*testing.T
	up     map[string]*repotest.Upstream
	url    map[string]string
	copies string
	flow   flow.Flow
	// fails makes a repository unreachable.
	fails string
}

func (o *organisation) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func newOrganisation(t *testing.T, names ...string) *organisation {
	t.Helper()
	o := &organisation{T: t, up: map[string]*repotest.Upstream{}, url: map[string]string{}, copies: t.TempDir()}
	for _, name := range names {
		o.up[name] = repotest.New(t)
		o.url[name] = repotest.Serve(t, o.up[name])
	}
	return o
}

// declare reads a leat.yaml in which $name is the address of a repository.
func (o *organisation) declare(text string) {
	o.Helper()
	for name, url := range o.url {
		text = strings.ReplaceAll(text, "$"+name, url)
	}
	var err error
	o.flow, err = flow.Parse(flow.FileName, []byte(text))
	o.must(err)
}

// Repository implements Repositories.
func (o *organisation) Repository(ctx context.Context, url string) (*repo.Repo, error) {
	if o.fails != "" && url == o.url[o.fails] {
		url += "/gone"
	}
	r, err := repo.Clone(ctx, url, repo.Options{Dir: o.copies, Credential: &git.Credential{}})
	if err == nil {
		o.Cleanup(func() { _ = r.Close() })
	}
	return r, err
}

func (o *organisation) open(name string) *repo.Repo {
	o.Helper()
	r, err := o.Repository(o.Context(), o.url[name])
	o.must(err)
	return r
}

var bot = repo.Person{Name: "lsc-sde", Email: "bot@example.com", When: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}

func (o *organisation) releasing(components ...string) Releasing {
	o.Helper()
	return Releasing{Flow: o.flow, Fleet: Onto{Repo: o.open("core"), Author: bot}, Repos: o, Components: components}
}

// shows compares what git prints of the server's repository.
func (o *organisation) shows(name, want string, args ...string) {
	o.Helper()
	if got := strings.TrimSpace(o.up[name].InBare(args...)); got != strings.TrimSpace(want) {
		o.Errorf("%s: git %s: got\n%s\nwant\n%s", name, strings.Join(args, " "), got, want)
	}
}
