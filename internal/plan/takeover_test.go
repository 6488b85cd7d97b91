package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
)

var ours = Managers{Own: object.ManagerKustomize}

// managedEntry is an entry written «manager Apply f:a f:b [subresource]».
func managedEntry(text string) metav1.ManagedFieldsEntry {
	words := strings.Fields(text)
	e := metav1.ManagedFieldsEntry{
		Manager: words[0], Operation: metav1.ManagedFieldsOperationType(words[1]),
		APIVersion: "v1", FieldsType: "FieldsV1",
	}
	fields := map[string]any{}
	for _, word := range words[2:] {
		if strings.HasPrefix(word, "f:") {
			fields[word] = map[string]any{}
		} else {
			e.Subresource = word
		}
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	e.FieldsV1 = &metav1.FieldsV1{Raw: raw}
	return e
}

func managed(texts ...string) []metav1.ManagedFieldsEntry {
	var entries []metav1.ManagedFieldsEntry
	for _, text := range texts {
		entries = append(entries, managedEntry(text))
	}
	return entries
}

// written writes entries in the notation of managedEntry.
func written(entries []metav1.ManagedFieldsEntry) []string {
	var texts []string
	for _, e := range entries {
		var fields map[string]any
		if e.FieldsV1 != nil {
			if err := json.Unmarshal(e.FieldsV1.Raw, &fields); err != nil {
				panic(err)
			}
		}
		words := append([]string{e.Manager, string(e.Operation)}, sortedKeys(fields, nil)...)
		if e.Subresource != "" {
			words = append(words, e.Subresource)
		}
		texts = append(texts, strings.Join(words, " "))
	}
	return texts
}

func liveWith(entries []metav1.ManagedFieldsEntry) *unstructured.Unstructured {
	obj := newObject("v1", "ConfigMap", "a", "x")
	obj.SetUID("7")
	obj.SetManagedFields(entries)
	return obj
}

// fataler is a test, of package testing or of rapid.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// patched returns what a patch makes of managedFields, and its other operations.
func patched(t fataler, patch []byte) (entries []metav1.ManagedFieldsEntry, others []string) {
	t.Helper()
	var ops []struct {
		Op, Path string
		Value    json.RawMessage
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		if op.Path == "/metadata/managedFields" {
			if err := json.Unmarshal(op.Value, &entries); err != nil {
				t.Fatal(err)
			}
			continue
		}
		others = append(others, strings.TrimSpace(op.Op+" "+op.Path+" "+string(op.Value)))
	}
	return entries, others
}

func TestTakeoverOfManagers(t *testing.T) {
	for _, tc := range []struct {
		name      string
		overrides []string
		before    []string
		after     []string // nil: no takeover
	}{
		{"nothing to take", nil, []string{"kustomize-controller Apply f:a", "hpa Update f:b"}, nil},
		{"kubectl apply, client side", nil,
			[]string{"kustomize-controller Apply f:a", "kubectl-client-side-apply Update f:b", "hpa Update f:c"},
			[]string{"hpa Update f:c", "kustomize-controller Apply f:a f:b"}},
		{"kubectl apply, server side", nil,
			[]string{"kubectl Apply f:b", "kustomize-controller Apply f:a"},
			[]string{"kustomize-controller Apply f:a f:b"}},
		{"kubectl edit", nil,
			[]string{"kustomize-controller Apply f:a", "kubectl-edit Update f:a f:c"},
			[]string{"kustomize-controller Apply f:a f:c"}},
		{"before first apply", nil,
			[]string{"before-first-apply Update f:b", "kustomize-controller Apply f:a"},
			[]string{"kustomize-controller Apply f:a f:b"}},
		{"before first apply, applied", nil, []string{"before-first-apply Apply f:b"}, nil},
		{"ours before server-side apply", nil,
			[]string{"kustomize-controller Update f:b", "kustomize-controller Apply f:a"},
			[]string{"kustomize-controller Apply f:a f:b"}},
		{"the first is renamed", nil,
			[]string{"hpa Update f:c", "kubectl Update f:a", "kubectl-edit Update f:b"},
			[]string{"hpa Update f:c", "kustomize-controller Apply f:a f:b"}},
		{"subresources stay", nil, []string{"kubectl-edit Update f:a status", "kubectl Apply f:b scale"}, nil},
		{"our status entry is not our entry", nil,
			[]string{"kustomize-controller Apply f:s status", "kubectl Update f:a"},
			[]string{"kustomize-controller Apply f:s status", "kustomize-controller Apply f:a"}},
		{"helm is left alone", nil, []string{"helm Update f:a", "helm-controller Apply f:b"}, nil},
		{"override, by prefix", []string{"helm"},
			[]string{"helm Update f:a", "helm-controller Apply f:b", "hpa Update f:c"},
			[]string{"hpa Update f:c", "kustomize-controller Apply f:a f:b"}},
		{"override that is a prefix of ours", []string{"kustomize"}, []string{"kustomize-controller Apply f:a"}, nil},
	} {
		m := Managers{Own: object.ManagerKustomize, Overrides: tc.overrides}
		live := liveWith(managed(tc.before...))
		got, err := TakeoverOf(live, m)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		_, intruded := Intruder(live.GetManagedFields(), m)
		if got.IsZero() != (tc.after == nil) || intruded != (tc.after != nil) {
			t.Errorf("%s: got %s, intruded %v; want a takeover: %v", tc.name, got.Patch, intruded, tc.after != nil)
			continue
		}
		if tc.after == nil {
			continue
		}
		entries, others := patched(t, got.Patch)
		if !slices.Equal(written(entries), tc.after) {
			t.Errorf("%s:\ngot  %q\nwant %q", tc.name, written(entries), tc.after)
		}
		if !slices.Equal(others, []string{`test /metadata/uid "7"`}) {
			t.Errorf("%s: got other operations %q", tc.name, others)
		}
	}
}

// As helm-controller takes over: what is overridden, and nothing else.
func TestTakeoverOfOverridesOnly(t *testing.T) {
	live := liveWith(managed("kubectl Update f:a", "rogue Update f:b", "rogue-too Apply f:c", "helm-controller Apply f:d"))
	live.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"})
	got, err := TakeoverOf(live, Managers{Own: object.ManagerHelm, Overrides: []string{"rogue", "helm"}, Only: true})
	if err != nil {
		t.Fatal(err)
	}
	entries, others := patched(t, got.Patch)
	if want := []string{"kubectl Update f:a", "helm-controller Apply f:b f:c f:d"}; !slices.Equal(written(entries), want) {
		t.Errorf("got %q, want %q", written(entries), want)
	}
	if !slices.Equal(others, []string{`test /metadata/uid "7"`}) {
		t.Errorf("got other operations %q", others)
	}
}

func TestTakeoverRemovesMarks(t *testing.T) {
	live := liveWith(managed("kustomize-controller Apply f:a"))
	live.SetAnnotations(map[string]string{
		"kubectl.kubernetes.io/last-applied-configuration": "{}",
		"kustomize.toolkit.fluxcd.io/checksum":             "1",
		"fluxcd.io/sync-checksum":                          "2",
		"keep":                                             "me",
	})
	live.SetLabels(map[string]string{"fluxcd.io/sync-gc-mark": "3", "keep": "me"})
	got, err := TakeoverOf(live, ours)
	if err != nil {
		t.Fatal(err)
	}
	entries, ops := patched(t, got.Patch)
	want := []string{
		`test /metadata/uid "7"`,
		"remove /metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
		"remove /metadata/annotations/kustomize.toolkit.fluxcd.io~1checksum",
		"remove /metadata/annotations/fluxcd.io~1sync-checksum",
		"remove /metadata/labels/fluxcd.io~1sync-gc-mark",
	}
	if !slices.Equal(ops, want) || entries != nil {
		t.Errorf("got  %q, entries %v\nwant %q", ops, entries, want)
	}
	if len(got.Removed) != 4 || len(got.From) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTakeoverOfNothing(t *testing.T) {
	if got, err := TakeoverOf(nil, ours); err != nil || !got.IsZero() {
		t.Errorf("nil: got %+v, %v", got, err)
	}
	if got, err := TakeoverOf(newObject("v1", "ConfigMap", "a", "x"), ours); err != nil || !got.IsZero() {
		t.Errorf("without entries: got %+v, %v", got, err)
	}
}

func TestMigrateVersion(t *testing.T) {
	live := liveWith(managed("kustomize-controller Apply f:a", "other Update f:b status"))
	if patch, err := MigrateVersion(live, "v1"); patch != nil || err != nil {
		t.Errorf("same version: got %s, %v", patch, err)
	}
	patch, err := MigrateVersion(live, "example.com/v2")
	if err != nil {
		t.Fatal(err)
	}
	entries, _ := patched(t, patch)
	if len(entries) != 2 || entries[0].APIVersion != "example.com/v2" || entries[1].APIVersion != "example.com/v2" {
		t.Errorf("got %+v", entries)
	}
}

func TestEntryID(t *testing.T) {
	id := func(texts ...string) string {
		return EntryID(managed(texts...), object.ManagerKustomize).Hex()
	}
	base := id("kustomize-controller Apply f:a f:b")
	if got := id("hpa Update f:x", "kustomize-controller Apply f:b f:a"); got != base {
		t.Error("the order of fields or the entries of others changed the hash")
	}
	for _, other := range [][]string{
		{"kustomize-controller Apply f:a"}, {"kustomize-controller Apply f:a f:b f:c"},
		{"kustomize-controller Update f:a f:b"}, {"kustomize-controller Apply f:a f:b status"}, {},
	} {
		if id(other...) == base {
			t.Errorf("%q has the hash of another set of fields", other)
		}
	}
	if !EntryID(managed("other Apply f:a"), object.ManagerKustomize).IsZero() {
		t.Error("no entry of ours: got a hash")
	}

	entry := managedEntry("kustomize-controller Apply")
	entry.FieldsV1.Raw = []byte(`{ "f:b":{}, "f:a" : {} }`)
	if got := EntryID([]metav1.ManagedFieldsEntry{entry}, object.ManagerKustomize).Hex(); got != base {
		t.Error("white space and order of the JSON changed the hash")
	}
	entry.FieldsV1.Raw = []byte(`not JSON`)
	if EntryID([]metav1.ManagedFieldsEntry{entry}, object.ManagerKustomize).IsZero() {
		t.Error("unreadable fields count as none")
	}
	if fields, ok := Entry(managed("kustomize-controller Apply f:a"), object.ManagerKustomize); !ok || string(fields) != `{"f:a":{}}` {
		t.Errorf("Entry: got %s, %v", fields, ok)
	}
}

// TestTakeoverProperties: after a takeover nobody is left to take over from, no
// field is lost, nobody else's entry is touched, and there is nothing more to do.
func TestTakeoverProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Managers{Own: object.ManagerKustomize, Overrides: rapid.SampledFrom([][]string{nil, {"helm"}}).Draw(t, "overrides")}
		entry := rapid.Custom(func(t *rapid.T) string {
			return strings.Join([]string{
				rapid.SampledFrom([]string{"kustomize-controller", "kubectl", "kubectl-edit", "before-first-apply", "helm", "hpa"}).Draw(t, "manager"),
				rapid.SampledFrom([]string{"Apply", "Update"}).Draw(t, "operation"),
				strings.Join(rapid.SliceOfDistinct(rapid.SampledFrom([]string{"f:a", "f:b", "f:c"}), rapid.ID).Draw(t, "fields"), " "),
				rapid.SampledFrom([]string{"", "", "status"}).Draw(t, "subresource"),
			}, " ")
		})
		before := managed(rapid.SliceOfNDistinct(entry, 0, 6, firstWords).Draw(t, "entries")...)
		live := liveWith(before)
		got, err := TakeoverOf(live, m)
		if err != nil {
			t.Fatal(err)
		}
		if got.IsZero() {
			return
		}
		after, _ := patched(t, got.Patch)
		if manager, found := Intruder(after, m); found {
			t.Fatalf("%s is still there: %q", manager, written(after))
		}
		if again, err := TakeoverOf(liveWith(after), m); err != nil || !again.IsZero() {
			t.Fatalf("the second takeover is %s, %v", again.Patch, err)
		}
		fields, _ := Entry(after, m.Own)
		for _, e := range before {
			if m.takes(e) && !containsAll(fields, rawFields(e)) {
				t.Fatalf("lost fields of %q in %s", written([]metav1.ManagedFieldsEntry{e}), fields)
			}
			kept := slices.ContainsFunc(after, func(a metav1.ManagedFieldsEntry) bool {
				return slices.Equal(written([]metav1.ManagedFieldsEntry{a}), written([]metav1.ManagedFieldsEntry{e}))
			})
			if !m.takes(e) && !isApply(e, m.Own) && !kept {
				t.Fatalf("touched %q: %q", written([]metav1.ManagedFieldsEntry{e}), written(after))
			}
		}
	})
}

// firstWords is the manager, operation and subresource of an entry: an object
// has one entry for each.
func firstWords(text string) string {
	e := managedEntry(text)
	return e.Manager + string(e.Operation) + e.Subresource
}

func containsAll(fields, part []byte) bool {
	whole, err1 := readFields(fields)
	some, err2 := readFields(part)
	return err1 == nil && err2 == nil && some.Difference(whole).Empty()
}

// BenchmarkEntryID is what a watch does for every event of a managed object.
func BenchmarkEntryID(b *testing.B) {
	entry := managedEntry("kustomize-controller Apply")
	entry.FieldsV1.Raw = []byte(`{"f:metadata":{"f:labels":{"f:app":{},"f:kustomize.toolkit.fluxcd.io/name":{},"f:kustomize.toolkit.fluxcd.io/namespace":{}}},
		"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{
		"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}},
		"f:resources":{"f:limits":{"f:memory":{}},"f:requests":{"f:cpu":{},"f:memory":{}}}}}}}}}`)
	entries := []metav1.ManagedFieldsEntry{entry}
	for b.Loop() {
		EntryID(entries, object.ManagerKustomize)
	}
}
