package gate

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
)

const (
	config   = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\ndata: {k: v}\n"
	password = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: x}\nstringData: {pw: hunter2}\n"
)

func objs(t *testing.T, texts ...string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, text := range texts {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		out = append(out, u)
	}
	return out
}

func unitDigest(t *testing.T, repository string, texts ...string) Digest {
	t.Helper()
	d, err := SealOf(repository, "word").Unit(objs(t, texts...))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Valid() {
		t.Fatalf("%q is no digest", d)
	}
	return d
}

// The vectors of docs/approvals.md: a second implementation must find the same.
func TestDigestVectors(t *testing.T) {
	const repo = "https://git.example.com/team/fleet"
	a, s := unitDigest(t, repo, config), unitDigest(t, repo, config, password)
	for _, v := range []struct {
		what      string
		got, want Digest
	}{
		{"no object", unitDigest(t, repo), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"a ConfigMap", a, "sha256:522ef57dcf0638e6da4fdbb32ed16ac0e4590713156950d0952f90c50657eeec"},
		{"and a Secret", s, "sha256:7cc2aa85ab377594585d2ac12c591c3724dbfcf967b3e5603cf2553fdfdc33ae"},
		{"in another cluster", a.In("Secret/flux-system/edge"), "sha256:13b2776f9ff3b69198c3707f3c92e3874eebbf1741a62aba6c8946d0ec6d47da"},
		{"an environment", Environment(map[object.Key]Digest{{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}: a}), "sha256:047480c69513d418c106d2307e74f07c2d706b8330254d2e190d1795ef683688"},
	} {
		if v.got != v.want {
			t.Errorf("%s: got %s, want %s", v.what, v.got, v.want)
		}
	}
}

// What is the same has one digest, and nothing else has it.
func TestDigestTellsApart(t *testing.T) {
	const repo = "https://git.example.com/team/fleet"
	first := unitDigest(t, repo, config, password)
	for what, same := range map[string][]string{
		"another order":              {password, config},
		"another layout":             {"metadata:\n  namespace: x\n  name: a\nkind: ConfigMap\ndata:\n  k: \"v\"\napiVersion: v1\n", password},
		"data instead of stringData": {config, strings.Replace(password, "stringData: {pw: hunter2}", "data: {pw: aHVudGVyMg==}", 1)},
		"a revision":                 {strings.Replace(config, "name: a,", "name: a, annotations: {kustomize.toolkit.fluxcd.io/checksum: abc},", 1), password},
	} {
		if got := unitDigest(t, repo, same...); got != first {
			t.Errorf("%s: another digest", what)
		}
	}
	seen := map[Digest]string{first: "the first"}
	for what, other := range map[string][]string{
		"another value":     {strings.Replace(config, "k: v", "k: w", 1), password},
		"another password":  {config, strings.Replace(password, "hunter2", "hunter3", 1)},
		"an object more":    {config, password, strings.Replace(config, "name: a", "name: b", 1)},
		"an object less":    {config},
		"an object twice":   {config, config, password},
		"another namespace": {strings.Replace(config, "namespace: x", "namespace: y", 1), password},
		"an annotation":     {strings.Replace(config, "name: a,", "name: a, annotations: {a: b},", 1), password},
	} {
		got := unitDigest(t, repo, other...)
		if was, known := seen[got]; known {
			t.Errorf("%s: the digest of %s", what, was)
		}
		seen[got] = what
	}
	if unitDigest(t, "https://git.example.com/other/fleet", config, password) == first {
		t.Error("a password has one fingerprint in two repositories")
	}
	if unitDigest(t, "https://git.example.com/other/fleet", config) != unitDigest(t, repo, config) {
		t.Error("what holds no secret has two digests in two repositories")
	}
}

// A digest does not change what it is made of.
func TestDigestChangesNothing(t *testing.T) {
	in := objs(t, strings.Replace(config, "name: a,", "name: a, annotations: {kustomize.toolkit.fluxcd.io/checksum: abc},", 1), password)
	was := []string{text(t, in[0]), text(t, in[1])}
	if _, err := SealOf("x", "").Unit(in); err != nil {
		t.Fatal(err)
	}
	if got := []string{text(t, in[0]), text(t, in[1])}; !slices.Equal(got, was) {
		t.Errorf("got\n%s", got)
	}
}

func text(t *testing.T, u *unstructured.Unstructured) string {
	t.Helper()
	b, err := yaml.Marshal(u.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
