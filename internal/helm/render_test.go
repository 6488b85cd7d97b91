package helm

import (
	"math/rand/v2"
	"strings"
	"testing"

	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
)

// The shortcut may send a key to the parser too often, never too seldom.
func TestPlainText(t *testing.T) {
	for key, want := range map[string]bool{
		"app.kubernetes.io/name": true, "helm.sh/chart": true, "a": true, "release_1": true,
		"": false, "n": false, "on": false, "1": false, "0x1f": false, ".inf": false, "~": false, "<<": false,
		"a: b": false, "[a]": false, "a #b": false, "'a'": false, "-a": false, "2026-11-22": false, "é": false,
	} {
		if got := plainText(key); got != want {
			t.Errorf("plainText(%q) = %v", key, got)
		}
	}
	letters := strings.Split("y n o f t r u e s a l N O A I i . - _ / 0 1 9 x + ~ : # [ { ' \" < = , & * ! | > % @ é", " ")
	random := rand.New(rand.NewPCG(1, 2))
	plain := 0
	for range 20000 {
		var key strings.Builder
		for range 1 + random.IntN(6) {
			key.WriteString(letters[random.IntN(len(letters))])
		}
		if !plainText(key.String()) {
			continue
		}
		plain++
		if kyaml.IsValueNonString(key.String()) {
			t.Errorf("%q is not text to a reader of YAML 1.1", key.String())
		}
	}
	if plain == 0 {
		t.Error("no key was plain")
	}
}
