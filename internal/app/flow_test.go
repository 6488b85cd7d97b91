package app

import (
	"path/filepath"
	"testing"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo/repotest"
)

// Where the branch that is checked out has no leat.yaml, as that of an environment
// whose hot-fix is being made, the default branch's counts.
func TestOpenFlowOnABranchWithout(t *testing.T) {
	const text = "apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: prod, branch: prod}\n"
	for at, from := range map[string]string{"": "core", "fleet": "fleet/core"} {
		up := repotest.New(t)
		up.Commit("main", map[string]string{"a": "1\n"})
		up.Commit("prod", map[string]string{filepath.Join(from, "b"): "1\n"})
		up.Git("checkout", "-q", "main")
		up.Commit("main", map[string]string{filepath.Join(at, flow.FileName): text})
		up.Git("remote", "set-head", "origin", "main")
		up.Git("checkout", "-q", "prod")
		f, err := OpenFlow(filepath.Join(up.Work, from))
		if err != nil {
			t.Errorf("%q: %v", at, err)
			continue
		}
		if got := f.Flow.Names(); len(got) != 1 || got[0] != "prod" || f.File != filepath.Join(up.Work, at, flow.FileName) || f.in("x") != filepath.ToSlash(filepath.Join(at, "x")) {
			t.Errorf("%q: got environments %v of %s, below %q", at, got, f.File, f.in(""))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
