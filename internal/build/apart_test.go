package build

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// elsewhere does builds that are handed over as another process would, or refuses them.
type elsewhere struct {
	refuse error
	last   Heavy
	asked  int
}

func (e *elsewhere) Build(ctx context.Context, h Heavy) ([]byte, error) {
	e.last = h
	if e.refuse != nil {
		return nil, e.refuse
	}
	return Work(h.Input, func(q []byte) ([]byte, error) {
		e.asked++
		return h.Answer(ctx, q)
	})
}

// What would take this process long is handed over before it begins; the error of the
// one that takes it is the build's.
func TestHostileBuildsAreHandedOver(t *testing.T) {
	stopped := errors.New("stopped")
	for name, made := range hostile {
		t.Run(name, func(t *testing.T) {
			tr := files(t, made(5000))
			e := &elsewhere{refuse: stopped}
			_, _, err := Run(context.Background(), tr, Recipe{Path: ".", OwnerNamespace: "team", OwnerName: "web"}, Options{Apart: e})
			if !errors.Is(err, stopped) || e.last.Namespace != "team" || e.last.Name != "web" || e.last.Why == "" {
				t.Fatalf("handed over as %s/%s, why %q, and then: %v", e.last.Namespace, e.last.Name, e.last.Why, err)
			}
			one := e.last.ID
			_, _, _ = Run(context.Background(), tr, Recipe{Path: ".", OwnerNamespace: "team", OwnerName: "api"}, Options{Apart: e})
			if one == e.last.ID {
				t.Error("another unit's build has the same ID")
			}
		})
	}
}

// Few of each are built here.
func TestSmallBuildsStayHere(t *testing.T) {
	for name, made := range hostile {
		e := &elsewhere{refuse: errors.New("handed over")}
		if _, _, err := Run(context.Background(), files(t, made(10)), Recipe{Path: "."}, Options{Apart: e}); err != nil {
			t.Errorf("%s: %v: %s", name, err, e.last.Why)
		}
	}
}

// heavyInFleets are the kustomizations of the fleets that are handed over: 350 lines of
// patches over Prometheus' manifests, and a cluster of 179 objects under 156.
var heavyInFleets = map[string]bool{
	"radix-flux/master components/third-party/kube-prometheus-stack": true, "radix-flux/master clusters/monitoring": true,
}

// What others wrote for their clusters is built here, but for what is known.
func TestFleetsStayHere(t *testing.T) {
	if testing.Short() {
		t.Skip("not in the quick suite, as it builds every kustomization of the fleets; go test without -short runs it")
	}
	eachFleet(t, func(t *testing.T, f fleet) {
		for _, r := range f.recipes(t) {
			e := &elsewhere{refuse: errors.New("handed over")}
			if _, _, err := Run(context.Background(), f.tree, r, Options{Apart: e}); errors.Is(err, e.refuse) && !heavyInFleets[f.name+" "+strings.Trim(r.Path, "./")] {
				t.Errorf("%s: %s", r.Path, e.last.Why)
			}
		}
	})
}

// remoteBase is a fetcher of one tree.
type remoteBase struct {
	tree tree.Tree
	err  error
}

func (r remoteBase) Fetch(context.Context, string) (tree.Tree, hash.ID, error) {
	return r.tree, r.tree.Hash(), r.err
}

// A build that is done elsewhere is the same: its result, what it read, its errors.
func TestApart(t *testing.T) {
	own := map[string]string{
		"kustomization.yaml": "resources: ['https://example.com/org/repo//base?ref=v1', a.yaml]\nopenapi: {path: schema.json}\nnamePrefix: x-\nconfigMapGenerator: [{name: g, files: [large.txt]}]\n",
		"a.yaml":             cm("a"), "schema.json": `{"definitions": {}}`, "large.txt": strings.Repeat("0123456789", 1000),
	}
	base := remoteBase{tree: files(t, map[string]string{"base/kustomization.yaml": "resources: [b.yaml]\n", "base/b.yaml": cm("b"), "base/kustomization.yml": ""})}
	r := Recipe{Path: ".", OwnerName: "web", OwnerNamespace: "team", Substitute: map[string]string{"a": "b"}}
	for name, remote := range map[string]RemoteFetcher{"no remote": nil, "fails": remoteBase{err: errUnreachable{}}, "works": remoteBase{tree: must(base.tree.Without("base/kustomization.yml"))}} {
		t.Run(name, func(t *testing.T) {
			e := &elsewhere{}
			o := Options{Remote: remote}
			want, wantReads, wantErr := Run(context.Background(), files(t, own), r, o)
			o.Apart = e
			got, reads, err := Run(context.Background(), files(t, own), r, o)
			if e.asked == 0 {
				t.Fatalf("it was not handed over: %v", err)
			}
			if saying(err) != saying(wantErr) || errors.As(err, new(errUnreachable)) != errors.As(wantErr, new(errUnreachable)) {
				t.Errorf("got error %v, want %v", err, wantErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if !reflect.DeepEqual(reads, wantReads) {
				t.Errorf("got reads %v, want %v", reads, wantReads)
			}
		})
	}
}

type errUnreachable struct{}

func (errUnreachable) Error() string { return "nobody answers" }

func saying(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func must(t tree.Tree, err error) tree.Tree {
	if err != nil {
		panic(err)
	}
	return t
}

// The whole of the fleets is the same too.
func TestApartFleets(t *testing.T) {
	if testing.Short() {
		t.Skip("not in the quick suite, as it builds every kustomization of the fleets twice; go test without -short runs it")
	}
	eachFleet(t, func(t *testing.T, f fleet) {
		for _, r := range f.recipes(t) {
			want, wantReads, wantErr := Run(context.Background(), f.tree, r, Options{})
			e := &elsewhere{}
			got, reads, err := apart(context.Background(), f.tree, r, Options{Apart: e}, "")
			if saying(err) != saying(wantErr) || got.ID != want.ID || got.Checksum != want.Checksum || !sameReads(reads, wantReads) {
				t.Errorf("%s: got %v, want %v", r.Path, err, wantErr)
			}
		}
	})
}

func sameReads(a, b record.Set) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// Files are handed over in parts.
func TestApartParts(t *testing.T) {
	for _, size := range []int{0, 7, apartPart, apartPart + 7} {
		want := strings.Repeat("x", size)
		list, blobs := listFiles(files(t, map[string]string{"a": want}))
		s := &serving{blobs: blobs}
		got, err := asking{func(q []byte) ([]byte, error) { return s.answer(t.Context(), q) }}.tree(list)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := got.ReadFile("a"); err != nil || string(text) != want {
			t.Errorf("%d bytes: got %d, %v", size, len(text), err)
		}
	}
}

// A process that is not what was started answers what it likes.
func TestApartAnswersAreRead(t *testing.T) {
	tr := files(t, hostile["copies"](100))
	for _, answer := range []string{"", "nothing", strings.Repeat("x", 1000)} {
		if _, _, err := Run(context.Background(), tr, Recipe{Path: "."}, Options{Apart: answers(answer)}); err == nil {
			t.Errorf("%q was taken for a build", answer)
		}
	}
}

type answers string

func (a answers) Build(context.Context, Heavy) ([]byte, error) { return []byte(a), nil }
