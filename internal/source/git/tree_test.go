package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

func paths(t tree.Tree) []string {
	out := []string{}
	t.Walk(func(p string, _ *tree.Blob) error { out = append(out, p); return nil })
	slices.Sort(out)
	return out
}

func TestLinksAndModes(t *testing.T) {
	u := newUpstream(t)
	for name, to := range map[string]string{"env": "/proc/self/environ", "up": "../../x", "dir/l": "../f", "loop": "loop"} {
		at := filepath.Join(u.dir, name)
		os.MkdirAll(filepath.Dir(at), 0o755)
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	u.commit(map[string]string{"f": "x", "run.sh": "#!/bin/sh\n"})
	u.git("update-index", "--chmod=+x", "run.sh")
	u.git("commit", "-qm", "x")
	r := remote(t, newPool(t, Options{}), newServer(t, u.root).repo(), Credential{})
	c := resolve(t, r, Ref{Branch: "main"})
	checkTree(t, u, r, c)
	out, err := r.Tree(context.Background(), c, TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(paths(out.Tree), []string{"f", "run.sh"}); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
	if len(out.Notes) != 4 || out.Notes[0] != "left out dir/l, a symbolic link" {
		t.Errorf("notes %v", out.Notes)
	}
}

func TestSparse(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"apps/a/f": "1", "apps/b/f": "2", "apps-evil/f": "3", "root": "4", "clusters/x/f": "5"})
	r := remote(t, newPool(t, Options{}), newServer(t, u.root).repo(), Credential{})
	c := resolve(t, r, Ref{Branch: "main"})
	for name, s := range map[string]struct {
		dirs []string
		want []string
		err  string
	}{
		"one":            {dirs: []string{"apps"}, want: []string{"apps/a/f", "apps/b/f"}},
		"with ./":        {dirs: []string{"./apps/a", "clusters/x/"}, want: []string{"apps/a/f", "clusters/x/f"}},
		"all":            {dirs: []string{"."}, want: []string{"apps-evil/f", "apps/a/f", "apps/b/f", "clusters/x/f", "root"}},
		"not there":      {dirs: []string{"apps", "nope/x"}, err: `"nope/x", which is not in the repository`},
		"prefix only":    {dirs: []string{"app"}, err: `"app", which is not`},
		"sibling":        {dirs: []string{"../sibling"}, err: "is no directory of the repository"},
		"sibling inside": {dirs: []string{"apps/../../sibling"}, err: "is no directory of the repository"},
		"absolute":       {dirs: []string{"/etc"}, err: "is no directory of the repository"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := r.Tree(context.Background(), c, TreeOptions{Sparse: s.dirs})
			if s.err != "" {
				if err == nil || !strings.Contains(err.Error(), s.err) {
					t.Errorf("got %v, want an error with %q", err, s.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(paths(out.Tree), s.want); diff != "" {
				t.Errorf("got - want +\n%s", diff)
			}
		})
	}
}

// forge makes a commit of a tree object that git itself would not write.
func (u *upstream) forge(entries ...string) {
	u.t.Helper()
	var b strings.Builder
	for _, e := range entries {
		mode, name, _ := strings.Cut(e, " ")
		kind := "x"
		b.WriteString(mode + " " + name + "\x00")
		h := u.in(strings.NewReader(kind), "hash-object", "-w", "--stdin")
		if mode == "40000" {
			h = u.in(strings.NewReader(fmt.Sprintf("100644 blob %s\tf\n", h)), "mktree")
		}
		for i := 0; i < 40; i += 2 {
			var c byte
			fmt.Sscanf(h[i:i+2], "%02x", &c)
			b.WriteByte(c)
		}
	}
	id := u.in(strings.NewReader(b.String()), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
	u.git("update-ref", "refs/heads/main", u.git("commit-tree", "-m", "x", id))
}

func TestHostileTrees(t *testing.T) {
	for name, c := range map[string]struct {
		entries []string
		err     string
	}{
		".git file":       {[]string{"100644 .git"}, "pass for Git's own directory"},
		".git directory":  {[]string{"40000 .git"}, "pass for Git's own directory"},
		".GIT":            {[]string{"40000 .GIT"}, "pass for Git's own directory"},
		".Git":            {[]string{"100644 .Git"}, "pass for Git's own directory"},
		"git~1":           {[]string{"40000 GIT~1"}, "pass for Git's own directory"},
		"trailing dot":    {[]string{"40000 .git. "}, "pass for Git's own directory"},
		"stream":          {[]string{"40000 .git::$INDEX_ALLOCATION"}, "pass for Git's own directory"},
		"invisible":       {[]string{"40000 .g\u200cit"}, "pass for Git's own directory"},
		"..":              {[]string{"40000 .."}, `the name ".."`},
		".":               {[]string{"40000 ."}, `the name "."`},
		"slash":           {[]string{"100644 a/b"}, `the name "a/b"`},
		"twice":           {[]string{"100644 a", "100644 a"}, "there already"},
		"link, then file": {[]string{"120000 a", "40000 a"}, ""}, // the link is left out: nothing is written through it
		"strange mode":    {[]string{"160755 a"}, "which Git does not use"},
		"fifo":            {[]string{"10644 a"}, "which Git does not use"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.forge(c.entries...)
			r, err := newPool(t, Options{}).Local(u.dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), TreeOptions{})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
	for _, name := range []string{".gitignore", ".github", "git", ".gitt", "a.git", ".git-x"} {
		if isDotGit(name) {
			t.Errorf("%s is taken for .git", name)
		}
	}
}

func TestMalformedTrees(t *testing.T) {
	for _, b := range []string{"x", "100644 ", "100644 a", "100644 a\x00short", " a\x0012345678901234567890", "1234567 a\x0012345678901234567890", "100644 \x0012345678901234567890"} {
		if err := eachEntry([]byte(b), func(_, _ string, _ Hash) error { return nil }); fault.ClassOf(err) != fault.Unsafe {
			t.Errorf("%q: got %v", b, err)
		}
	}
}

func FuzzTreeEntries(f *testing.F) {
	f.Add([]byte("100644 a\x0012345678901234567890"))
	f.Add([]byte("40000 dir\x0012345678901234567890120000 l\x0012345678901234567890"))
	f.Fuzz(func(t *testing.T, b []byte) {
		eachEntry(b, func(mode, name string, _ Hash) error {
			if name == "" || strings.ContainsRune(name, 0) || mode == "" {
				t.Fatalf("%q %q", mode, name)
			}
			return nil
		})
	})
}

// A copy on disk that lost its objects is fetched anew.
func TestDamagedStore(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"a": "1", "b": "2"})
	srv := newServer(t, u.root)
	p := newPool(t, Options{})
	r := remote(t, p, srv.repo(), Credential{})
	c := resolve(t, r, Ref{Branch: "main"})
	packs, err := filepath.Glob(filepath.Join(r.objects().dir, "objects/pack/*"))
	if err != nil || len(packs) == 0 {
		t.Fatal(packs, err)
	}
	for _, f := range packs {
		os.Chmod(f, 0o600)
		if err := os.WriteFile(f, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	checkTree(t, u, r, c)
	u.commit(map[string]string{"a": "3"})
	checkTree(t, u, r, resolve(t, r, Ref{Branch: "main"}))
}

// A store with too many files is replaced; trees of the old one can be read as
// long as they are there.
func TestNewGeneration(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"a": "1", "b": "2"})
	srv := newServer(t, u.root)
	dir := t.TempDir()
	p, err := NewPool(dir, Options{Content: 1}) // nothing is held in memory
	if err != nil {
		t.Fatal(err)
	}
	r := remote(t, p, srv.repo(), Credential{})
	old, err := r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.objects().loose = maxLoose + 1
	u.commit(map[string]string{"a": "3"})
	checkTree(t, u, r, resolve(t, r, Ref{Branch: "main"}))
	if text, err := old.Tree.ReadFile("a"); string(text) != "1" {
		t.Errorf("the old tree: %q, %v", text, err)
	}
	before := r.objects().dir
	p.Close()
	if p, err = NewPool(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if r = remote(t, p, srv.repo(), Credential{}); r.objects().dir != before || len(generations(filepath.Dir(before))) != 1 {
		t.Errorf("after a start: %s of %v, want %s alone", r.objects().dir, generations(filepath.Dir(before)), before)
	}
}

// While a store is replaced others read the old one, and keep it when the server
// fails; those who waited meanwhile build on the new one.
func TestNewGenerationFails(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"a": "1", "b": strings.Repeat("b", 1000)})
	var down atomic.Bool
	srv := newServer(t, u.root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if down.Load() && bytes.Contains(body, []byte("want ")) {
				http.Error(w, "no", http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
	old := resolve(t, r, Ref{Branch: "main"})
	before := r.objects()
	before.loose = maxLoose + 1
	u.commit(map[string]string{"a": "2"})
	u.git("branch", "other")
	u.commit(map[string]string{"a": "3"})
	down.Store(true)
	for range 3 {
		fails(t, r, Ref{Branch: "main"}, fault.Unreachable, "500")
	}
	if got := generations(filepath.Dir(before.dir)); r.objects() != before || len(got) != 1 {
		t.Errorf("after failures the store is %s of %v, want %s alone", r.objects().dir, got, before.dir)
	}
	if _, err := r.Tree(context.Background(), old, TreeOptions{}); err != nil {
		t.Error(err)
	}
	down.Store(false)
	var both sync.WaitGroup
	for _, branch := range []string{"main", "other"} {
		both.Go(func() {
			if _, err := r.Resolve(context.Background(), Ref{Branch: branch}, time.Time{}); err != nil {
				t.Errorf("%s: %v", branch, err)
			}
		})
	}
	both.Wait()
	if got := generations(filepath.Dir(before.dir)); len(got) > 2 {
		t.Errorf("two who fetched at once made %v of one store", got)
	}
}

// What a credential fetched that is not used any more goes, but not before the last
// tree of it; and who comes back with it is served.
func TestUnused(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"a": "1"})
	srv := newServer(t, u.root)
	now := time.Unix(0, 0)
	p := newPool(t, Options{Content: 1, Unused: time.Hour, Now: func() time.Time { return now }})
	first, second := Credential{Username: "x", Password: secret.Of("first")}, Credential{Username: "x", Password: secret.Of("second")}
	take := func(c Credential) (tree.Tree, string) {
		t.Helper()
		r := remote(t, p, srv.repo(), c)
		out, err := r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), TreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return out.Tree, r.objects().dir
	}
	held, dir := take(first)
	now = now.Add(50 * time.Minute)
	if take(second); remote(t, p, srv.repo(), first).objects().dir != dir {
		t.Error("a remote was forgotten that was asked for within the hour")
	}
	now = now.Add(2 * time.Hour)
	take(second)
	runtime.GC()
	if text, err := held.ReadFile("a"); string(text) != "1" || len(p.remotes) != 1 {
		t.Errorf("the tree reads %q, %v; there are %d remotes, want one", text, err, len(p.remotes))
	}
	if _, again := take(first); again == dir {
		t.Error("who comes back shares the files that are to go")
	}
	runtime.KeepAlive(held)
	held = tree.Tree{}
	for range 10_000 {
		runtime.GC()
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	t.Error("the files stay though nobody reads them")
}

// A process that starts anew builds on what the one before it fetched.
func TestRestart(t *testing.T) {
	u := newUpstream(t)
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("f%d", i)] = strings.Repeat(fmt.Sprint(i), 50)
	}
	u.commit(files)
	srv := newServer(t, u.root)
	dir := t.TempDir()
	for i := range 3 {
		p, err := NewPool(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		u.commit(map[string]string{"f7": fmt.Sprint("new", i)})
		r := remote(t, p, srv.repo(), Credential{})
		checkTree(t, u, r, resolve(t, r, Ref{Branch: "main"}))
		if n := r.Stats().Objects; i > 0 && n > 5 {
			t.Errorf("start %d brings %d objects", i, n)
		}
		p.Close()
	}
}

func TestSubmodules(t *testing.T) {
	lib := newUpstream(t)
	lib.commit(map[string]string{"lib.yaml": "lib"})
	u := newUpstream(t)
	u.commit(map[string]string{"a": "1"})
	if err := os.Rename(lib.dir, filepath.Join(u.root, "lib.git")); err != nil {
		t.Fatal(err)
	}
	lib.dir = filepath.Join(u.root, "lib.git")
	head := lib.git("rev-parse", "HEAD")
	srv := newServer(t, u.root)
	p := newPool(t, Options{})
	checkout := func(url, path, file string, o TreeOptions) (Checkout, error) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(u.dir, ".gitmodules"), []byte(fmt.Sprintf("[submodule \"x\"]\n\tpath = %s\n\turl = %s\n", file, url)), 0o644); err != nil {
			t.Fatal(err)
		}
		u.git("add", ".gitmodules")
		u.git("rm", "-q", "--cached", "--ignore-unmatch", "-r", "libs")
		u.git("update-index", "--add", "--cacheinfo", "160000,"+head+","+path)
		u.git("commit", "-q", "--allow-empty", "-m", "x")
		r := remote(t, p, srv.repo(), Credential{})
		return r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), o)
	}
	for name, c := range map[string]struct {
		url, path string
		err       string
	}{
		"absolute":        {url: srv.URL + "/lib.git/.git"},
		"relative":        {url: "../../lib.git/.git"},
		"ext":             {url: "ext::sh -c touch% /tmp/pwned", err: "is refused"},
		"file":            {url: "file:///etc", err: "is refused"},
		"path":            {url: "/etc", err: "is refused"},
		"option":          {url: "--upload-pack=touch", err: "is refused"},
		"climbs":          {url: "../../../../../x", err: "is refused"},
		"with a password": {url: "ftp://u:canary-f00@h/x", err: "is refused"},
		"scp":             {url: "git@example.com:lib", err: "ssh://example.com, for which there is no credential"},
		"escapes":         {url: srv.URL + "/lib.git/.git", path: "../out", err: "names the path"},
		"into .git":       {url: srv.URL + "/lib.git/.git", path: ".GIT/hooks", err: "names the path"},
		"of another":      {url: srv.URL + "/lib.git/.git", path: "else", err: "does not say where it is"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "libs/x"
			}
			out, err := checkout(c.url, "libs/x", c.path, TreeOptions{Submodules: true})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), canary) {
					t.Errorf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := out.Tree.ReadFile("libs/x/lib.yaml"); string(text) != "lib" {
				t.Errorf("got %v", paths(out.Tree))
			}
		})
	}
	out, err := checkout(srv.URL+"/lib.git/.git", "libs/x", "libs/x", TreeOptions{})
	if err != nil || len(out.Notes) != 1 || out.Tree.Lookup("libs/x/lib.yaml").Kind != tree.Missing {
		t.Errorf("without recursion: notes %v, error %v", out.Notes, err)
	}
	closed := newPool(t, Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("not this way") }})
	r, err := closed.RemoteBy(Door{"x", (&net.Dialer{}).DialContext}, srv.repo(), Credential{})
	if err != nil {
		t.Fatal(err)
	}
	out, err = r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), TreeOptions{Submodules: true})
	if err != nil || out.Tree.Lookup("libs/x/lib.yaml").Kind != tree.File {
		t.Errorf("behind another door than that of the pool: %v", err)
	}
}

func TestLocal(t *testing.T) {
	u := newUpstream(t)
	want := u.commit(map[string]string{"a": "1"})
	u.git("tag", "-m", "x", "v1.0.0")
	u.git("pack-refs", "--all")
	bare := filepath.Join(t.TempDir(), "bare.git")
	u.git("clone", "-q", "--bare", u.dir, bare)
	p := newPool(t, Options{})
	for _, dir := range []string{u.dir, bare} {
		r, err := p.Local(dir)
		if err != nil {
			t.Fatal(err)
		}
		checkTree(t, u, r, resolve(t, r, Ref{Branch: "main"}))
		if got := resolve(t, r, Ref{SemVer: "1.x"}); got.Revision() != "v1.0.0@sha1:"+want || got.Tag.Hash.IsZero() {
			t.Errorf("got %s", got.Revision())
		}
	}
	r, _ := p.Local(u.dir)
	next := u.commit(map[string]string{"a": "2"})
	u.git("gc", "-q")
	if got := resolve(t, r, Ref{Branch: "main"}); got.Hash.String() != next {
		t.Errorf("got %s, want %s", got.Hash, next)
	} else {
		checkTree(t, u, r, got)
	}
	fails(t, r, Ref{}, fault.NotFound, "branches: main")
	if _, err := p.Local(t.TempDir()); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}
