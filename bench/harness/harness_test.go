package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/kube"
)

// fakeServer lists objects by kind and namespace, and plays events to watches;
// an empty one ends the watch, and the next watch goes on behind it.
type fakeServer struct {
	objects []fleet.Object
	events  []string
	from    []string // the resourceVersions that watches asked for
}

// ServeHTTP implements http.Handler.
func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") != "" {
		f.from = append(f.from, r.URL.Query().Get("resourceVersion"))
		for len(f.events) > 0 {
			e := f.events[0]
			if f.events = f.events[1:]; e == "" {
				return
			}
			fmt.Fprintln(w, e)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	items := []any{}
	for _, o := range f.objects {
		k, _ := kube.KindOf(o)
		if namespace, _ := kube.Name(o); r.URL.Path == k.Path(namespace, "") {
			items = append(items, o)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

// labOn is a lab with a fleet of n apps whose API server is f.
func labOn(t *testing.T, f *fakeServer, n int) *lab {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"x","users":[{"name":"x"}],
		"clusters":[{"name":"x","cluster":{"server":%q}}],"contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}]}`, s.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Connect(path)
	if err != nil {
		t.Fatal(err)
	}
	fl := fleet.New(fleet.Options{Apps: n})
	repo, err := fleet.CreateRepository(t.TempDir(), fl)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{config: config{log: io.Discard}, fleet: fl, repo: repo, kube: client, fail: func(error) {}, peaks: map[string]int64{}}
}

// TestVerify: an engine that says Ready while an object is not as Git says must
// fail the row.
func TestVerify(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *fakeServer)
		want   string // empty: no error
	}{
		{"all there", func(*fakeServer) {}, ""},
		{"the server added fields", func(f *fakeServer) { f.objects[5]["status"] = fleet.Object{} }, ""},
		{"one is missing", func(f *fakeServer) { f.objects = f.objects[1:] }, "the object is missing"},
		{"one field differs", func(f *fakeServer) { f.objects[4]["spec"].(fleet.Object)["replicas"] = 1 }, ".spec.replicas: want 0, got 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeServer{}
			l := labOn(t, f, 3)
			for i := range 3 {
				manifests, err := l.repo.Manifests(i)
				if err != nil {
					t.Fatal(err)
				}
				f.objects = append(f.objects, manifests...)
			}
			c.change(f)
			err := l.verify(context.Background())
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestDriftsDrift: each drift must make its object differ, or the row would
// praise an engine for nothing.
func TestDriftsDrift(t *testing.T) {
	if len(drifts) != 20 {
		t.Errorf("there are %d drifts", len(drifts))
	}
	l := labOn(t, &fakeServer{}, 1)
	names := map[string]bool{}
	for _, d := range drifts {
		if names[d.name] {
			t.Errorf("%s is there twice", d.name)
		}
		names[d.name] = true
		_, want, err := l.manifest(0, d.kind)
		if err != nil {
			t.Fatal(err)
		}
		ok := d.corrected(want)
		clean := withOwner(t, want)
		if !ok(decode(t, clean)) {
			t.Errorf("%s: the object as Git has it counts as drifted", d.name)
		}
		if d.patch == "" {
			if ok(nil) {
				t.Errorf("%s: a missing object counts as corrected", d.name)
			}
			continue
		}
		if after := decode(t, patched(t, clean, d.patch)); ok(after) {
			t.Errorf("%s: the drifted object counts as corrected", d.name)
		}
	}
	for _, name := range downDrifts {
		if !names[name] {
			t.Errorf("row G names a drift %q that is not there", name)
		}
	}
}

// TestDriftsOfHelm: no drift may be expected back that Helm does not own.
func TestDriftsOfHelm(t *testing.T) {
	all := driftsOfHelm()
	if len(all) != 16 {
		t.Errorf("there are %d", len(all))
	}
	for _, d := range all {
		if d.owner || d.extra != "" || strings.Contains(d.name, "added") || d.name == "Service: port" {
			t.Errorf("%s is among them", d.name)
		}
	}
	if len(drifts) != 20 {
		t.Errorf("of %d drifts of Kustomizations some were lost", 20-len(drifts))
	}
}

func withOwner(t *testing.T, o fleet.Object) []byte {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return patched(t, b, `{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"x"}}}`)
}

func patched(t *testing.T, b []byte, patch string) []byte {
	t.Helper()
	var err error
	if strings.HasPrefix(patch, "[") {
		var p jsonpatch.Patch
		if p, err = jsonpatch.DecodePatch([]byte(patch)); err == nil {
			b, err = p.Apply(b)
		}
	} else {
		b, err = jsonpatch.MergePatch(b, []byte(patch))
	}
	if err != nil {
		t.Fatalf("%s: %v", patch, err)
	}
	return b
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestWatchOneInOrder: a drift counts as corrected only after it showed.
func TestWatchOneInOrder(t *testing.T) {
	f := &fakeServer{events: []string{
		`{"type":"ADDED","object":{"v":0}}`, `{"type":"MODIFIED","object":{"v":1}}`,
		`{"type":"DELETED","object":{"v":1}}`, `{"type":"ADDED","object":{"v":0}}`,
	}}
	l := labOn(t, f, 1)
	at := func(v any) func(map[string]any) bool {
		return func(live map[string]any) bool { return live != nil && live["v"] == v }
	}
	gone := func(live map[string]any) bool { return live == nil }
	s := l.watchOne(t.Context(), kube.Target{Kind: kube.Services, Namespace: "n", Name: "x"}, at(0.0), gone, at(0.0), at(1.0))
	defer s.close()
	for i := range 3 {
		if _, err := s.wait(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.wait(ended, 3); err == nil {
		t.Error("a test passed on an event before its turn")
	}
}

// TestFollowGoesOn: a watch that ends goes on after its last event, and anew
// when the server has forgotten that.
func TestFollowGoesOn(t *testing.T) {
	f := &fakeServer{events: []string{
		`{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"5"}}}`, "",
		`{"type":"ERROR","object":{"code":410}}`, "",
		`{"type":"ADDED","object":{"metadata":{"name":"b","resourceVersion":"9"}}}`,
	}}
	l := labOn(t, f, 1)
	ctx, stop := context.WithCancel(t.Context())
	var seen []string
	err := l.follow(ctx, kube.Watch{Kind: kube.Services}, func() {}, func(e kube.Event) {
		if seen = append(seen, e.ResourceVersion); len(seen) == 2 {
			stop()
		}
	})
	if got := strings.Join(f.from, ","); err != nil || got != ",5," {
		t.Errorf("watches started at %q, %v", got, err)
	}
}
