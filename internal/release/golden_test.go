package release

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/google/go-cmp/cmp"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/yaml"
)

// golden reads what Flux's own code said (testdata/README.md).
func golden[T any](t *testing.T, file string) (out T) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestComposeAsFlux(t *testing.T) {
	type example struct {
		Name, Inline string
		Refs         []meta.ValuesReference
		Data         map[string]map[string]string
		Want         map[string]any
		Digest       string
		Failed       bool
	}
	for _, tc := range golden[[]example](t, "values.json") {
		t.Run(tc.Name, func(t *testing.T) {
			var inline map[string]any
			if err := yaml.Unmarshal([]byte(tc.Inline), &inline); err != nil {
				t.Fatal(err)
			}
			before := toJSON(t, inline)
			got, err := Compose(inline, tc.Refs, func(kind, name string) (map[string][]byte, bool) {
				data, found := tc.Data[kind+"/"+name]
				out := map[string][]byte{}
				for k, v := range data {
					out[k] = []byte(v)
				}
				return out, found
			})
			if failed := err != nil; failed != tc.Failed {
				t.Fatalf("got error %v, want one: %v", err, tc.Failed)
			}
			if tc.Failed {
				return
			}
			if got, want := toJSON(t, got), toJSON(t, tc.Want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got := ConfigDigest(got); got != tc.Digest {
				t.Errorf("got digest %s, want %s", got, tc.Digest)
			}
			if after := toJSON(t, inline); after != before {
				t.Errorf("Compose changed its argument from %s to %s", before, after)
			}
		})
	}
}

// decode reads a release as Helm stores it.
func decode(t *testing.T, secret string) *relv1.Release {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	var rel relv1.Release
	if err := json.Unmarshal(text, &rel); err != nil {
		t.Fatal(err)
	}
	return &rel
}

func TestSnapshotAsFlux(t *testing.T) {
	type example struct {
		Name, Secret, OCIDigest string
		Snapshot                *v2.Snapshot
	}
	for _, tc := range golden[[]example](t, "releases.json") {
		t.Run(tc.Name, func(t *testing.T) {
			rel := decode(t, tc.Secret)
			got := Snapshot(rel, tc.OCIDigest, "")
			if diff := cmp.Diff(toJSON(t, tc.Snapshot), toJSON(t, got)); diff != "" {
				t.Error(diff)
			}
			if err := verify(tc.Snapshot, rel); err != nil {
				t.Errorf("the snapshot that Flux made does not fit: %v", err)
			}
			rel.Manifest += " "
			if err := verify(tc.Snapshot, rel); err == nil {
				t.Error("another manifest fits the snapshot")
			}
		})
	}
}

func TestDigestsAsFlux(t *testing.T) {
	type example struct {
		Name           string
		PostRenderers  []v2.PostRenderer
		CommonMetadata *v2.CommonMetadata
		Digest         string
	}
	for _, tc := range golden[[]example](t, "digests.json") {
		got := PostRenderersDigest(tc.PostRenderers)
		switch {
		case tc.Name == "no entry":
			got = PostRenderersDigest([]v2.PostRenderer{}) // an empty list is left out of the golden
		case tc.CommonMetadata != nil:
			got = CommonMetadataDigest(tc.CommonMetadata)
		}
		if got != tc.Digest {
			t.Errorf("%s: got %s, want %s", tc.Name, got, tc.Digest)
		}
	}
}

// A value from a Secret never shows in an error, whatever is wrong with it.
func TestValuesErrorsHoldNoValues(t *testing.T) {
	const canary = "canary-hunter2"
	for _, data := range []string{
		canary + ",x", "x," + canary, "{" + canary, "a: [" + canary, canary, "a: b\n" + canary, "- " + canary,
	} {
		for _, path := range []string{"", "a.b", "a[0]"} {
			refs := []meta.ValuesReference{{Kind: "Secret", Name: "s", TargetPath: path}}
			_, err := Compose(nil, refs, func(string, string) (map[string][]byte, bool) {
				return map[string][]byte{"values.yaml": []byte(data)}, true
			})
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("error shows the value: %v", err)
			}
		}
	}
}

func TestSensitive(t *testing.T) {
	refs := []meta.ValuesReference{{Kind: "Secret", Name: "doc"}, {Kind: "Secret", Name: "one", ValuesKey: "k", TargetPath: "a"}, {Kind: "ConfigMap", Name: "doc"}}
	got := Sensitive(refs, func(_, name string) (map[string][]byte, bool) {
		return map[string][]byte{"values.yaml": []byte("a: {b: hunter2-long, c: [short, other-secret, 73190246, 5432]}"), "k": []byte("'quoted-secret'\n")}, true
	})
	want := []string{"7.3190246e+07", "73190246", "a: {b: hunter2-long, c: [short, other-secret, 73190246, 5432]}", "hunter2-long", "other-secret", "quoted-secret"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestShorten(t *testing.T) {
	for name, want := range map[string]string{
		"web": "web", strings.Repeat("a", 53): strings.Repeat("a", 53),
		"release-name-with-very-long-name-which-is-longer-than-53-characters": "release-name-with-very-long-name-which-i-788ca0d0d7b0",
	} {
		if got := Shorten(name); got != want {
			t.Errorf("Shorten(%q) = %q, want %q", name, got, want)
		}
	}
}
