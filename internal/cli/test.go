package cli

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/expect"
)

// testFile is where the expectations of a fleet are kept.
const testFile = "leat.test.yaml"

// testFlags are the flags of `leat test`.
type testFlags struct {
	previewFlags
	meant  allowFlags
	file   string
	output string
}

func newTest(env Env) *cobra.Command {
	f := &testFlags{}
	cmd := &cobra.Command{
		Use:   "test [DIRECTORY]",
		Short: "Hold a fleet to the expectations that are kept with it",
		Long: `Render the clusters of a fleet as leat plan does, with no cluster and no network, and
compare what they become with ` + testFile + ` in the fleet's directory: units that must be
ready, counts of objects, images that must and must not be used, findings that must
not be. docs/test.md describes the file.

Exit codes: 0 all is as expected, 1 something is not, 2 wrong use.`,
		Example: `  leat test examples/platform
  leat test --path clusters/prod
  leat test --output junit > report.xml`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runTest(cmd.Context(), env, f, given) },
	}
	f.previewFlags.register(cmd.Flags())
	if all := cmd.Flags().Lookup("all"); all != nil {
		all.Hidden = true // the file names the clusters
	}
	f.meant.register(cmd.Flags())
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "the file of expectations (default: "+testFile+" in the directory)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text, json or junit")
	return cmd
}

func runTest(ctx context.Context, env Env, f *testFlags, given []string) error {
	if !slices.Contains([]string{"text", "json", "junit"}, f.output) {
		return usage("--output %q: want text, json or junit", f.output)
	}
	dir, err := fleetDir(given)
	if err != nil {
		return err
	}
	file := f.file
	if file == "" {
		file = filepath.Join(dir, testFile)
	}
	spec, err := readSpec(file)
	if err != nil {
		return err
	}
	if spec.Clusters, err = f.chosen(spec.Clusters); err != nil {
		return err
	}
	previews, err := f.config()
	if err != nil {
		return err
	}
	allowed, err := f.meant.read(dir)
	if err != nil {
		return err
	}
	defer hush()()
	tested, err := app.Test(ctx, app.TestConfig{
		Previews: previews, Dir: dir, Spec: spec, Beside: filepath.Dir(file), Entry: f.entry, Allowed: allowed, Now: f.meant.time(),
	})
	if err != nil {
		return err
	}
	if err := tell(env.Out, tested, f.output); err != nil {
		return err
	}
	if slices.ContainsFunc(tested, failed) {
		return &Exit{Code: 1}
	}
	return nil
}

func readSpec(file string) (expect.Spec, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return expect.Spec{}, fmt.Errorf("%s does not exist; docs/test.md says what to write into it", file)
	}
	if err != nil {
		return expect.Spec{}, err
	}
	return expect.Parse(filepath.Base(file), data)
}

// chosen are the clusters that --path names, or all.
func (f *testFlags) chosen(all []expect.Cluster) ([]expect.Cluster, error) {
	if len(f.paths) == 0 {
		return all, nil
	}
	var out []expect.Cluster
	for _, path := range f.paths {
		i := slices.IndexFunc(all, func(c expect.Cluster) bool { return filepath.Clean(c.Path) == filepath.Clean(path) })
		if i < 0 {
			return nil, usage("--path %s: nothing is expected of it", path)
		}
		out = append(out, all[i])
	}
	return out, nil
}

func failed(t app.Tested) bool { return t.Err != nil || len(t.Failures) > 0 }

// tell prints how a fleet compares.
func tell(out io.Writer, tested []app.Tested, format string) error {
	switch format {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(testReport(tested))
	case "junit":
		return junit(out, tested)
	}
	wide := 0
	for _, t := range tested {
		wide = max(wide, len(t.Cluster.Path))
	}
	var b strings.Builder
	for _, t := range tested {
		word, rest := "ok  ", fmt.Sprintf("%d expectations", t.Cluster.Count())
		switch {
		case t.Err != nil:
			word, rest = "FAIL", t.Err.Error()
		case failed(t):
			word, rest = "FAIL", fmt.Sprintf("%s, %d failures", rest, len(t.Failures))
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", word, wide, t.Cluster.Path, rest)
		for _, f := range t.Failures {
			fmt.Fprintf(&b, "  %s\n", f)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// clusterReport is a cluster in the JSON of `leat test`.
type clusterReport struct {
	Path         string           `json:"path"`
	OK           bool             `json:"ok"`
	Expectations int              `json:"expectations"`
	Failures     []expect.Failure `json:"failures,omitempty"`
	Error        string           `json:"error,omitempty"`
	Seconds      float64          `json:"seconds"`
}

func testReport(tested []app.Tested) map[string][]clusterReport {
	out := []clusterReport{}
	for _, t := range tested {
		r := clusterReport{Path: t.Cluster.Path, OK: !failed(t), Expectations: t.Cluster.Count(), Failures: t.Failures, Seconds: t.Took.Seconds()}
		if t.Err != nil {
			r.Error = t.Err.Error()
		}
		out = append(out, r)
	}
	return map[string][]clusterReport{"clusters": out}
}

// The parts of JUnit's XML that CI systems read.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
	}
)

// junit writes a suite a cluster: a case for all that is met, and one a failure.
func junit(out io.Writer, tested []app.Tested) error {
	var all junitSuites
	for _, t := range tested {
		s := junitSuite{Name: t.Cluster.Path, Time: fmt.Sprintf("%.3f", t.Took.Seconds())}
		for _, f := range t.Failures {
			s.Cases = append(s.Cases, junitCase{f.At, t.Cluster.Path, &junitFailure{f.Message}})
		}
		if t.Err != nil {
			s.Cases = append(s.Cases, junitCase{"render", t.Cluster.Path, &junitFailure{t.Err.Error()}})
		}
		s.Failures = len(s.Cases)
		if s.Failures == 0 {
			s.Cases = append(s.Cases, junitCase{fmt.Sprintf("%d expectations", t.Cluster.Count()), t.Cluster.Path, nil})
		}
		s.Tests = len(s.Cases)
		all.Suites = append(all.Suites, s)
	}
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s%s\n", xml.Header, data)
	return err
}
