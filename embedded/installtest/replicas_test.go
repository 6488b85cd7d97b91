package installtest

import (
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/install"
)

// soon asks often whether the leader's lease was released.
var soon = []string{
	"--leader-election-lease-duration=35s", "--leader-election-renew-deadline=30s", "--leader-election-retry-period=200ms",
}

// Two replicas are ready, one works, and a client that comes to either gets its
// artifact; when the one that works ends, the other takes over.
func TestReplicas(t *testing.T) {
	t.Setenv("POD_IP", "127.0.0.1")
	s := newStand(t, install.Options{})
	first := s.start("leat", soon...)
	s.answers("http://"+first.health+"/readyz", http.StatusOK)
	second := s.start("leat", soon...)
	s.answers("http://"+second.health+"/readyz", http.StatusOK)

	ns := s.namespace("replicas")
	s.create(in(ns, sources))
	path := artifactPath(s.await(gitRepositories, ns, "fleet", ready))
	want := s.answers("http://"+first.files+"/"+path, http.StatusOK)
	if got := s.answers("http://"+second.files+"/"+path, http.StatusOK); got != want || len(got) == 0 {
		t.Errorf("the replicas answer with %d and %d bytes, want the same", len(want), len(got))
	}
	first.stop()
	again := s.await(gitRepositories, ns, "fleet", func(o *unstructured.Unstructured) bool {
		return ready(o) && urlOf(o) == "http://"+second.files+"/"+artifactPath(o)
	})
	if got := s.answers("http://"+second.files+"/"+artifactPath(again), http.StatusOK); got != want {
		t.Errorf("the second replica answers with other %d bytes", len(got))
	}
	s.answers("http://"+second.health+"/readyz", http.StatusOK)
}

// A replica that could not tell others where its artifacts are, and does not
// lead, is alive and not ready: nobody is sent to it.
func TestReplicaWithoutAnAddressIsNotReady(t *testing.T) {
	s := newStand(t, install.Options{})
	first := s.start("leat", soon...)
	s.answers("http://"+first.health+"/readyz", http.StatusOK)
	second := s.start("leat", soon...)
	s.answers("http://"+second.health+"/healthz", http.StatusOK)
	s.answers("http://"+second.health+"/readyz", http.StatusServiceUnavailable)
	first.stop()
	s.answers("http://"+second.health+"/readyz", http.StatusOK)
}

func artifactPath(o *unstructured.Unstructured) string {
	path, _, _ := unstructured.NestedString(o.Object, "status", "artifact", "path")
	return path
}

func urlOf(o *unstructured.Unstructured) string {
	url, _, _ := unstructured.NestedString(o.Object, "status", "artifact", "url")
	return url
}
