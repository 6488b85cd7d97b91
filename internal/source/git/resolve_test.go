package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

func resolve(t testing.TB, r *Remote, want Ref) Commit {
	t.Helper()
	c, err := r.Resolve(context.Background(), want, time.Time{})
	if err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	return c
}

func fails(t testing.TB, r *Remote, want Ref, class fault.Class, text string) error {
	t.Helper()
	_, err := r.Resolve(context.Background(), want, time.Time{})
	if fault.ClassOf(err) != class || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("%s: got %q: %v, want %q with %q", want, fault.ClassOf(err), err, class, text)
	}
	return err
}

// Every form of spec.ref against a server, in both versions of the protocol.
func TestResolve(t *testing.T) {
	for name, guards := range protocols {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			first := u.commit(map[string]string{"f": "1"})
			u.git("tag", "v1.0.0")
			second := u.commit(map[string]string{"f": "2"})
			u.git("tag", "-m", "release", "v1.1.0")
			u.git("tag", "v0.1.0+b2")
			third := u.commit(map[string]string{"f": "3"})
			u.git("tag", "v0.1.0+b1") // the younger commit, though the lesser name
			u.git("update-ref", "refs/pull/7/head", first)
			u.git("branch", "team/x", second)
			srv := newServer(t, u.root, guards...)
			r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
			for _, c := range []struct {
				want Ref
				rev  string
				file string
			}{
				{Ref{Branch: "main"}, "main@sha1:" + third, "3"},
				{Ref{Branch: "team/x"}, "team/x@sha1:" + second, "2"},
				{Ref{Tag: "v1.0.0"}, "v1.0.0@sha1:" + first, "1"},
				{Ref{Tag: "v1.1.0"}, "v1.1.0@sha1:" + second, "2"},
				{Ref{SemVer: ">=1.0.0"}, "v1.1.0@sha1:" + second, "2"},
				{Ref{SemVer: "0.1.x"}, "v0.1.0+b1@sha1:" + third, "3"},
				{Ref{Name: "refs/pull/7/head"}, "refs/pull/7/head@sha1:" + first, "1"},
				{Ref{Name: "refs/heads/main"}, "refs/heads/main@sha1:" + third, "3"},
				{Ref{Name: "refs/tags/v1.1.0"}, "refs/tags/v1.1.0@sha1:" + second, "2"},
				{Ref{Name: "HEAD"}, "HEAD@sha1:" + third, "3"},
				{Ref{Commit: first}, "sha1:" + first, "1"},
				{Ref{Commit: second, Branch: "main"}, "main@sha1:" + second, "2"},
			} {
				got := resolve(t, r, c.want)
				if got.Revision() != c.rev {
					t.Errorf("%s: got %s, want %s", c.want, got.Revision(), c.rev)
				}
				tr := checkTree(t, u, r, got)
				if text, _ := tr.ReadFile("f"); string(text) != c.file {
					t.Errorf("%s: got %q", c.want, text)
				}
				if isTag := got.Tag != nil; isTag != strings.HasPrefix(got.Ref, tags) || isTag && got.Tag.Name == "v1.1.0" && got.Tag.Hash.IsZero() {
					t.Errorf("%s: tag %+v", c.want, got.Tag)
				}
			}
			fails(t, r, Ref{}, fault.NotFound, `branch "master" is not there; branches: main, team/x`)
			fails(t, r, Ref{Commit: strings.Repeat("e", 40)}, fault.NotFound, "commit eeee")
		})
	}
}

// A commit that no ref names comes alone where the server gives it out, and
// with the history of its branch elsewhere.
func TestPinnedCommit(t *testing.T) {
	for name, guards := range protocols {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			first := u.commit(map[string]string{"f": "1"})
			for range 5 {
				u.commit(nil)
			}
			srv := newServer(t, u.root, guards...)
			r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
			checkTree(t, u, r, resolve(t, r, Ref{Commit: first, Branch: "main"}))
			if name == "v2" && r.Stats().Objects != 3 {
				t.Errorf("%d objects for one commit", r.Stats().Objects)
			}
			srv.seen()
			resolve(t, r, Ref{Commit: first})
			if asked := srv.seen(); len(asked) > 0 {
				t.Errorf("asked %v for a commit that is here", asked)
			}
		})
	}
}

func TestForcePushAndDeletion(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1", "g": strings.Repeat("g", 10000)})
	u.git("tag", "stable")
	u.git("branch", "side")
	r := remote(t, newPool(t, Options{}), newServer(t, u.root).repo(), Credential{})
	resolve(t, r, Ref{Branch: "main"})
	u.git("checkout", "-q", "--orphan", "fresh")
	other := u.commit(map[string]string{"f": "rewritten"})
	u.git("branch", "-f", "main", "fresh")
	if got := resolve(t, r, Ref{Branch: "main"}); got.Hash.String() != other {
		t.Errorf("after a force push: %s, want %s", got.Hash, other)
	} else {
		checkTree(t, u, r, got)
	}
	u.git("tag", "-f", "stable", other)
	if got := resolve(t, r, Ref{Tag: "stable"}); got.Hash.String() != other {
		t.Errorf("after the tag moved: %s", got.Hash)
	}
	u.git("branch", "-D", "side")
	fails(t, r, Ref{Branch: "side"}, fault.NotFound, "branches: fresh, main")
}

func TestEmptyRepository(t *testing.T) {
	for name, guards := range protocols {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			r := remote(t, newPool(t, Options{}), newServer(t, u.root, guards...).repo(), Credential{})
			fails(t, r, Ref{Branch: "main"}, fault.Empty, "the repository is empty")
			u.commit(map[string]string{"f": "1"})
			resolve(t, r, Ref{Branch: "main"})
		})
	}
}

// However many ask, at once or after one event, the server is asked once.
func TestPollsAreShared(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	hold := make(chan struct{})
	srv := newServer(t, u.root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-hold
			next.ServeHTTP(w, r)
		})
	})
	p := newPool(t, Options{})
	var all, joined sync.WaitGroup
	joined.Add(100)
	for range 100 {
		all.Go(func() {
			r := remote(t, p, srv.repo(), Credential{})
			poll := r.join(time.Time{}, "")
			joined.Done()
			<-poll.done
			if _, err := r.Resolve(context.Background(), Ref{Branch: "main"}, poll.began); err != nil {
				t.Error(err)
			}
		})
	}
	joined.Wait()
	close(hold)
	all.Wait()
	if got := srv.seen(); len(got) != 3 { // advertisement, ls-refs, fetch
		t.Errorf("the server was asked %v", got)
	}
	if _, err := remote(t, p, srv.repo(), Credential{}).Refs(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := srv.seen(); !slices.Equal(got, []string{"POST /fleet.git/.git/git-upload-pack ls-refs"}) {
		t.Errorf("a later poll asks %v", got)
	}
}

// One who gives up does not take the poll from the others.
func TestPollOutlivesOne(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	hold := make(chan struct{})
	srv := newServer(t, u.root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
			next.ServeHTTP(w, r)
		})
	})
	r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
	stays := r.join(time.Time{}, "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Refs(ctx, time.Time{}); fault.ClassOf(err) != fault.Timeout || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
	if <-stays.done; stays.err != nil {
		t.Errorf("the others get %v", stays.err)
	}
}

func TestTimeout(t *testing.T) {
	u := newUpstream(t)
	end := make(chan struct{})
	srv := newServer(t, u.root, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-end:
			}
		})
	})
	defer close(end)
	r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Resolve(ctx, Ref{}, time.Time{}); fault.ClassOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
}

func TestRefFlood(t *testing.T) {
	for name, guards := range protocols {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			head := u.commit(map[string]string{"f": "1"})
			srv := newServer(t, u.root, guards...)
			flood := func(prefix string) {
				var packed strings.Builder
				packed.WriteString("# pack-refs with: sorted\n")
				for i := range 100_000 {
					fmt.Fprintf(&packed, "%s %s%06d\n", head, prefix, i)
				}
				if err := os.WriteFile(filepath.Join(u.dir, ".git/packed-refs"), []byte(packed.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			flood("refs/pull/")
			// What nobody asks for is not kept: repositories with many pull requests work.
			r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
			resolve(t, r, Ref{Branch: "main"})
			resolve(t, r, Ref{Name: "refs/pull/099999"})
			flood("refs/heads/pull/")
			fails(t, remote(t, newPool(t, Options{}), srv.repo(), Credential{}), Ref{Branch: "main"}, fault.TooLarge, "more than 50000 refs")
			small := newPool(t, Options{Limits: Limits{RefBytes: 1 << 20}})
			fails(t, remote(t, small, srv.repo(), Credential{}), Ref{Branch: "main"}, fault.TooLarge, "more than")
		})
	}
}

func TestHugePack(t *testing.T) {
	u := newUpstream(t)
	noise := make([]byte, 200_000)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	u.commit(map[string]string{"noise": string(noise), "zeros": strings.Repeat("\x00", 5<<20)})
	srv := newServer(t, u.root)
	for name, l := range map[string]Limits{
		"the pack has more than 100000 bytes":    {PackBytes: 100_000},
		"the pack has 4 objects, more than 2":    {PackObjects: 2},
		"an object has 5242880 bytes, more than": {Object: 1 << 20},
		"have more than 3000000 bytes":           {Unpacked: 3_000_000},
	} {
		fails(t, remote(t, newPool(t, Options{Limits: l}), srv.repo(), Credential{}), Ref{Branch: "main"}, fault.TooLarge, name)
	}
	r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
	checkTree(t, u, r, resolve(t, r, Ref{Branch: "main"}))
}

// A file above the limit is in the tree, so that it can be left out of it.
func TestHugeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	u := newUpstream(t)
	u.commit(map[string]string{"a": "x", "disk.img": strings.Repeat("\x00", tree.MaxFileBytes+1)})
	r := remote(t, newPool(t, Options{}), newServer(t, u.root).repo(), Credential{})
	out, err := r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Tree.ReadFile("disk.img"); fault.ClassOf(err) != fault.TooLarge || !strings.Contains(err.Error(), "spec.ignore") {
		t.Errorf("got %v", err)
	}
	if rest, _ := out.Tree.Without("disk.img"); rest.Files() != 1 {
		t.Errorf("%d files", rest.Files())
	}
}

func TestSHA256Repository(t *testing.T) {
	for name, guards := range protocols {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.dir = u.root
			u.in(nil, "init", "-q", "--object-format=sha256", "-b", "main", "other.git")
			u.dir = filepath.Join(u.root, "other.git")
			u.commit(map[string]string{"f": "1"})
			srv := newServer(t, u.root, guards...)
			fails(t, remote(t, newPool(t, Options{}), srv.URL+"/other.git/.git", Credential{}), Ref{Branch: "main"}, fault.Invalid, "SHA-256")
		})
	}
}

// What no server of Git says is an error in words, not a panic.
func TestNoGitServer(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		class  fault.Class
		err    string
	}{
		"a web page": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>Sign in")
		}, fault.Unreachable, "is this the address of a repository?"},
		"rubbish":    {func(w http.ResponseWriter) { advert(w, "zzzzzz") }, fault.Unreachable, "does not speak Git's protocol"},
		"cut off":    {func(w http.ResponseWriter) { advert(w, "001e# service=git-upload-pack\n0000009f") }, fault.Unreachable, "unexpected EOF"},
		"nothing":    {func(w http.ResponseWriter) { advert(w, "") }, fault.Unreachable, "EOF"},
		"an error":   {func(w http.ResponseWriter) { advert(w, "0017ERR no such thing\r\n") }, fault.Unreachable, "the server says: no such thing"},
		"long line":  {func(w http.ResponseWriter) { advert(w, "ffffxxxx") }, fault.Unreachable, "length 65535"},
		"not found":  {func(w http.ResponseWriter) { http.NotFound(w, nil) }, fault.NotFound, "there is no such repository"},
		"forbidden":  {func(w http.ResponseWriter) { http.Error(w, "no \x1b[31mentry", 403) }, fault.Auth, "authentication failed: the server answers 403 Forbidden: no [31mentry"},
		"broken":     {func(w http.ResponseWriter) { http.Error(w, "down", 503) }, fault.Unreachable, "503 Service Unavailable: down"},
		"redirected": {func(w http.ResponseWriter) { w.Header().Set("Location", "file:///etc/passwd"); w.WriteHeader(302) }, fault.Unreachable, "refused a redirect to the scheme"},
		"lost":       {func(w http.ResponseWriter) { w.Header().Set("Location", "/login"); w.WriteHeader(302) }, fault.Unreachable, "which is no Git repository"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, t.TempDir(), func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(w) })
			})
			fails(t, remote(t, newPool(t, Options{}), srv.repo(), Credential{}), Ref{}, c.class, c.err)
		})
	}
	gone := newServer(t, t.TempDir())
	gone.Close()
	fails(t, remote(t, newPool(t, Options{}), gone.repo(), Credential{}), Ref{}, fault.Unreachable, "connection refused")
}

func advert(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	io.WriteString(w, body)
}

// A remote that takes long to open keeps nobody waiting but those who ask for it.
func TestOpeningKeepsNobodyElse(t *testing.T) {
	p := newPool(t, Options{})
	begun, end := make(chan struct{}), make(chan struct{})
	slow := &Remote{}
	var both sync.WaitGroup
	opened := 0
	for range 2 {
		both.Go(func() {
			r, err := p.remote("slow", func() (*Remote, error) {
				opened++
				close(begun)
				<-end
				return slow, nil
			})
			if r != slow || err != nil {
				t.Errorf("got %p, %v", r, err)
			}
		})
	}
	<-begun
	want := errors.New("no")
	for range 2 {
		if _, err := p.remote("other", func() (*Remote, error) { return nil, want }); !errors.Is(err, want) {
			t.Errorf("got %v", err)
		}
	}
	close(end)
	both.Wait()
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
	delete(p.remotes, "slow")
}
