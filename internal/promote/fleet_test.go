package promote

import (
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/tree"
)

const fleets = "../../../shared/fleets/"

func fleetTree(t *testing.T, dir string) tree.Tree {
	t.Helper()
	if _, err := os.Stat(fleets + dir); err != nil {
		t.Skipf("no %s here", fleets+dir)
	}
	files := map[string]string{}
	err := filepath.Walk(fleets+dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(fleets+dir, name)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return treeOf(t, files)
}

const radixFlow = `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: development, branch: master, directory: development-configs}
  - {name: playground, branch: release, directory: playground-configs, follows: development}
  - {name: production, branch: release, directory: production-configs, follows: playground}
stays:
  - {files: [flux-patch.yaml]}
  - {path: .spec.values.activeClusterName}
maps:
  - {name: registry, values: {development: radixdev, playground: radixdev, production: radixprod}}
  - {name: filter, path: .metadata.annotations."filter.fluxcd.io/*", values: {development: "glob:master-*", playground: "glob:release-*", production: "glob:release-*"}}
  - {name: branch, path: .spec.chart.ref, values: {development: master, playground: release, production: release}}
`

func radix(t *testing.T) (flow.Flow, tree.Tree) {
	t.Helper()
	f, err := flow.Parse("leat.yaml", []byte(radixFlow))
	if err != nil {
		t.Fatal(err)
	}
	return f, fleetTree(t, "radix-flux/release")
}

// The real environments, each into the next one, every file asked for by name: no
// file of the target goes, no cluster's name moves, nothing that is written names
// the registry of the environment before, and once promoted there is nothing left
// to do (run holds that).
func TestRadix(t *testing.T) {
	f, tr := radix(t)
	for _, e := range f.Environments[1:] {
		from, _ := f.Environment(e.Follows)
		m := Move{Flow: f, From: from, To: e, Source: tr, Target: tr}
		m.Only, _ = m.names()
		run(t, m)
		p, err := Make(m)
		if err != nil || len(p.Refusals) > 0 {
			t.Fatal(err, p.Refusals)
		}
		writes, rules := 0, map[Rule]int{}
		for _, file := range p.Files {
			if file.What == Deleted || file.What == Conflict {
				t.Errorf("%s is %s", file.Name, file.What)
			}
			if file.Writes() {
				writes++
			}
			for _, v := range file.Values {
				rules[v.Rule]++
				if v.Path == ".spec.values.activeClusterName" && v.Rule != Left {
					t.Errorf("%s: %s is %s", file.Name, v.Path, v.Rule)
				}
				if _, names := swapped(v.To, []word{{"radixdev", "", "registry"}}); names != "" && e.Name == "production" {
					t.Errorf("%s: %s becomes %s", file.Name, v.Path, v.To)
				}
			}
		}
		if writes < 8 || rules[Taken] < 15 {
			t.Errorf("%s: %d files written, rules %v; the fleet has more to promote", e.Name, writes, rules)
		}
		t.Logf("%s to %s: %d files of %d written, values %v", from.Name, e.Name, writes, len(p.Files), rules)
	}
}

// Where history says that the source has not changed, nothing is written, however
// much the environments differ.
func TestNothingChanged(t *testing.T) {
	f, tr := radix(t)
	for _, e := range f.Environments[1:] {
		from, _ := f.Environment(e.Follows)
		p, err := Make(Move{Flow: f, From: from, To: e, Source: tr, Target: tr, Last: &tr})
		if err != nil || len(p.Refusals) > 0 {
			t.Fatal(err, p.Refusals)
		}
		for _, file := range p.Files {
			if file.Writes() {
				t.Errorf("%s to %s: %s is %s: %s", from.Name, e.Name, file.Name, file.What, file.Why)
			}
		}
	}
}

// One value that the source changes comes into the target, and no other; or, where
// the target has a value of its own there, somebody is asked.
func TestOneValueChanged(t *testing.T) {
	f, last := radix(t)
	rng := rand.New(rand.NewPCG(5, 6))
	from, to := f.Environments[0], f.Environments[1]
	names, err := Move{Flow: f, From: from, To: to, Source: last, Target: last}.names()
	if err != nil {
		t.Fatal(err)
	}
	came, asked, stays := 0, 0, 0
	for tried := 0; tried < 150; tried++ {
		name := names[rng.IntN(len(names))]
		before, err := last.ReadFile(path.Join(from.Directory, name))
		if err != nil {
			tried, names = tried-1, slices.DeleteFunc(names, func(n string) bool { return n == name }) // only the target has it
			continue
		}
		values := valuesOf(t, before)
		v := values[rng.IntN(len(values))]
		after, err := edit.Set(before, v.Path, "quite-new")
		if err != nil {
			t.Fatal(err)
		}
		source, err := last.With(path.Join(from.Directory, name), tree.BlobOf(after))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Make(Move{Flow: f, From: from, To: to, Source: source, Target: last, Last: &last, Only: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Refusals) > 0 {
			asked++
		}
		for _, file := range p.Files {
			if file.What == Stays || slices.ContainsFunc(file.Values, func(at Value) bool { return at.Rule == Left && at.Path == v.Path.String() }) {
				stays++
			}
			if !file.Writes() {
				continue
			}
			came++
			if changedValues(t, file.Before, file.After) != 1 {
				t.Errorf("%s %s: %s changes too much\n%s", name, v.Path, file.Name, edit.Unified(file.Name, string(file.Before), string(file.After)))
			}
		}
	}
	t.Logf("%d changes came, %d were asked, %d stay", came, asked, stays)
	if came < 50 || came+asked+stays != 150 {
		t.Error("a change was lost")
	}
}

// The v2 era of the same fleet: a cluster's directory into the next.
func TestClusters(t *testing.T) {
	tr := fleetTree(t, "radix-flux/master")
	f, err := flow.Parse("leat.yaml", []byte(`apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: development, branch: master, directory: clusters/development}
  - {name: playground, branch: master, directory: clusters/playground, follows: development}
stays: [{files: ["**/flux-system/**"]}]
pins: [{file: "**/*.yaml", path: .spec.postBuild.substitute."*_VERSION", kind: chart}]
`))
	if err != nil {
		t.Fatal(err)
	}
	m := Move{Flow: f, From: f.Environments[0], To: f.Environments[1], Source: tr, Target: tr}
	run(t, m)
	p, err := Make(m)
	if err != nil || len(p.Refusals) > 0 {
		t.Fatal(err, p.Refusals)
	}
	for _, file := range p.Files {
		for _, v := range file.Values {
			if v.Rule == Taken && !strings.HasSuffix(v.Path, "_VERSION") && !strings.Contains(v.Path, ".resources[.=") {
				t.Errorf("%s: %s was taken, and nobody asked for it", file.Name, v.Path)
			}
		}
	}
}

func valuesOf(t *testing.T, text []byte) []edit.Value {
	t.Helper()
	out, err := edit.Values(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// changedValues counts the values of a text that another has not, or otherwise.
func changedValues(t *testing.T, before, after []byte) int {
	t.Helper()
	have := map[string]int{}
	for _, v := range valuesOf(t, before) {
		have[v.Text]++
	}
	n := 0
	for _, v := range valuesOf(t, after) {
		if have[v.Text]--; have[v.Text] < 0 {
			n++
		}
	}
	return n
}
