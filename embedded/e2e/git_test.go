package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/bench/gitserver"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/object"
)

// remote is a repository behind git over HTTP, with a working copy to push from.
type remote struct {
	*stand
	server *gitserver.Server
	bare   string
}

// upRemote is up with a repository that is fetched, not read from a directory.
func upRemote(t *testing.T, options ...func(*app.Config)) *remote {
	t.Helper()
	t.Parallel()
	r := newRemote(t)
	for _, set := range options {
		set(&r.cfg)
	}
	r.start()
	t.Cleanup(func() {
		r.stop()
		r.abandon()
	})
	return r
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	r := &remote{stand: newStand(t), bare: filepath.Join(t.TempDir(), "fleet.git")}
	r.cfg.Local, r.cfg.Offline = nil, false
	r.git("init", "-q", "--bare", "-b", "main", r.bare)
	r.git("init", "-q", "-b", "main", r.dir)
	r.git("-C", r.dir, "remote", "add", "origin", r.bare)
	var err error
	r.server, err = gitserver.Start(gitserver.Best(r.bare))
	r.must(err)
	t.Cleanup(func() { _ = r.server.Close() })
	return r
}

// push commits a change and says what the repository is at then.
func (r *remote) push(change files) string {
	r.Helper()
	r.save(change)
	r.git("-C", r.dir, "add", "-A")
	r.git("-C", r.dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "change")
	r.git("-C", r.dir, "push", "-q", "origin", "main")
	return "main@sha1:" + r.git("-C", r.dir, "rev-parse", "HEAD")
}

func (r *remote) git(args ...string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// fleet is the GitRepository of the remote.
func (r *remote) fleet(interval string) string {
	return strings.NewReplacer(repository, r.server.URL(), "interval: 24h", "interval: "+interval).Replace(source)
}

// fetched waits until a unit has applied a revision.
func (r *remote) fetched(name, revision string) {
	r.Helper()
	r.await("Kustomization/"+name, func(o *unstructured.Unstructured) bool {
		return o != nil && field(o, "status", "lastAppliedRevision") == fmt.Sprintf("%q", revision) && isReady(o)
	})
}

// The remote is asked at every interval; without news nothing is asked of the
// API and nothing written.
func TestIntervalOfGitRepositoryWithoutNews(t *testing.T) {
	runs := make(chan object.Key, 1024)
	r := upRemote(t, counting(runs))
	revision := r.push(files{"app/a.yaml": configMap("a", "1")})
	r.apply(r.fleet("1s"), kustomization("app", "path: ./app"))
	r.fetched("app", revision)
	r.idle()
	for len(runs) > 0 {
		<-runs
	}
	unit := r.key("GitRepository/fleet")
	next(t, runs, unit)
	asked, version, polls := r.asked(), r.get("GitRepository/fleet").GetResourceVersion(), r.server.Usage()
	next(t, runs, unit)
	next(t, runs, unit)
	if got := r.asked(); got != asked {
		t.Errorf("requests in two intervals without news: got %d, want 0: %v", got-asked, r.app.Requests.Counts())
	}
	if got := r.get("GitRepository/fleet").GetResourceVersion(); got != version {
		t.Errorf("the status was written: version %s after %s", got, version)
	}
	if use := r.server.Usage().Sub(polls); use.Refs < 2 || use.Packs > use.Refs {
		t.Errorf("the remote was asked %+v, want its refs at each interval", use)
	}
	revision = r.push(files{"app/a.yaml": configMap("a", "2")})
	r.fetched("app", revision)
}

// A repository that vanishes is told on its source; what it brought stays, and
// its units stay ready. When it is back, so is the source.
func TestRepositoryThatVanishes(t *testing.T) {
	r := upRemote(t)
	revision := r.push(files{"app/a.yaml": configMap("a", "1")})
	r.apply(r.fleet("1s"), kustomization("app", "path: ./app"))
	r.fetched("app", revision)
	away := r.bare + ".away"
	r.must(os.Rename(r.bare, away))
	o := r.await("GitRepository/fleet", func(o *unstructured.Unstructured) bool { return o != nil && !isReady(o) })
	if text := field(o, "status", "conditions"); !strings.Contains(text, "GitOperationFailed") {
		t.Errorf("conditions of a vanished repository: %s", text)
	}
	if field(o, "status", "artifact", "revision") == "" {
		t.Error("a vanished repository lost its artifact")
	}
	r.patch("ConfigMap/a", `{data: {key: "9"}}`) // the unit goes on
	r.data("ConfigMap/a", "1")
	r.request("app", "while it is away")
	r.unit("app", handled("while it is away"))
	r.fetched("app", revision)
	r.must(os.Rename(away, r.bare))
	r.fetched("app", r.push(files{"app/a.yaml": configMap("a", "2")}))
	r.await("GitRepository/fleet", func(o *unstructured.Unstructured) bool { return isReady(o) })
}

// A data directory that is lost, or damaged, costs a fetch and nothing else.
func TestDataDirectoryIsLost(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"gone":  os.RemoveAll,
		"empty": truncateAll,
	} {
		t.Run(name, func(t *testing.T) {
			r := upRemote(t)
			revision := r.push(files{"app/a.yaml": configMap("a", "1")})
			r.apply(r.fleet("24h"), kustomization("app", "path: ./app"))
			r.fetched("app", revision)
			r.idle()
			r.stop()
			r.must(damage(r.cfg.DataDir))
			r.start()
			r.settled()
			r.fetched("app", revision)
			revision = r.push(files{"app/a.yaml": configMap("a", "2")})
			r.patch("GitRepository/fleet", `{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: two}}}`)
			r.fetched("app", revision)
			r.data("ConfigMap/a", "2")
		})
	}
}

// truncateAll cuts every file in half, as a full disk or a lost cache does.
func truncateAll(dir string) error {
	return filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := os.Chmod(p, 0o600); err != nil {
			return err
		}
		return os.Truncate(p, info.Size()/2)
	})
}
