package cluster_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// server answers by method and path, and keeps what it was asked.
type server struct {
	t       *testing.T
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	asked   []*http.Request
	bodies  []string
}

func serve(t *testing.T) (*server, *rest.Config) {
	s := &server{t: t, answers: map[string]http.HandlerFunc{}}
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	s.on("GET /api/v1", answer(metav1.APIResourceList{APIResources: []metav1.APIResource{
		{Name: "configmaps", Kind: "ConfigMap", Namespaced: true},
		{Name: "namespaces", Kind: "Namespace"}, {Name: "namespaces/status", Kind: "Namespace"},
	}}))
	return s, &rest.Config{Host: ts.URL}
}

func (s *server) on(what string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[what] = h
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked, s.bodies = append(s.asked, r), append(s.bodies, string(body))
	h := s.answers[r.Method+" "+r.URL.Path]
	s.mu.Unlock()
	if h == nil {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	h(w, r)
}

func (s *server) last() (*http.Request, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1], s.bodies[len(s.bodies)-1]
}

func (s *server) count(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asked {
		if r.Method+" "+r.URL.Path == what {
			n++
		}
	}
	return n
}

func answer(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

func status(err *apierrors.StatusError) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(err.ErrStatus.Code))
		err.ErrStatus.Kind, err.ErrStatus.APIVersion = "Status", "v1"
		_ = json.NewEncoder(w).Encode(err.ErrStatus)
	}
}

func configMap(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "apps", "uid": "old", "resourceVersion": "1"},
	}}
}

func connect(t *testing.T, cfg *rest.Config, o cluster.Options) *cluster.World {
	t.Helper()
	w, err := cluster.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestApplySendsIntentAndPreconditions(t *testing.T) {
	s, cfg := serve(t)
	s.on("PATCH /api/v1/namespaces/apps/configmaps/web", answer(configMap("web").Object))
	var counter cluster.Counter
	w := connect(t, cfg, cluster.Options{Observe: counter.Observe}).As(world.Identity{User: "jane", Groups: []string{"a", "b"}})

	a := world.Apply{Object: configMap("web"), Manager: "me", Force: true, If: world.Precondition{UID: "u1"}}
	if _, err := w.Predict(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	r, body := s.last()
	if got, want := r.URL.RawQuery, "dryRun=All&fieldManager=me&force=true"; got != want {
		t.Errorf("query: got %s, want %s", got, want)
	}
	if got := r.Header["Impersonate-Group"]; r.Header.Get("Impersonate-User") != "jane" || strings.Join(got, ",") != "a,b" {
		t.Errorf("impersonation: got %v", r.Header)
	}
	if !strings.Contains(body, `"uid":"u1"`) || strings.Contains(body, "resourceVersion") {
		t.Errorf("body: got %s, want the uid of If and no resourceVersion", body)
	}
	want := []cluster.Count{{Verb: "apply", Resource: "configmaps", DryRun: true, N: 1}, {Verb: "discover", N: 1}}
	if got := counter.Counts(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counts: got %v, want %v", got, want)
	}
}

func TestListReadsPagesAndOrders(t *testing.T) {
	s, cfg := serve(t)
	s.on("GET /api/v1/configmaps", func(w http.ResponseWriter, r *http.Request) {
		list := map[string]any{"metadata": map[string]any{"continue": "x"}, "items": []any{item("b"), item("c")}}
		if r.URL.Query().Get("continue") == "x" {
			list = map[string]any{"metadata": map[string]any{}, "items": []any{item("a")}}
		}
		answer(list)(w, r)
	})
	w := connect(t, cfg, cluster.Options{})
	got, err := w.List(t.Context(), schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, world.Selection{})
	if err != nil || len(got) != 3 || got[0].GetName() != "a" || got[0].GetKind() != "ConfigMap" {
		t.Fatalf("got %v, %v", got, err)
	}
}

func item(name string) map[string]any {
	return map[string]any{"metadata": map[string]any{"namespace": "apps", "name": name}}
}

func TestUnknownKindIsAskedForOncePerMoment(t *testing.T) {
	s, cfg := serve(t)
	now := time.Unix(0, 0)
	w := connect(t, cfg, cluster.Options{Now: func() time.Time { return now }})
	ref := object.Ref{Key: object.Key{Group: "x.dev", Kind: "Thing", Namespace: "apps", Name: "a"}, Version: "v1"}
	for range 3 {
		if _, err := w.Get(t.Context(), ref); !meta.IsNoMatchError(err) {
			t.Fatalf("got %v, want no match", err)
		}
	}
	if got := s.count("GET /apis/x.dev/v1"); got != 1 {
		t.Errorf("discovery requests: got %d, want 1", got)
	}
	s.on("GET /apis/x.dev/v1", answer(metav1.APIResourceList{APIResources: []metav1.APIResource{
		{Name: "things", Kind: "Thing", Namespaced: true},
	}}))
	w.Invalidate("x.dev")
	if m, err := w.Kind(t.Context(), ref.GVK()); err != nil || m.Resource != "things" || !m.Namespaced {
		t.Errorf("got %v, %v", m, err)
	}
	// The path is gone although discovery knew the kind.
	if _, err := w.Get(t.Context(), ref); !meta.IsNoMatchError(err) {
		t.Errorf("got %v, want no match", err)
	}
	s.on("GET /apis/x.dev/v1/namespaces/apps/things/a", status(apierrors.NewNotFound(schema.GroupResource{Resource: "things"}, "a")))
	if _, err := w.Get(t.Context(), ref); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestPreferredVersionComesFirst(t *testing.T) {
	s, cfg := serve(t)
	s.on("GET /apis/x.dev", answer(metav1.APIGroup{
		Versions:         []metav1.GroupVersionForDiscovery{{Version: "v2"}, {Version: "v1"}},
		PreferredVersion: metav1.GroupVersionForDiscovery{Version: "v1"},
	}))
	s.on("GET /apis/x.dev/v1", answer(metav1.APIResourceList{APIResources: []metav1.APIResource{{Name: "things", Kind: "Thing"}}}))
	s.on("GET /apis/x.dev/v2", answer(metav1.APIResourceList{APIResources: []metav1.APIResource{{Name: "others", Kind: "Other"}}}))
	w := connect(t, cfg, cluster.Options{})
	for kind, version := range map[string]string{"Thing": "v1", "Other": "v2"} {
		if m, err := w.Kind(t.Context(), schema.GroupVersionKind{Group: "x.dev", Kind: kind}); err != nil || m.GVK.Version != version {
			t.Errorf("%s: got %v, %v", kind, m, err)
		}
	}
}

func TestThrottledWriteIsSentAgain(t *testing.T) {
	s, cfg := serve(t)
	first := true
	s.on("PATCH /api/v1/namespaces/apps/configmaps/web", func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			w.Header().Set("Retry-After", "0")
			status(apierrors.NewTooManyRequests("later", 1))(w, r)
			return
		}
		answer(configMap("web").Object)(w, r)
	})
	w := connect(t, cfg, cluster.Options{})
	if _, err := w.Apply(t.Context(), world.Apply{Object: configMap("web"), Manager: "me"}); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsKeepTheirClass(t *testing.T) {
	s, cfg := serve(t)
	w := connect(t, cfg, cluster.Options{})
	gr := schema.GroupResource{Resource: "configmaps"}
	uid := metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "metadata.uid"}}}
	cases := map[string]struct {
		reply *apierrors.StatusError
		is    func(error) bool
	}{
		"conflict":  {apierrors.NewConflict(gr, "web", fmt.Errorf("moved")), apierrors.IsConflict},
		"forbidden": {apierrors.NewForbidden(gr, "web", fmt.Errorf("no")), apierrors.IsForbidden},
		"internal":  {apierrors.NewInternalError(fmt.Errorf("boom")), apierrors.IsInternalError},
		"other uid": {&apierrors.StatusError{ErrStatus: metav1.Status{
			Status: "Failure", Code: 422, Reason: metav1.StatusReasonInvalid, Details: &uid}}, apierrors.IsConflict},
	}
	for name, c := range cases {
		s.on("PATCH /api/v1/namespaces/apps/configmaps/web", status(c.reply))
		_, err := w.Apply(t.Context(), world.Apply{Object: configMap("web"), Manager: "me", If: world.Precondition{UID: "u"}})
		if !c.is(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNamesThatChangeThePathAreRefused(t *testing.T) {
	_, cfg := serve(t)
	w := connect(t, cfg, cluster.Options{})
	for _, k := range []object.Key{
		{Kind: "ConfigMap", Namespace: "apps", Name: "../secrets/x"}, {Kind: "ConfigMap", Namespace: "..", Name: "x"},
		{Kind: "ConfigMap", Namespace: "apps"}, {Kind: "ConfigMap", Name: "x"},
	} {
		if _, err := w.Get(t.Context(), object.Ref{Key: k, Version: "v1"}); !apierrors.IsBadRequest(err) {
			t.Errorf("%v: got %v, want bad request", k, err)
		}
	}
}
