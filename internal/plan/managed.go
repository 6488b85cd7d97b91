package plan

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/leat-dev/leat/internal/hash"
)

// Managers says who writes our objects.
type Managers struct {
	// Own is our field manager, such as object.ManagerKustomize.
	Own string
	// Overrides are the values of --override-manager: prefixes of the names of
	// managers whose fields become ours, applied and updated ones alike.
	Overrides []string
	// Only takes over the overrides and nothing else, and leaves the marks of other
	// tools where they are: so does helm-controller (v1.6.4 internal/action/diff.go).
	Only bool
}

// takes tells whether takeover makes the fields of an entry ours. All names
// are prefixes, and entries of subresources are never touched (kustomize-
// controller v1.9 apply(), fluxcd/pkg/ssa v0.76 patch.go).
func (m Managers) takes(e metav1.ManagedFieldsEntry) bool {
	switch {
	case e.Subresource != "", isApply(e, m.Own):
		return false
	case m.Only:
		return hasAnyPrefix(e.Manager, m.Overrides)
	}
	switch e.Operation {
	case metav1.ManagedFieldsOperationApply:
		return strings.HasPrefix(e.Manager, "kubectl") || hasAnyPrefix(e.Manager, m.Overrides)
	case metav1.ManagedFieldsOperationUpdate:
		return strings.HasPrefix(e.Manager, "kubectl") ||
			strings.HasPrefix(e.Manager, "before-first-apply") ||
			strings.HasPrefix(e.Manager, m.Own) ||
			hasAnyPrefix(e.Manager, m.Overrides)
	}
	return false
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// isApply tells whether e is what manager applied to the object itself.
func isApply(e metav1.ManagedFieldsEntry, manager string) bool {
	return e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

// Entry returns the fields (FieldsV1 JSON) that manager applied to an object,
// not counting subresources, and whether it applied any.
func Entry(managed []metav1.ManagedFieldsEntry, manager string) ([]byte, bool) {
	i := lastApply(managed, manager)
	if i < 0 {
		return nil, false
	}
	return rawFields(managed[i]), true
}

// EntryID names the set of fields that manager applied to an object: it changes
// when another manager took a field from it, and only then or when the manager
// itself applied something else. The zero ID means that it applied nothing. The
// order in which a server or a decoder wrote the fields does not matter.
func EntryID(managed []metav1.ManagedFieldsEntry, manager string) hash.ID {
	fields, ok := Entry(managed, manager)
	if !ok {
		return hash.ID{}
	}
	return hash.New("managed-fields/v1").Bytes(canonicalFields(fields)).Sum()
}

// AppliedAt is when manager last applied something else to an object than before, in
// whole seconds by the clock of the server; zero where it applied nothing.
func AppliedAt(managed []metav1.ManagedFieldsEntry, manager string) time.Time {
	i := lastApply(managed, manager)
	if i < 0 || managed[i].Time == nil {
		return time.Time{}
	}
	return managed[i].Time.Time
}

// Intruder returns the first manager whose fields takeover would make ours,
// and whether there is one: a person's kubectl, or one of the overrides.
func Intruder(managed []metav1.ManagedFieldsEntry, m Managers) (manager string, found bool) {
	for _, e := range managed {
		if m.takes(e) {
			return e.Manager, true
		}
	}
	return "", false
}

// lastApply returns the index of the last entry that manager applied, or -1.
func lastApply(managed []metav1.ManagedFieldsEntry, manager string) int {
	for i := len(managed) - 1; i >= 0; i-- {
		if isApply(managed[i], manager) {
			return i
		}
	}
	return -1
}

func rawFields(e metav1.ManagedFieldsEntry) []byte {
	if e.FieldsV1 == nil {
		return nil
	}
	return e.FieldsV1.Raw
}

// canonicalFields brings fields into the order of fieldpath; what it cannot
// read it leaves as it is.
func canonicalFields(raw []byte) []byte {
	set, err := readFields(raw)
	if err != nil {
		return raw
	}
	canonical, err := set.ToJSON()
	if err != nil {
		return raw
	}
	return canonical
}

func readFields(raw []byte) (set *fieldpath.Set, err error) {
	set = &fieldpath.Set{}
	if len(raw) == 0 {
		return set, nil
	}
	if err := set.FromJSON(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("read managed fields: %w", err)
	}
	return set, nil
}

// unionFields returns the fields that are in a or in b. Nothing and nothing is
// nothing, and one alone stays byte for byte.
func unionFields(a, b *metav1.FieldsV1) (*metav1.FieldsV1, error) {
	switch {
	case a == nil:
		return b, nil
	case b == nil:
		return a, nil
	}
	setA, err := readFields(a.Raw)
	if err != nil {
		return nil, err
	}
	setB, err := readFields(b.Raw)
	if err != nil {
		return nil, err
	}
	raw, err := setA.Union(setB).ToJSON()
	if err != nil {
		return nil, fmt.Errorf("write managed fields: %w", err)
	}
	return &metav1.FieldsV1{Raw: raw}, nil
}
