package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const attacksPage = "../../docs/attacks.md"

// asked are the cases that the issues ask for: of Git and Kustomizations, and of
// Helm and registries.
var asked = map[string][]string{
	"## Git and Kustomizations":   {"1", "2", "3", "6", "10", "12", "13", "14", "15", "16", "17", "36", "51", "54"},
	"## Helm, registries, charts": {"3", "4", "8", "11", "13", "19", "20", "38"},
}

var (
	namedTest = regexp.MustCompile("`((?:internal|embedded|bench)/[a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`")
	namedPath = regexp.MustCompile("`(internal/[a-z0-9/]+/testdata/[^`]+)`")
)

// docs/attacks.md names for every case a test that there is.
func TestAttacksPageNamesTests(t *testing.T) {
	data, err := os.ReadFile(attacksPage)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]map[string]bool{}
	told := map[string]map[string]bool{}
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			section = line
			told[section] = map[string]bool{}
		}
		tests := namedTest.FindAllStringSubmatch(line, -1)
		for _, m := range tests {
			if known[m[1]] == nil {
				known[m[1]] = testsOf(t, m[1])
			}
			if !known[m[1]][m[2]] {
				t.Errorf("there is no %s in %s", m[2], m[1])
			}
		}
		for _, m := range namedPath.FindAllStringSubmatch(line, -1) {
			if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(m[1]))); err != nil {
				t.Error(err)
			}
		}
		if row, ok := strings.CutPrefix(line, "| "); ok && !strings.HasPrefix(row, "case |") {
			number, _, _ := strings.Cut(row, " ")
			told[section][number] = true
			if len(tests) == 0 {
				t.Errorf("no test is named for %.60q", row)
			}
		}
	}
	for section, cases := range asked {
		for _, number := range cases {
			if !told[section][number] {
				t.Errorf("case %s is not told of under %q", number, section)
			}
		}
	}
}

// testsOf returns the names of the test functions of a package, on any system.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no tests (error: %v)", dir, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
