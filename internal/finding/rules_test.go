package finding_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/fleet/fleettxt"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
)

var update = flag.Bool("update", false, "write what was got as what is wanted")

// one is a case of a rule: a pair of fleets, and what the rule finds.
type one struct {
	title string
	pair  fleettxt.Pair
}

// cases reads testdata/<rule>.txtar: archives after lines «=== title».
func cases(t *testing.T, rule string) []one {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", rule+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var out []one
	for text := range strings.SplitSeq("\n"+string(data), "\n=== ") {
		title, archive, _ := strings.Cut(text, "\n")
		if strings.TrimSpace(text) == "" {
			continue
		}
		p, err := fleettxt.Parse([]byte(archive + "\n"))
		if err != nil {
			t.Fatalf("%s, %s: %v", rule, title, err)
		}
		out = append(out, one{title, p})
	}
	return out
}

// set compares the fleets of a case.
func (c one) set() change.Set {
	for _, r := range []*fleet.Rendered{&c.pair.Base, &c.pair.Head} {
		for _, u := range r.Units {
			if name := u.Object.GetAnnotations()["placeholder"]; name != "" { // says that this Secret was made up for it
				r.Placeholders = madeUp(r.Placeholders, object.Ref{Key: object.Key{Kind: "Secret", Namespace: "apps", Name: name}, Version: "v1"}, u.Key)
			}
		}
	}
	set := change.Compare(c.pair.Base, c.pair.Head, change.Options{Mask: plan.Mask{}, Inputs: c.pair.Inputs})
	for i, r := range []fleet.Rendered{c.pair.Base, c.pair.Head} {
		set.Flaws[i] = flaws(r)
	}
	return set
}

// madeUp adds a placeholder, or a reader to it.
func madeUp(all []fleet.Placeholder, ref object.Ref, by object.Key) []fleet.Placeholder {
	for i := range all {
		if all[i].Object == ref {
			all[i].By = append(all[i].By, by)
			return all
		}
	}
	return append(all, fleet.Placeholder{Object: ref, Keys: []string{"TOKEN"}, By: []object.Key{by}})
}

// flaws stands in for the validation: fields called bad are refused, fields called
// odd are unknown.
func flaws(r fleet.Rendered) []change.Flaw {
	var out []change.Flaw
	for _, u := range r.Units {
		for _, o := range u.Objects {
			for _, field := range []string{"bad", "odd"} {
				if o.Value.Object[field] != nil {
					out = append(out, change.Flaw{Unit: u.Key, Object: o.Ref, Field: "/" + field, Message: field + ": no such thing", At: "web.yaml:7", Unknown: field == "odd"})
				}
			}
		}
	}
	return out
}

func told(found []finding.Finding) string {
	var b strings.Builder
	for _, f := range found {
		age := map[bool]string{true: "old "}[f.Old] + map[bool]string{true: "allowed "}[f.Allowed]
		fmt.Fprintf(&b, "%s%s\n", age, f)
	}
	return b.String()
}

// Every rule has cases in which it finds something, and cases in which it does not.
func TestRules(t *testing.T) {
	for _, rule := range finding.Rules {
		t.Run(rule.Name, func(t *testing.T) {
			some, none := false, false
			all := cases(t, rule.Name)
			for i, c := range all {
				got := told(finding.Check(c.set(), []finding.Rule{rule}))
				some, none = some || strings.TrimSpace(got) != "", none || got == ""
				if *update {
					all[i].pair.Want = got
				} else if want := strings.TrimSpace(c.pair.Want); strings.TrimSpace(got) != want {
					t.Errorf("%s: got\n%s\nwant\n%s", c.title, got, want)
				}
			}
			if !some || !none {
				t.Errorf("there is a case that finds something: %t; one that finds nothing: %t; want both", some, none)
			}
			if *update {
				write(t, rule.Name, all)
			}
		})
	}
	left, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range left {
		if name := strings.TrimSuffix(filepath.Base(file), ".txtar"); !slices.Contains(finding.Names(), name) {
			t.Errorf("%s is about no rule", file)
		}
	}
}

func write(t *testing.T, rule string, all []one) {
	t.Helper()
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "=== %s\n%s\n", c.title, strings.TrimRight(string(c.pair.Update(c.pair.Want)), "\n"))
	}
	if err := os.WriteFile(filepath.Join("testdata", rule+".txtar"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRuleNames(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range finding.Rules {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(r.Name) || seen[r.Name] {
			t.Errorf("the name %q is taken or not kebab-case", r.Name)
		}
		seen[r.Name] = true
		if len(r.Doc) < 40 || !strings.HasSuffix(r.Doc, ".") {
			t.Errorf("%s: the doc %q says too little", r.Name, r.Doc)
		}
		if i > 0 && finding.Rules[i-1].Severity < r.Severity {
			t.Errorf("%s stands below a rule that is less dangerous", r.Name)
		}
	}
	for i := range finding.Practices {
		if i > 0 && !slices.ContainsFunc(finding.Rules, func(r finding.Rule) bool { return r.Practice == i }) {
			t.Errorf("no rule watches over practice %d", i)
		}
	}
}

// Each reason of a warning that a rendering can have has a rule; the others are
// those of `leat up`, which simulates.
func TestWarningsHaveRules(t *testing.T) {
	for reason, rule := range map[string]string{
		report.ReasonUndefined: "variable-undefined", report.ReasonFloating: "chart-floats", report.ReasonUnused: "value-unused",
		report.ReasonContested: "two-owners", report.ReasonBuildWarning: "build-warning", report.ReasonSimulatedHook: "", report.ReasonSimulatedBind: "",
	} {
		set := change.Set{After: fleet.Rendered{Units: []fleet.Unit{{
			Key: object.Key{Kind: "Kustomization", Name: "a"}, Warnings: []report.Warning{{Reason: reason, Message: "watch out"}},
		}}}}
		var names []string
		for _, f := range finding.Check(set, finding.Rules) {
			if f.Message == "watch out" {
				names = append(names, f.Rule)
			}
		}
		if got := strings.Join(names, " "); got != rule {
			t.Errorf("%s: got %q, want %q", reason, got, rule)
		}
	}
}

func TestDocs(t *testing.T) {
	const file = "../../docs/findings.md"
	if *update {
		if err := os.WriteFile(file, []byte(finding.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != finding.Markdown() {
		t.Error("docs/findings.md is not what the rules say; run the test with -update")
	}
}

func read(t *testing.T, files []string) []string {
	t.Helper()
	var out []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(data))
	}
	return out
}
