package flow

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leat-dev/leat/internal/tree"
)

// shared are where real fleets are looked for.
const shared = "../../../shared/fleets"

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
		ok   bool
	}{
		{"release/0.2.114", "release/0.2.115", -1, true}, {"release/0.2.9", "release/0.2.10", -1, true},
		{"release/0.2.99-patched-20241010", "release/0.2.99", 1, true}, {"release/0.2.99-patched-20241010", "release/0.2.100", -1, true},
		{"1.0.0-rc1", "1.0.0", -1, true}, {"v1.14.2", "1.14.2", 0, true}, {"main", "main", 0, true}, {"main", "release/0.1.0", 0, false},
		{"lscsde/awms-keycloak:0.1.10", "lscsde/awms-keycloak:0.1.9", 1, true}, {"repo:5000/a/b:1.2.3@sha256:ab", "repo:5000/a/b:1.2.4", -1, true},
		{"release-4cbc600ad252", "release-bd3b024df51e", 0, false}, {"2.0", "10.0", -1, true},
	} {
		got, ok := Compare(c.a, c.b)
		if ok != c.ok || got != c.want {
			t.Errorf("Compare(%q, %q) = %d, %t; want %d, %t", c.a, c.b, got, ok, c.want, c.ok)
		}
		if back, _ := Compare(c.b, c.a); back != -got {
			t.Errorf("Compare(%q, %q) = %d, and %d the other way", c.a, c.b, got, back)
		}
	}
}

func TestNewest(t *testing.T) {
	there := []string{"main", "release/0.1.9", "release/0.1.10", "release/0.1.10-hotfix-1", "release/0.2.0-rc1", "feature/9.9.9", "1.0"}
	for pinned, want := range map[string]string{"release/0.1.9": "release/0.1.10-hotfix-1", "release/0.2.0-rc0": "release/0.2.0-rc1", "main": "1.0", "hotfix/3": ""} {
		if got := Newest(pinned, there); got != want {
			t.Errorf("Newest(%q) = %q, want %q", pinned, got, want)
		}
	}
}

// Cases hold leat.yaml, a folder of files per environment, and what is expected.
func TestPins(t *testing.T) {
	files, err := filepath.Glob("testdata/pins/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there is no case", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := pinsOf(t, a)
			if *update {
				a.Files = append(without(a.Files, "want"), txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(a.Files[len(a.Files)-1].Data); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func without(files []txtar.File, name string) []txtar.File {
	var out []txtar.File
	for _, f := range files {
		if f.Name != name {
			out = append(out, f)
		}
	}
	return out
}

func pinsOf(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	var f Flow
	branches := map[string]map[string]string{}
	for _, file := range a.Files {
		if file.Name == FileName {
			f = parsed(t, string(file.Data))
			continue
		}
		branch, name, ok := strings.Cut(file.Name, "/")
		if !ok {
			continue
		}
		if branches[branch] == nil {
			branches[branch] = map[string]string{}
		}
		branches[branch][name] = string(file.Data)
	}
	var out strings.Builder
	var columns []Column
	for _, e := range f.Environments {
		tr, err := tree.FromFiles(branches[e.Branch])
		if err != nil {
			t.Fatal(err)
		}
		pins, notes := Pins(tr, f, e)
		for _, p := range pins {
			fmt.Fprintf(&out, "%s: %s %s %s at %s %s\n", e.Name, p.Component, p.Kind, p.Value, p.At(), p.Path)
		}
		for _, n := range notes {
			fmt.Fprintf(&out, "%s: note %s\n", e.Name, n)
		}
		columns = append(columns, Column{Environment: e, Pins: pins, Facts: Twins(tr, f, e, pins)})
	}
	return out.String() + "\n" + printed(MatrixOf(columns))
}

func printed(m Matrix) string {
	var out strings.Builder
	for _, r := range m.Rows {
		fmt.Fprintf(&out, "%s %s %s", r.Component, r.Kind, r.In)
		for _, c := range r.Cells {
			fmt.Fprintf(&out, " | %s %v", c.Pinned, c.States)
			for _, s := range c.States {
				if c.Why[s] != "" {
					fmt.Fprintf(&out, " (%s)", c.Why[s])
				}
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// What is known beside the files decides before what the files compare to.
func TestStates(t *testing.T) {
	f := parsed(t, `{apiVersion: leat.dev/v1alpha1, kind: Flow, environments: [{name: dev, branch: dev}, {name: prod, branch: prod, follows: dev}]}`)
	pin := func(value string) Pin {
		return Pin{Component: "app", Kind: BranchPin, Value: value, File: "a.yaml", Line: 1}
	}
	for _, c := range []struct {
		dev, prod string
		fact      Fact
		want      string
	}{
		{"release/1.0.0", "release/1.0.0", Fact{}, "[same]"},
		{"release/1.1.0", "release/1.0.0", Fact{}, "[behind]"},
		{"release/1.0.0", "release/1.1.0", Fact{}, "[ahead]"},
		{"main", "release/1.1.0", Fact{}, "[differs]"},
		{"release/1.1.0", "release/1.0.0", Fact{Exists: No}, "[dangling behind]"},
		{"release/1.0.0", "release/1.0.0", Fact{Exists: No, Consumed: No}, "[dangling orphan same]"},
		{"release/1.0.0", "release/1.0.0", Fact{Live: []string{"release/1.0.0@sha1:0123"}}, "[same]"},
		{"release/1.0.0", "release/1.0.0", Fact{Live: []string{"release/1.0.0", "release/0.9.0"}}, "[pinned ≠ live same]"},
		{"release/1.0.0", "release/0.9.9", Fact{Fixes: 2}, "[hot-fix behind]"},
		{"release/1.0.0", "release/1.0.0", Fact{Fixes: 2}, "[same]"},
		{"release/1.0.0", "hotfix/12", Fact{}, "[hot-fix differs]"},
	} {
		m := MatrixOf([]Column{{Environment: f.Environments[0], Pins: []Pin{pin(c.dev)}}, {f.Environments[1], []Pin{pin(c.prod)}, []Fact{c.fact}}})
		if got := fmt.Sprint(m.Rows[0].Cells[1].States); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
	m := MatrixOf([]Column{{Environment: f.Environments[0], Pins: []Pin{pin("release/1.0.0")}, Facts: []Fact{{There: []string{"release/1.0.3", "main"}}}}, {Environment: f.Environments[1]}})
	if r := m.Rows[0]; r.Newest != "release/1.0.3" || !r.Cells[0].Outdated || fmt.Sprint(r.Cells[1].States) != "[missing]" || r.Cells[1].Outdated {
		t.Errorf("got %+v", r)
	}
}
