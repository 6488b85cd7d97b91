package controller

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/report"
)

// An event that is being written when the engine ends is written, not lost.
func TestEventsOutliveTheEnd(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		close(begun)
		select {
		case <-goOn:
		case <-r.Context().Done(): // whoever asked has gone
			return
		}
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	client, err := v1.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := newRecorder(client, func(err error) { t.Errorf("the event is lost: %v", err) })
	r.run(ctx)
	obj := &unstructured.Unstructured{}
	obj.SetAPIVersion("kustomize.toolkit.fluxcd.io/v1")
	obj.SetKind("Kustomization")
	obj.SetNamespace("x")
	obj.SetName("a")
	r.record(obj, []report.Event{{Reason: "ReconciliationSucceeded", Message: "done"}}, time.Now())
	<-begun
	cancel()
	close(goOn)
	r.stop()
}
