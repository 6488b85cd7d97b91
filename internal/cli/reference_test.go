package cli

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/fluxcli"
	"github.com/leat-dev/leat/internal/report"
)

var update = flag.Bool("update", false, "write docs/reference.md")

const referencePage = "../../docs/reference.md"

// Every flag of every verb, every condition and every reason stands in
// docs/reference.md.
func TestReference(t *testing.T) {
	want := reference(newRoot(Env{}))
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		have[line] = true
	}
	for line := range strings.Lines(want) {
		if !have[line] {
			t.Errorf("docs/reference.md does not say, or says otherwise (go test ./internal/cli -run TestReference -update):\n%s", line)
		}
	}
	if strings.Count(string(text), "\n") != strings.Count(want, "\n") {
		t.Error("docs/reference.md says more than there is")
	}
}

func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Reference\n\nMade from the program: `go test ./internal/cli -run TestReference -update`.\n")
	for _, verb := range root.Commands() {
		if verb.Hidden || verb.Name() == "help" || verb.Name() == "completion" {
			continue
		}
		fmt.Fprintf(&b, "\n## `leat %s`\n\n%s.\n", verb.Use, verb.Short)
		b.WriteString(flagTable(flagsBelow(verb)))
	}
	b.WriteString("\n## Flags of all verbs that act on a cluster's Flux objects\n" + flagTable(fluxcli.SharedFlags()))
	list := func(title string, of map[string]string) {
		fmt.Fprintf(&b, "\n## %s\n\n| | |\n|---|---|\n", title)
		for _, name := range slices.Sorted(maps.Keys(of)) {
			fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(of[name]))
		}
	}
	list("Conditions", report.Conditions)
	list("Reasons of conditions and events", report.Reasons)
	return b.String()
}

// flagsBelow are the flags of a verb and of the verbs below it, without those
// that all verbs of Flux share.
func flagsBelow(verb *cobra.Command) *pflag.FlagSet {
	out, shared := pflag.NewFlagSet("", pflag.ContinueOnError), fluxcli.SharedFlags()
	add := func(f *pflag.Flag) {
		if have := shared.Lookup(f.Name); out.Lookup(f.Name) == nil && (have == nil || have.Usage != f.Usage) {
			out.AddFlag(f)
		}
	}
	verb.Flags().VisitAll(add)
	verb.PersistentFlags().VisitAll(add)
	for _, below := range verb.Commands() {
		flagsBelow(below).VisitAll(add)
	}
	return out
}

func flagTable(flags *pflag.FlagSet) string {
	rows := ""
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			rows += fmt.Sprintf("| `--%s` | %s | %s |\n", f.Name, defaultOf(f), cell(f.Usage))
		}
	})
	if rows == "" {
		return ""
	}
	return "\n| flag | default | |\n|---|---|---|\n" + rows
}

func defaultOf(f *pflag.Flag) string {
	if f.DefValue == "" || f.DefValue == "[]" {
		return ""
	}
	return "`" + f.DefValue + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
