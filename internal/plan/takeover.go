package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Marks that other tools, and Flux before server-side apply, left on objects.
var (
	staleAnnotations = []string{
		"kubectl.kubernetes.io/last-applied-configuration",
		"kustomize.toolkit.fluxcd.io/checksum",
		"fluxcd.io/sync-checksum",
	}
	staleLabels = []string{"fluxcd.io/sync-gc-mark"}
)

// Takeover is what it takes to become the only declarative owner of an object.
// Its zero value means that nothing is to be done.
type Takeover struct {
	// Patch is an RFC 6902 patch of the object's metadata, nil for none. It
	// begins with a test of the uid, so that an object made anew under the same
	// name is left alone. It does not ask for the resource version, as Flux does
	// not: a busy object would never be taken over.
	Patch []byte
	// From names the managers whose fields become ours, sorted.
	From []string
	// Removed are the annotations and labels that go, as JSON pointers.
	Removed []string
}

// IsZero tells whether there is nothing to take over.
func (t Takeover) IsZero() bool { return t.Patch == nil }

// TakeoverOf computes the takeover of a live object (nil: none). The fields of
// the managers that m takes are merged into our own apply entry; where there is
// none yet, the first entry taken is renamed. An object marked as Merge is to
// be left alone by the caller: see Policy.Merge.
func TakeoverOf(live *unstructured.Unstructured, m Managers) (Takeover, error) {
	if live == nil {
		return Takeover{}, nil
	}
	var t Takeover
	var ops []patchOp
	if !m.Only {
		ops = t.removeMarks(live)
	}

	entries, from, err := mergeManagers(live.GetManagedFields(), m)
	if err != nil {
		return Takeover{}, fmt.Errorf("take over %s: %w", object.KeyOf(live), err)
	}
	if len(from) > 0 {
		t.From = from
		op, err := replaceManaged(entries)
		if err != nil {
			return Takeover{}, fmt.Errorf("take over %s: %w", object.KeyOf(live), err)
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return Takeover{}, nil
	}
	t.Patch, err = encodePatch(live, ops)
	return t, err
}

// MigrateVersion returns the patch that writes apiVersion into every entry of
// managedFields, or nil when it is there already. It is for the feature gate
// MigrateAPIVersion: an entry of an older version of a CRD can make the API
// refuse an apply with «field not declared in schema».
func MigrateVersion(live *unstructured.Unstructured, apiVersion string) ([]byte, error) {
	entries := live.GetManagedFields()
	changed := false
	for i := range entries {
		changed = changed || entries[i].APIVersion != apiVersion
		entries[i].APIVersion = apiVersion
	}
	if !changed {
		return nil, nil
	}
	op, err := replaceManaged(entries)
	if err != nil {
		return nil, fmt.Errorf("migrate %s to %s: %w", object.KeyOf(live), apiVersion, err)
	}
	return encodePatch(live, []patchOp{op})
}

// mergeManagers returns the entries after the takeover, ours last, and the
// names of the managers that were taken over.
func mergeManagers(entries []metav1.ManagedFieldsEntry, m Managers) ([]metav1.ManagedFieldsEntry, []string, error) {
	ownIndex := lastApply(entries, m.Own)
	var own *metav1.ManagedFieldsEntry
	if ownIndex >= 0 {
		own = entries[ownIndex].DeepCopy()
	}
	var kept []metav1.ManagedFieldsEntry
	var from []string
	for i, e := range entries {
		switch {
		case i == ownIndex:
			continue
		case !m.takes(e):
			kept = append(kept, e)
			continue
		}
		from = append(from, e.Manager)
		if own == nil {
			own = e.DeepCopy()
			own.Manager, own.Operation = m.Own, metav1.ManagedFieldsOperationApply
			continue
		}
		fields, err := unionFields(own.FieldsV1, e.FieldsV1)
		if err != nil {
			return nil, nil, fmt.Errorf("merge fields of manager %s: %w", e.Manager, err)
		}
		own.FieldsV1 = fields
	}
	if len(from) == 0 {
		return entries, nil, nil
	}
	slices.Sort(from)
	return append(kept, *own), slices.Compact(from), nil
}

func (t *Takeover) removeMarks(live *unstructured.Unstructured) []patchOp {
	for _, key := range staleAnnotations {
		if _, ok := live.GetAnnotations()[key]; ok {
			t.Removed = append(t.Removed, Pointer("metadata", "annotations", key))
		}
	}
	for _, key := range staleLabels {
		if _, ok := live.GetLabels()[key]; ok {
			t.Removed = append(t.Removed, Pointer("metadata", "labels", key))
		}
	}
	var ops []patchOp
	for _, path := range t.Removed {
		ops = append(ops, patchOp{Op: "remove", Path: path})
	}
	return ops
}

// patchOp is one operation of RFC 6902.
type patchOp struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

func replaceManaged(entries []metav1.ManagedFieldsEntry) (patchOp, error) {
	value, err := json.Marshal(entries)
	if err != nil {
		return patchOp{}, fmt.Errorf("encode managed fields: %w", err)
	}
	return patchOp{Op: "replace", Path: "/metadata/managedFields", Value: value}, nil
}

// encodePatch writes ops after a test that the object is still the same.
func encodePatch(live *unstructured.Unstructured, ops []patchOp) ([]byte, error) {
	if uid := string(live.GetUID()); uid != "" {
		same := patchOp{Op: "test", Path: "/metadata/uid", Value: json.RawMessage(strconv.Quote(uid))}
		ops = append([]patchOp{same}, ops...)
	}
	patch, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("encode patch of %s: %w", object.KeyOf(live), err)
	}
	return patch, nil
}
