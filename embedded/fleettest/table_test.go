package fleettest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables")

// table writes a result for people to read: the exit code, a line per unit and
// a line per root cause. What differs from run to run is left out.
func table(r result) []string {
	out := []string{fmt.Sprintf("# %d of %d units are ready; exit %d", r.Ready, r.Units, r.code)}
	for _, u := range r.Rows {
		line := fmt.Sprintf("%-12s %s", u.State, strings.Join([]string{u.Kind, u.Namespace, u.Name}, "/"))
		if why := u.why(); why != "" {
			line = fmt.Sprintf("%-76s %s", line, why)
		}
		out = append(out, line)
	}
	if len(r.Causes) > 0 {
		out = append(out, "")
	}
	for _, c := range r.Causes {
		out = append(out, c.lines()...)
	}
	return append(out, warnings(r)...)
}

// owners is a warning about two units that want one object: which of them came
// first differs from run to run.
var owners = regexp.MustCompile(`is wanted by two units: (\S+) keeps it, (\S+) leaves it alone`)

// warnings are a line each, sorted, notes left out; what several units say is
// said once.
func warnings(r result) []string {
	var out []string
	for _, u := range r.Rows {
		for _, w := range u.Warnings {
			text := stable(w.Message)
			if m := owners.FindStringSubmatch(text); m != nil {
				units := []string{m[1], strings.TrimSuffix(m[2], ";")}
				slices.Sort(units)
				text = fmt.Sprintf("%s is wanted by two units: %s and %s", w.Object, units[0], units[1])
			}
			if !w.Note {
				out = append(out, strings.TrimSpace("warns "+text))
			}
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > 0 {
		out = append([]string{""}, out...)
	}
	return out
}

// why says why a unit is not ready, or what its readiness rests on.
func (u row) why() string {
	switch {
	case u.State == "ready" && u.Simulated:
		return "on simulated pods"
	case u.State == "ready":
		return ""
	case u.State != "failed" && len(u.On) > 0:
		return "waits for " + strings.Join(u.On, ", ")
	default:
		return stable(u.Message)
	}
}

// lines is a root cause, what it is the cause of, and what that holds up.
func (c cause) lines() []string {
	out := []string{"cause " + c.Unit + ": " + stable(c.Message)}
	for _, u := range c.Units {
		out = append(out, "  unit     "+u)
	}
	for _, b := range c.Blocking {
		out = append(out, "  holds up "+b)
	}
	return out
}

// What differs between runs: revisions, ports, how long something took.
var unstable = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`sha(1|256):[0-9a-f]{8,}`), "sha${1}:…"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(ms|s)\b`), "TIME"},
	{regexp.MustCompile(`\s+`), " "},
}

func stable(text string) string {
	for _, u := range unstable {
		text = u.pattern.ReplaceAllString(text, u.instead)
	}
	return strings.TrimSpace(text)
}

// compare holds a result against its table; with -update it writes the table.
func compare(t *testing.T, name string, r result) {
	t.Helper()
	file := filepath.Join("testdata", name+".table")
	got := table(r)
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run with -update and read what it writes", err)
	}
	want := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for _, line := range differences(got, want) {
		t.Error(line)
	}
	if t.Failed() {
		t.Logf("leat said:\n%s", r.notes)
	}
}

// differences compares lines both ways, and their order.
func differences(got, want []string) []string {
	var out []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			out = append(out, "only in the table: "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			out = append(out, "not in the table:  "+line)
		}
	}
	if len(out) == 0 && !slices.Equal(got, want) {
		out = append(out, "the order differs, or a line is there twice; got:\n"+strings.Join(got, "\n"))
	}
	return out
}
