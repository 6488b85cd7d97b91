package inventory

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
)

// stored is an inventory as Flux v2.9 writes it.
var stored = []Entry{
	{"_crds.example.com_apiextensions.k8s.io_CustomResourceDefinition", "v1"},
	{"_system__aggregated_rbac.authorization.k8s.io_ClusterRole", "v1"},
	{"apps_settings__ConfigMap", "v1"},
	{"apps_web_apps_Deployment", "v1"},
	{"_web_admissionregistration.k8s.io_ValidatingWebhookConfiguration", "v1"},
}

func TestDecodeEncode(t *testing.T) {
	in, err := Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	want := object.Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:aggregated"}
	if in[1].Key != want {
		t.Errorf("got %v, want %v", in[1].Key, want)
	}
	if got := in.Encode(); !slices.Equal(got, stored) {
		t.Errorf("got  %v\nwant %v", got, stored)
	}
	if got := (Inventory)(nil).Encode(); got == nil || len(got) != 0 {
		t.Errorf("empty: got %#v, want an empty list", got)
	}
}

func TestDecodeBadEntry(t *testing.T) {
	in, err := Decode([]Entry{stored[2], {"no separator", "v1"}, {"a_b", "v1"}, stored[3]})
	if err == nil || strings.Count(err.Error(), "read inventory id") != 2 {
		t.Errorf("got %v, want both bad ids named", err)
	}
	if len(in) != 2 {
		t.Errorf("got %v, want the two good entries", in)
	}
}

func drawInventory(t *rapid.T, label string) Inventory {
	ref := rapid.Custom(func(t *rapid.T) object.Ref {
		return object.Ref{
			Key: object.Key{
				Kind: "ConfigMap", Namespace: rapid.SampledFrom([]string{"", "a"}).Draw(t, "namespace"),
				Name: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name"),
			},
			Version: rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "version"),
		}
	})
	return Of(rapid.SliceOf(ref).Draw(t, label)...)
}

// TestSetProperties: the operations are those of sets of objects, and keep the
// order of what they keep.
func TestSetProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawInventory(t, "a"), drawInventory(t, "b")
		without, with := a.Without(b), a.With(b...)
		for _, ref := range slices.Concat(a, b) {
			inA, inB := a.Holds(ref.Key), b.Holds(ref.Key)
			if without.Holds(ref.Key) != (inA && !inB) {
				t.Fatalf("%v without %v: %v", a, b, without)
			}
			if with.Holds(ref.Key) != (inA || inB) {
				t.Fatalf("%v with %v: %v", a, b, with)
			}
		}
		if len(with.Keys()) != len(with) || !with[:len(a)].Equal(a) {
			t.Fatalf("%v with %v: %v", a, b, with)
		}
		if len(a.Without(a)) != 0 || !a.With(a...).Equal(a) || !a.Without(nil).Equal(a) {
			t.Fatalf("%v is not itself", a)
		}
		back, err := Decode(a.Encode())
		if err != nil || !back.Equal(a) {
			t.Fatalf("got %v, %v; want %v", back, err, a)
		}
	})
}
