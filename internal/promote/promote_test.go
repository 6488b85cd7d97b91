package promote

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/tree"
)

var update = flag.Bool("update", false, "write the want parts of testdata")

// Each case is an archive: leat.yaml, the branches in source/, target/ and last/
// (source when it was last promoted), before/ and after/ (the target when it was rolled
// back), and want: the plan and the diffs. Its comment has lines of from, to, only, take,
// keep, again.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no cases")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, moveOf(t, ar))
			for i, f := range ar.Files {
				if f.Name != "want" || got == string(f.Data) {
					continue
				}
				if !*update {
					t.Errorf("got\n%s\nwant\n%s", got, f.Data)
				}
				ar.Files[i].Data = []byte(got)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// run promotes, and holds that the plan of what was promoted is empty.
func run(t *testing.T, m Move) string {
	t.Helper()
	p, err := Make(m)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	b.WriteString(p.Text())
	for _, f := range p.Files {
		if f.Writes() {
			b.WriteString(edit.Unified(f.Target, string(f.Before), string(f.After)))
		}
	}
	after, err := p.Tree(m.Target)
	if err != nil {
		t.Fatal(err)
	}
	m.Target, m.Last = after, &m.Source
	again, err := Make(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range again.Files {
		if f.Writes() {
			t.Errorf("promoted again, %s is %s: %s\n%s", f.Name, f.What, f.Why, edit.Unified(f.Name, string(f.Before), string(f.After)))
		}
	}
	return b.String()
}

func moveOf(t *testing.T, ar *txtar.Archive) Move {
	t.Helper()
	trees := map[string]map[string]string{"source": {}, "target": {}, "last": {}, "before": {}, "after": {}}
	var m Move
	var err error
	for _, f := range ar.Files {
		side, name, _ := strings.Cut(f.Name, "/")
		switch {
		case f.Name == "leat.yaml":
			if m.Flow, err = flow.Parse("leat.yaml", f.Data); err != nil {
				t.Fatal(err)
			}
		case trees[side] != nil:
			trees[side][name] = string(f.Data)
		}
	}
	for line := range strings.Lines(string(ar.Comment)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "from":
			m.From, _ = m.Flow.Environment(rest)
		case "to":
			m.To, _ = m.Flow.Environment(rest)
		case "only":
			m.Only = append(m.Only, rest)
		case "take":
			m.Take = append(m.Take, rest)
		case "keep":
			m.Keep = append(m.Keep, rest)
		case "again":
			m.Again = true
		}
	}
	m.Source, m.Target = treeOf(t, trees["source"]), treeOf(t, trees["target"])
	if len(trees["last"]) > 0 {
		last := treeOf(t, trees["last"])
		m.Last = &last
	}
	if len(trees["before"]) > 0 {
		m.Rollbacks = []Rollback{{By: "0123456789", Before: treeOf(t, trees["before"]), After: treeOf(t, trees["after"])}}
	}
	return m
}

func treeOf(t *testing.T, files map[string]string) tree.Tree {
	t.Helper()
	out, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The name of a file ends no line.
func TestTextHasALineForEach(t *testing.T) {
	p := Plan{Files: []File{{Name: "a\n```\nb.yaml", What: Added, Why: "new"}}, Refusals: []Refusal{{At: "a\nb:1", Text: "both"}}}
	if got, want := p.Text(), "added     a⏎ ```⏎ b.yaml: new\nrefused   a⏎ b:1: both\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSwapped(t *testing.T) {
	words := []word{{"radixdev", "radixprod", "registry"}, {"glob:master-*", "glob:release-*", "filter"}, {"dev", "prod", "env"}, {"prod", "never", "twice"}}
	for _, c := range []struct{ in, want, names string }{
		{"radixdev.azurecr.io/radix-operator", "radixprod.azurecr.io/radix-operator", "registry"},
		{"radixdev2", "radixdev2", ""}, {"xradixdev", "xradixdev", ""}, {"radixdev_x", "radixdev_x", ""}, {"radixdevé", "radixdevé", ""},
		{"glob:master-*", "glob:release-*", "filter"}, {"glob:master-x", "glob:master-x", ""},
		{"sql-dev.net, radixdev", "sql-prod.net, radixprod", "env, registry"}, {"", "", ""}, {"dev dev", "prod prod", "env"},
	} {
		if got, names := swapped(c.in, words); got != c.want || names != c.names {
			t.Errorf("swapped(%q) = %q, %q; want %q, %q", c.in, got, names, c.want, c.names)
		}
	}
}
