package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Writer is who wrote a field of a live object, as its managed fields tell.
type Writer struct {
	Manager   string `json:"manager"`
	Operation string `json:"operation"` // Apply or Update
	// Subresource is what was written through: status, scale; empty for the object.
	Subresource string `json:"subresource,omitempty"`
	// Since is when the manager last changed what it owns of the object; zero
	// where the server does not say.
	Since time.Time `json:"since,omitzero"`
}

// WriterOf returns who wrote the field at a JSON pointer: of several managers
// that own it the one that wrote last. Nobody owns a field that is not there.
func WriterOf(live *unstructured.Unstructured, pointer string) (Writer, bool) {
	path, err := ParsePointer(pointer)
	if err != nil || live == nil {
		return Writer{}, false
	}
	var last Writer
	found := false
	for _, e := range live.GetManagedFields() {
		if e.FieldsV1 == nil || !holdsField(decodeTree(e.FieldsV1.Raw), live.Object, path) {
			continue
		}
		w := Writer{Manager: e.Manager, Operation: string(e.Operation), Subresource: e.Subresource}
		if e.Time != nil {
			w.Since = e.Time.UTC()
		}
		if !found || w.Since.After(last.Since) {
			last, found = w, true
		}
	}
	return last, found
}
