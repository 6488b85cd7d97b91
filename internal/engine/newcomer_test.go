package engine

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// For whom, and for which sources, a unit waits before it deletes anything.
func TestNewcomers(t *testing.T) {
	for text, want := range map[string]bool{
		"spec: {prune: true}": true,
		"spec: {prune: true}\nstatus: {conditions: [{type: Ready, status: \"False\"}]}": true,
		"spec: {suspend: true}":                                   false,
		"status: {lastAppliedRevision: main@sha1:1}":              false,
		"status: {inventory: {entries: []}}":                      false,
		"metadata: {deletionTimestamp: \"2026-01-01T00:00:00Z\"}": false,
	} {
		if got := isNewcomer(parsed(t, "kind: Kustomization\n"+text)); got != want {
			t.Errorf("a unit with %s: got %t, want %t", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"spec: {url: x}": true,
		"status: {conditions: [{type: Ready, status: Unknown}]}":            true,
		"status: {conditions: [{type: Ready, status: \"False\"}]}":          false,
		"status: {artifact: {revision: main@sha1:1, digest: \"sha256:1\"}}": false,
		"spec: {suspend: true}":                                   false,
		"metadata: {deletionTimestamp: \"2026-01-01T00:00:00Z\"}": false,
	} {
		if got := isUnanswered(parsed(t, "kind: GitRepository\n"+text)); got != want {
			t.Errorf("a source with %s: got %t, want %t", text, got, want)
		}
	}
}
