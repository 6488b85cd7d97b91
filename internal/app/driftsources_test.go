package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

// Artifacts of Services come through the API server's proxy, as whoever the
// kubeconfig names; all others directly, without its credentials.
func TestArtifactsOfServices(t *testing.T) {
	asked := make(chan *http.Request, 1)
	answer := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Clone(context.Background()) })
	api, other := httptest.NewServer(answer), httptest.NewServer(answer)
	defer api.Close()
	defer other.Close()
	client, err := inCluster(&rest.Config{Host: api.URL + "/base", BearerToken: "token"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"http://source-controller.flux-system.svc.cluster.local./gitrepository/a/b/c.tar.gz": "/base/api/v1/namespaces/flux-system/services/http:source-controller:80/proxy/gitrepository/a/b/c.tar.gz",
		"http://leat.leat-system.svc:9090/x":                                                 "/base/api/v1/namespaces/leat-system/services/http:leat:9090/proxy/x",
		other.URL + "/gitrepository/x":                                                       "/gitrepository/x",
	} {
		res, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		got := <-asked
		if got.URL.Path != want {
			t.Errorf("%s: asked %s, want %s", address, got.URL.Path, want)
		}
		if through := got.Header.Get("Authorization") != ""; through == (want == "/gitrepository/x") {
			t.Errorf("%s: credentials sent: %v", address, through)
		}
	}
}
