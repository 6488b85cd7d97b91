package controller

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func stored(name, version, status string) any {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "apps", Name: storagePrefix + name + ".v" + version,
		Labels: map[string]string{"owner": "helm", "name": name, "version": version, "status": status},
	}}
}

// After a watch was lost, whatever became of Helm's storage meanwhile is told: also of a
// release that had nothing there before.
func TestStorageAfterALostWatch(t *testing.T) {
	var told []string
	s := &storageSink{moved: func(place string) { told = append(told, place) }}
	list := func(items ...any) []string {
		told = nil
		if err := s.Replace(items, ""); err != nil {
			t.Fatal(err)
		}
		slices.Sort(told)
		return told
	}
	if got := list(stored("same", "1", "deployed"), stored("changed", "1", "deployed"), stored("gone", "1", "deployed")); len(got) != 0 {
		t.Errorf("first list: told of %v, want nothing: who ran before read for himself", got)
	}
	got := list(stored("same", "1", "deployed"), stored("changed", "1", "superseded"), stored("new", "1", "deployed"))
	if want := []string{"apps/changed", "apps/gone", "apps/new"}; !slices.Equal(got, want) {
		t.Errorf("after a lost watch: told of %v, want %v", got, want)
	}
}
