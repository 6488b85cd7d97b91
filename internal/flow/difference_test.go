package flow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

func TestDifferences(t *testing.T) {
	f := parsed(t, whole)
	files := func(m map[string]string) tree.Tree {
		tr, err := tree.FromFiles(m)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	play, _ := f.Environment("playground")
	prod, _ := f.Environment("production")
	base := files(map[string]string{
		"a.yaml": "kind: HelmRelease\nspec: {version: 1, memory: 1Gi, list: [x, y]}\n", "gone.yaml": "a: 1\n", "removed.yaml": "a: 1\n", "text.txt": "1",
	})
	from := files(map[string]string{
		"a.yaml":                     "kind: HelmRelease\nmetadata: {annotations: {filter.fluxcd.io/x: \"glob:master-*\"}}\nspec: {version: 2, memory: 1Gi, list: [x, z, y], image: radixdev.azurecr.io/app, values: {replicas: 1}}\n",
		"flux-system/gotk-sync.yaml": "a: 1\n", "new.yaml": "a: 1\n", "removed.yaml": "a: 1\n", "text.txt": "2", "secret.yaml": "kind: Secret\nstringData: {password: one}\n", "same.yaml": "a: 1 # x\n",
	})
	to := files(map[string]string{
		"a.yaml":                     "kind: HelmRelease\nspec: {version: 1, memory: 2Gi, list: [x, y], image: radixprod.azurecr.io/app, values: {replicas: 3}}\n",
		"flux-system/gotk-sync.yaml": "a: 2\n", "gone.yaml": "a: 1\n", "own.yaml": "a: 1\n", "text.txt": "1", "secret.yaml": "kind: Secret\nstringData: {password: two}\n", "same.yaml": "a: 1\n",
	})
	f.Maps[0].Values["playground"] = "radixdev"
	var got strings.Builder
	for _, d := range f.Differences(Side{play, from}, Side{prod, to}, base) {
		fmt.Fprintf(&got, "%s: %s %s %s\n", d.File, d.Class, d.Only, d.Why)
		for _, x := range d.Fields {
			fmt.Fprintf(&got, "  %d %s %q %q: %s %s\n", x.Line, x.Path, x.From, x.To, x.Class, x.Why)
		}
	}
	want := `a.yaml: drifted apart  
  2 .metadata.annotations."filter.fluxcd.io/x" "glob:master-*" "": would be promoted 
  2 .spec.image "radixdev.azurecr.io/app" "radixprod.azurecr.io/app": differs by declaration map registry
  2 .spec.memory "1Gi" "2Gi": drifted apart unchanged in the source since
  2 .spec.values.replicas "1" "3": differs by declaration it stays
  2 .spec.version "2" "1": would be promoted 
  3 .spec.list "z" "": would be promoted 
removed.yaml: drifted apart playground it was removed from production alone
gone.yaml: would be promoted production it is gone from playground
new.yaml: would be promoted playground 
secret.yaml: would be promoted  
  2 .stringData.password "(hidden)" "(hidden)": would be promoted 
text.txt: would be promoted  
flux-system/gotk-sync.yaml: differs by declaration  the file stays
own.yaml: differs by declaration production files that only the target has are its own
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

func TestSwap(t *testing.T) {
	for _, c := range [][4]string{
		{"radixdev.azurecr.io/a", "radixdev", "radixprod", "radixprod.azurecr.io/a"}, {"radixdevapp.azurecr.io", "radixdev", "radixprod", "radixdevapp.azurecr.io"},
		{"a-radixdev/radixdev", "radixdev", "x", "a-x/x"}, {"", "a", "b", ""}, {"glob:master-*", "glob:master-*", "glob:release-*", "glob:release-*"}, {"aa a", "a", "b", "aa b"},
	} {
		if got := Swap(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("Swap(%q, %q, %q) = %q, want %q", c[0], c[1], c[2], got, c[3])
		}
	}
}
