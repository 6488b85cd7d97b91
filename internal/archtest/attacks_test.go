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

// pages of docs name tests as `internal/plan.TestPrune`.
var pages = []string{"../../*.md", "../../docs/*.md", "../../docs/design/*.md"}

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

// docs/attacks.md names a test for every case.
func TestAttacksPageNamesTests(t *testing.T) {
	data, err := os.ReadFile(attacksPage)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]map[string]bool{}
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			section = line
			told[section] = map[string]bool{}
		}
		if row, ok := strings.CutPrefix(line, "| "); ok && !strings.HasPrefix(row, "case |") {
			number, _, _ := strings.Cut(row, " ")
			told[section][number] = true
			if !namedTest.MatchString(line) {
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

// What a page of docs names as the test of something is there.
func TestPagesNameTests(t *testing.T) {
	known := map[string]map[string]bool{}
	for _, page := range globs(t, pages) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedTest.FindAllSubmatch(data, -1) {
			dir, name := string(m[1]), string(m[2])
			if known[dir] == nil {
				known[dir] = testsOf(t, dir)
			}
			if !known[dir][name] {
				t.Errorf("%s: there is no %s in %s", page, name, dir)
			}
		}
		for _, m := range namedPath.FindAllSubmatch(data, -1) {
			globs(t, []string{filepath.Join("../..", filepath.FromSlash(string(m[1])))})
		}
	}
}

// globs returns the files that the patterns find; each must find some.
func globs(t *testing.T, patterns []string) (files []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: found %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	return files
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
