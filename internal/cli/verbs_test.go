package cli

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/fluxcli"
)

// Where scripts stand: of the program named leat, and of the one named flux, those
// that need no cluster and those that run in the embedded one.
const (
	leatScripts = "testdata/script/*.txtar"
	fluxScripts = "../fluxcli/testdata/transcripts/*.txtar"
	labScripts  = "../../embedded/fluxtest/testdata/*.txtar"
)

// unscripted are the cases that no script has, and what holds them instead.
var unscripted = map[string]string{
	"leat up happy":         "embedded/fleettest and embedded/kubetest bring fleets up",
	"leat up json":          "embedded/fleettest reads it of every fleet",
	"leat access happy":     "embedded/accesstest plays it whole",
	"leat access json":      "embedded/accesstest reads it",
	"leat controller happy": "embedded/installtest runs it with the rights that install prints",
	"leat drift happy":      "embedded/e2e, driftverb_test.go",
	"leat drift json":       "embedded/e2e, driftverb_test.go",
	"leat install json":     "embedded/installtest installs",
	"leat uninstall happy":  "embedded/installtest uninstalls what it installed",
	"leat uninstall json":   "embedded/installtest uninstalls what it installed",
	"flux uninstall happy":  "embedded/installtest uninstalls what it installed",
	"flux trigger happy":    "internal/fluxcli, trigger_test.go: it needs a server that listens",
	"flux list happy":       "embedded/fluxtest, artifact_test.go: it needs a registry",
	"flux pull happy":       "embedded/fluxtest, artifact_test.go: it needs a registry",
	"flux push happy":       "embedded/fluxtest, artifact_test.go: it needs a registry",
	"flux push json":        "embedded/fluxtest, artifact_test.go: it needs a registry",
	"flux tag happy":        "embedded/fluxtest, artifact_test.go: it needs a registry",
}

// cases of a verb that scripts show.
type cases map[string]bool // "leat plan help"

// Every verb has scripts: its help, that it works, wrong use, and JSON where it
// writes that.
func TestEveryVerbHasScripts(t *testing.T) {
	have := cases{}
	have.scripts(t)
	have.transcripts(t)
	of := Env{Out: io.Discard, Err: io.Discard}
	shared := map[string]bool{}
	for _, v := range fluxVerbs(of) {
		shared[v.Name()] = true
	}
	missing := map[string]bool{}
	need := func(program string, v *cobra.Command, kinds ...string) {
		for _, kind := range kinds {
			if one := program + " " + v.Name() + " " + kind; !have[one] {
				missing[one] = true
			}
		}
	}
	for _, v := range newRoot(of).Commands() {
		switch {
		case v.Hidden || v.Name() == "help":
		case shared[v.Name()]: // the same code as below flux
			need("leat", v, "help")
		default:
			need("leat", v, wanted(v)...)
		}
	}
	for _, v := range fluxcli.New(fluxcli.Env{Out: io.Discard, Err: io.Discard}).Commands() {
		if !v.Hidden && v.Name() != "help" {
			need("flux", v, wanted(v)...)
		}
	}
	for _, one := range slices.Sorted(maps.Keys(missing)) {
		if unscripted[one] == "" {
			t.Errorf("no script has %s", one)
		}
	}
	for _, one := range slices.Sorted(maps.Keys(unscripted)) {
		if !missing[one] {
			t.Errorf("%s has a script, or is no case; take it off the list", one)
		}
	}
}

// wanted are the cases that a verb must have.
func wanted(v *cobra.Command) []string {
	out := []string{"help", "happy", "wrong"}
	if writesJSON(v) {
		out = append(out, "json")
	}
	return out
}

func writesJSON(cmd *cobra.Command) bool {
	found := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		found = found || f.Name == "output" && strings.Contains(f.Usage, "json")
	})
	return found || slices.ContainsFunc(cmd.Commands(), writesJSON)
}

// add notes what a line shows, and whether it is as it should be that it failed.
func (c cases) add(program, line string, failed bool) {
	words := strings.Fields(line)
	i := slices.IndexFunc(words, func(w string) bool { return !strings.HasPrefix(w, "-") })
	if i < 0 {
		return
	}
	kind := "happy"
	switch {
	case failed:
		kind = "wrong"
	case slices.Contains(words, "--help") || slices.Contains(words, "-h"):
		kind = "help"
	case writesAsJSON.MatchString(line):
		c[program+" "+words[i]+" json"] = true
	}
	c[program+" "+words[i]+" "+kind] = true
}

var (
	writesAsJSON = regexp.MustCompile(`(-o|--output)[ =]?json`)
	leatLine     = regexp.MustCompile(`^(! )?(leat|flux|leatexit (\d)) (.*)$`)
	fluxLine     = regexp.MustCompile(`^\$+ (?:[A-Z_]+=\S+ )*(flux|leat) (.*)$`)
)

// scripts reads those of leat.
func (c cases) scripts(t *testing.T) {
	for _, a := range archives(t, leatScripts) {
		for line := range strings.Lines(string(a.Comment)) {
			if m := leatLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				program, _, _ := strings.Cut(m[2], "exit ")
				planned := strings.HasPrefix(m[4], "plan ") && (m[3] == "2" || m[3] == "3") // something changes
				c.add(program, m[4], m[1] != "" || m[3] != "" && m[3] != "0" && !planned)
			}
		}
	}
}

// transcripts reads those of flux: a line, and what came of it.
func (c cases) transcripts(t *testing.T) {
	for _, pattern := range []string{fluxScripts, labScripts} {
		for _, a := range archives(t, pattern) {
			var m []string
			failed := false
			done := func() {
				if m != nil {
					c.add(m[1], m[2], failed)
				}
			}
			for line := range strings.Lines(string(a.Files[len(a.Files)-1].Data)) {
				if next := fluxLine.FindStringSubmatch(strings.TrimSpace(line)); next != nil {
					done()
					m, failed = next, false
				} else if strings.HasPrefix(line, "exit ") {
					failed = true
				}
			}
			done()
		}
	}
}

func archives(t *testing.T, pattern string) []*txtar.Archive {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(pattern, files, err)
	}
	var out []*txtar.Archive
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, txtar.Parse(data))
	}
	return out
}
