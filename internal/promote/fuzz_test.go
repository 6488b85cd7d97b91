package promote

import (
	"testing"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
)

// Whatever three texts are: what is written is YAML where the target was, and once
// promoted nothing is left to promote.
func FuzzMake(f *testing.F) {
	flow, err := flow.Parse("leat.yaml", []byte(radixFlow))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a: 1\nb: [x, y]\n", "a: 2\nb: [x]\n", "a: 1 # c\nb: [x]\n")
	f.Add("a: {b: radixdev}\n", "", "a: {b: radixprod, c: 1}\n")
	f.Add("spec: {values: {activeClusterName: x, n: {m: 1}}}\n", "spec: {values: {}}\n", "spec:\n  values:\n    activeClusterName: y\n")
	f.Add("- name: a\n  v: 1\n- name: b\n", "- name: a\n", "- name: c\n- name: a\n  v: 2\n")
	f.Add("a: 1\n---\nb: 2\n", "a: 1\n", "b: 1\n---\na: 1\n")
	f.Fuzz(func(t *testing.T, source, last, target string) {
		if len(source)+len(last)+len(target) > 4<<10 {
			return
		}
		m := Move{Flow: flow, From: flow.Environments[1], To: flow.Environments[2]}
		m.Source = treeOf(t, map[string]string{"playground-configs/a.yaml": source})
		m.Target = treeOf(t, map[string]string{"production-configs/a.yaml": target})
		if last != "" {
			then := treeOf(t, map[string]string{"playground-configs/a.yaml": last})
			m.Last = &then
		} else {
			m.Only = []string{"a.yaml"}
		}
		p, err := Make(m)
		if err != nil || len(p.Files) == 0 || !p.Files[0].Writes() || len(p.Refusals) > 0 {
			return
		}
		_, was := edit.Documents([]byte(target))
		_, is := edit.Documents(p.Files[0].After)
		if _, new := edit.Documents([]byte(source)); was == nil && new == nil && is != nil {
			t.Fatalf("%v\n%s", is, p.Files[0].After)
		}
		run(t, m)
	})
}
