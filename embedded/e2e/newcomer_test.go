package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The entry of a fleet gets another name, and so does its repository: nothing is
// deleted before the new one has been fetched and says what it wants.
func TestEntryUnderAnotherName(t *testing.T) {
	r := upRemote(t)
	to, err := url.Parse(r.server.URL())
	r.must(err)
	answer := make(chan struct{})
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = to.Scheme, to.Host, to.Host
	}}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		select {
		case <-answer:
			proxy.ServeHTTP(w, q)
		case <-q.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	slow.URL += to.Path

	entry := kustomization("entry", "path: ./cluster")
	r.push(files{
		"cluster/sync.yaml": r.fleet("1s") + "---\n" + entry, "cluster/apps.yaml": kustomization("apps", "path: ./apps"),
		"apps/a.yaml": configMap("a", "1"),
	})
	r.apply(r.fleet("1s"), entry)
	kept := map[string]string{}
	for _, name := range []string{"Kustomization/apps", "ConfigMap/a"} {
		kept[name] = string(r.exists(name).GetUID())
	}

	rename := strings.NewReplacer("name: fleet", "name: home", "name: entry", "name: home", r.server.URL(), slow.URL)
	revision := r.push(files{
		"cluster/sync.yaml": rename.Replace(r.fleet("1s") + "---\n" + entry), "cluster/apps.yaml": rename.Replace(kustomization("apps", "path: ./apps")),
	})
	r.await("Kustomization/entry", func(o *unstructured.Unstructured) bool {
		return o != nil && strings.Contains(field(o, "status", "conditions"), "before anything is deleted")
	})
	close(answer)
	r.fetched("home", revision)
	r.fetched("apps", revision)
	r.gone("Kustomization/entry")
	r.gone("GitRepository/fleet")
	r.idle()
	for name, uid := range kept {
		if got := r.get(name); string(got.GetUID()) != uid || got.GetDeletionTimestamp() != nil {
			t.Errorf("%s was deleted, or made anew", name)
		}
	}
}
