package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

// TestSoftWaitsForTheQueue: what a unit stands in line for is not written.
func TestSoftWaitsForTheQueue(t *testing.T) {
	var asked int
	written := make(chan report.Report, 1)
	s := soft{
		after:  time.Nanosecond,
		late:   func(_ *unstructured.Unstructured, rep report.Report) { written <- rep },
		queued: func(object.Key) bool { asked++; return asked < 3 },
	}
	s.later(object.Key{Name: "a"}, &unstructured.Unstructured{}, report.Report{})
	<-written
	s.stop()
	if asked != 3 {
		t.Errorf("asked %d times, want 3: it was written while it was queued", asked)
	}
	if s.len() != 0 {
		t.Error("it still waits")
	}
}
