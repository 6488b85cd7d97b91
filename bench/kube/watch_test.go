package kube

import "testing"

func TestEvent(t *testing.T) {
	l := line{text: []byte(`{"type":"ADDED","object":{"metadata":{"annotations":{"a":"{\"resourceVersion\":\"7\"}"},"resourceVersion":"42"},"spec":{"resourceVersion":"9"}}}`)}
	e, err := l.event()
	if err != nil || e.Type != "ADDED" || e.ResourceVersion != "42" {
		t.Errorf("got %s at %q, %v", e.Type, e.ResourceVersion, err)
	}
	l.text = []byte(`{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}`)
	if _, err := l.event(); !IsStatus(err, 410) {
		t.Errorf("got %v, want 410", err)
	}
	l.text = []byte(`{"type":`)
	if _, err := l.event(); err == nil {
		t.Error("half a line was read")
	}
}
