package ocitest

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/embedded/registrytest"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/tree"
)

func open(t *testing.T, address string, a oci.Access) *oci.Repository {
	t.Helper()
	return openIn(t, oci.NewPool(oci.Options{}), address, a)
}

func openIn(t *testing.T, p *oci.Pool, address string, a oci.Access) *oci.Repository {
	t.Helper()
	t.Cleanup(func() { _ = p.Close() })
	r, err := p.Repository(address, a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pull resolves and unpacks the first layer.
func pull(t *testing.T, r oci.Reader, want oci.Ref) (string, tree.Tree, error) {
	t.Helper()
	rev, err := r.Resolve(t.Context(), want, time.Now())
	if err != nil {
		return "", tree.Tree{}, err
	}
	man, err := r.Manifest(t.Context(), rev.Digest)
	if err != nil {
		return "", tree.Tree{}, err
	}
	layer, err := man.Layer("")
	if err != nil {
		return "", tree.Tree{}, err
	}
	got, _, err := r.Tree(t.Context(), layer)
	return rev.String(), got, err
}

func text(t *testing.T, tr tree.Tree, name string) string {
	t.Helper()
	b, err := tr.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func files(content string) registrytest.Artifact {
	return registrytest.Files(map[string]string{"app.yaml": content})
}

// What a Ref means, against the same tags as in a registry.
func TestRefs(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	digests := map[string]string{}
	for _, tag := range []string{"latest", "1.0.0", "v1.1.0", "1.10.2", "2.0.0-rc.1", "nightly"} {
		digests[tag] = reg.Push("acme/app", tag, files(tag))
	}
	r := open(t, reg.URL("acme/app"), oci.Access{})
	at := func(tag string) string { return tag + "@" + digests[tag] }
	for name, c := range map[string]struct {
		want oci.Ref
		rev  string
		of   string
	}{
		"latest":                  {oci.Ref{}, at("latest"), "latest"},
		"tag":                     {oci.Ref{Tag: "nightly"}, at("nightly"), "nightly"},
		"range":                   {oci.Ref{SemVer: "1.x"}, at("1.10.2"), "1.10.2"},
		"range before tag":        {oci.Ref{SemVer: "~1.1", Tag: "nightly"}, at("v1.1.0"), "v1.1.0"},
		"pre-release":             {oci.Ref{SemVer: ">=1.0.0-0"}, at("2.0.0-rc.1"), "2.0.0-rc.1"},
		"filter":                  {oci.Ref{SemVer: ">=1.0.0-0", Filter: "rc"}, at("2.0.0-rc.1"), "2.0.0-rc.1"},
		"digest before the rest":  {oci.Ref{Digest: digests["1.0.0"], SemVer: "1.x", Tag: "nightly"}, digests["1.0.0"], "1.0.0"},
		"empty filter is no harm": {oci.Ref{SemVer: "1.0.0"}, at("1.0.0"), "1.0.0"},
	} {
		rev, tr, err := pull(t, r, c.want)
		if err != nil || rev != c.rev || text(t, tr, "app.yaml") != c.of {
			t.Errorf("%s: got %s, %v, want %s", name, rev, err, c.rev)
		}
	}
	for name, c := range map[string]struct {
		want  oci.Ref
		class fault.Class
		text  string
	}{
		"no such tag":    {oci.Ref{Tag: "9"}, fault.NotFound, "MANIFEST_UNKNOWN"},
		"no such range":  {oci.Ref{SemVer: "9.x"}, fault.NotFound, "no match found for semver: 9.x; tags: v1.1.0, nightly"},
		"no such digest": {oci.Ref{Digest: "sha256:" + strings.Repeat("0", 64)}, fault.NotFound, "MANIFEST_UNKNOWN"},
		"no range":       {oci.Ref{SemVer: "x.y.z!"}, fault.Invalid, "cannot be read"},
		"no digest":      {oci.Ref{Digest: "sha256:zz"}, fault.Invalid, "sha256: and 64"},
		"no tag":         {oci.Ref{Tag: "a b"}, fault.Invalid, `the tag "a b"`},
	} {
		if _, _, err := pull(t, r, c.want); fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %q: %v", name, fault.ClassOf(err), err)
		}
	}
	if _, _, err := pull(t, open(t, reg.URL("acme/none"), oci.Access{}), oci.Ref{SemVer: "*"}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("no such repository: got %q: %v", fault.ClassOf(err), err)
	}
}

// A tag that moved is seen as soon as the answer may not be old.
func TestMovedTag(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	first := reg.Push("acme/app", "main", files("1"))
	r := open(t, reg.URL("acme/app"), oci.Access{})
	before := time.Now()
	resolve := func(since time.Time) string {
		t.Helper()
		rev, err := r.Resolve(t.Context(), oci.Ref{Tag: "main"}, since)
		if err != nil {
			t.Fatal(err)
		}
		return rev.Digest
	}
	if got := resolve(before); got != first {
		t.Errorf("got %s, want %s", got, first)
	}
	second := reg.Push("acme/app", "main", files("2"))
	if got := resolve(before); got != first {
		t.Errorf("shared: got %s, want %s", got, first)
	}
	if got := resolve(time.Now()); got != second {
		t.Errorf("fresh: got %s, want %s", got, second)
	}
}

func TestLayers(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	a := registrytest.Files(map[string]string{"a": "1"}).With("org.opencontainers.image.revision", "main@sha1:1")
	a.Layers = append(a.Layers, registrytest.Layer{MediaType: "application/x", Content: []byte("x")},
		registrytest.Layer{MediaType: "application/x", Content: []byte("y")})
	digest := reg.Push("acme/app", "1", a)
	r := open(t, reg.URL("acme/app"), oci.Access{})
	man, err := r.Manifest(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(man.Annotations, a.Annotations); diff != "" {
		t.Error(diff)
	}
	layer, err := man.Layer("application/x")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.Blob(t.Context(), layer); err != nil || string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
	var copied bytes.Buffer
	if err := r.Copy(t.Context(), layer, &copied); err != nil || copied.String() != "x" {
		t.Errorf("got %q, %v", copied.String(), err)
	}
	if _, _, err := r.Tree(t.Context(), layer); fault.ClassOf(err) != fault.Unsafe || !strings.Contains(err.Error(), "failed to extract") {
		t.Errorf("unpacked what is no archive: %v", err)
	}
	if _, err := man.Layer("application/y"); fault.ClassOf(err) != fault.NotFound || !strings.Contains(err.Error(), "it has") {
		t.Errorf("got %v", err)
	}
}

// Charts: + in a version is _ in a tag, and only tags of versions count.
func TestCharts(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	for _, tag := range []string{"1.0.0", "1.1.0_build.7", "2.0.0-rc.1", "latest"} {
		reg.Push("charts/podinfo", tag, registrytest.Chart([]byte("chart "+tag)))
	}
	r := open(t, reg.URL("charts/podinfo"), oci.Access{})
	for ask, want := range map[string]string{
		"1.0.0": "1.0.0", "": "1.1.0+build.7", "1.x": "1.1.0+build.7", "1.1.0+build.7": "1.1.0+build.7", ">=2.0.0-0": "2.0.0-rc.1",
	} {
		got, err := oci.PullChart(t.Context(), r, oci.ChartWanted{Version: ask, Since: time.Now(), Max: 100})
		if err != nil || got.Version != want || string(got.Content) != "chart "+oci.ChartTag(want) || !strings.HasPrefix(got.Revision.Digest, "sha256:") {
			t.Errorf("%q: got %+v, %v", ask, got, err)
		}
	}
	tags, err := r.Tags(t.Context(), time.Now())
	slices.Sort(tags)
	if want := []string{"1.0.0", "1.1.0_build.7", "2.0.0-rc.1", "latest"}; err != nil || !slices.Equal(tags, want) {
		t.Errorf("got %v, %v", tags, err)
	}
	reg.Push("charts/app", "1.0.0", files("no chart"))
	if _, err := oci.PullChart(t.Context(), open(t, reg.URL("charts/app"), oci.Access{}), oci.ChartWanted{Version: "1.0.0", Since: time.Now(), Max: 100}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

// Whoever asks the same at once, or of the same digest, costs nothing more.
func TestSharing(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Push("acme/app", "1.0.0", files("1"))
	pool := oci.NewPool(oci.Options{})
	began := time.Now()
	reg.Asked()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			r, err := pool.Repository(reg.URL("acme/app"), oci.Access{})
			if err == nil {
				_, err = r.Resolve(t.Context(), oci.Ref{Tag: "1.0.0"}, began)
			}
			if err == nil {
				_, _, err = pull(t, r, oci.Ref{Digest: must(r.Resolve(t.Context(), oci.Ref{Tag: "1.0.0"}, began)).Digest})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	counts := map[string]int{}
	for _, r := range reg.Asked() {
		kind, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.Path, "/v2/acme/app/"), "/"), "/")
		counts[r.Method+" "+kind]++
	}
	want := map[string]int{"GET v2": 1, "HEAD manifests": 1, "GET manifests": 1, "GET blobs": 1}
	if diff := cmp.Diff(counts, want); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// HEAD may be refused or say too little.
func TestHeadFallsBack(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	digest := reg.Push("acme/app", "1", files("1"))
	reg.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return r.Method == http.MethodHead
	})
	if rev, _, err := pull(t, open(t, reg.URL("acme/app"), oci.Access{}), oci.Ref{Tag: "1"}); err != nil || rev != "1@"+digest {
		t.Errorf("got %s, %v", rev, err)
	}
}
