package helm

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

// What templates see of a cluster follows its upgrades, and an API that was down
// when it was asked for is looked for again.
func TestCapabilitiesAge(t *testing.T) {
	release, down, asked := "v1.35.0", true, 0
	group := metav1.APIGroup{Name: "metrics.k8s.io", Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: "metrics.k8s.io/v1beta1", Version: "v1beta1"}}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch r.URL.Path {
		case "/version":
			asked++
			answer = version.Info{Major: "1", GitVersion: release}
		case "/api":
			answer = metav1.APIVersions{Versions: []string{"v1"}}
		case "/apis":
			answer = metav1.APIGroupList{Groups: []metav1.APIGroup{group}}
		case "/api/v1":
			answer = metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod"}}}
		case "/apis/metrics.k8s.io/v1beta1":
			if down {
				http.Error(w, "down", http.StatusServiceUnavailable)
				return
			}
			answer = metav1.APIResourceList{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "PodMetrics"}}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(srv.Close)
	cluster, err := Connect(&rest.Config{Host: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(0, 0)
	cluster.kinds.(*discovered).now = func() time.Time { return now }
	look := func(wantRelease string, wantMetrics bool, wantAsked int) {
		t.Helper()
		caps, err := cluster.kinds.capabilities()
		if err != nil {
			t.Fatal(err)
		}
		metrics := slices.Contains(caps.APIVersions, "metrics.k8s.io/v1beta1/PodMetrics")
		if caps.KubeVersion.Version != wantRelease || metrics != wantMetrics || asked != wantAsked {
			t.Errorf("got %s, metrics %v, asked %d times, want %s, %v, %d", caps.KubeVersion.Version, metrics, asked, wantRelease, wantMetrics, wantAsked)
		}
	}
	look("v1.35.0", false, 1)
	look("v1.35.0", false, 1)
	down = false
	now = now.Add(2 * minAge)
	look("v1.35.0", true, 2)
	release = "v1.36.0"
	now = now.Add(2 * minAge)
	look("v1.35.0", true, 2)
	now = now.Add(maxAge)
	look("v1.36.0", true, 3)
}
