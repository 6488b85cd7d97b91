package chart_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	helm "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/leat-dev/leat/internal/chart"
)

// fleets holds real charts where it is there.
const fleets = "../../../shared/fleets"

// describe is everything of a chart that a render depends on.
func describe(c *helm.Chart, indent string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s%s %s %v\n", indent, c.Name(), c.Metadata.Version, c.Values)
	for _, d := range c.Metadata.Dependencies {
		fmt.Fprintf(&out, "%s%v\n", indent, *d)
	}
	var names []string
	for _, f := range append(slices.Clone(c.Templates), c.Files...) {
		names = append(names, fmt.Sprintf("%s%s %q", indent, f.Name, f.Data))
	}
	slices.Sort(names)
	fmt.Fprintf(&out, "%s\n%s%s\n", strings.Join(names, "\n"), indent, c.Schema)
	var subs []string
	for _, sub := range c.Dependencies() {
		subs = append(subs, describe(sub, indent+"  "))
	}
	slices.Sort(subs)
	return out.String() + strings.Join(subs, "")
}

// A real chart loads as Helm loads it, and packaged again loads as what Helm
// packages.
func TestChartsLoadAsInHelm(t *testing.T) {
	found, err := filepath.Glob(fleets + "/*charts/*/*.tgz")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(fleets + "/*/charts/*/*.tgz")
	if err != nil {
		t.Fatal(err)
	}
	if found = append(found, more...); len(found) == 0 {
		t.Skip("the fleets are not there")
	}
	for _, file := range found {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := loader.LoadArchive(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := chart.Load(data, chart.Limits{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if g, w := describe(got, ""), describe(want, ""); g != w {
			t.Errorf("%s: loaded as\n%s\nwant\n%s", file, g, w)
		}
		saved, err := util.Save(want, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		again, err := loader.Load(saved)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := chart.Package(got)
		if err != nil {
			t.Fatal(err)
		}
		if got, err = chart.Load(ours, chart.Limits{}); err != nil {
			t.Fatal(err)
		}
		if g, w := describe(got, ""), describe(again, ""); g != w {
			t.Errorf("%s: packaged as\n%s\nwant\n%s", file, g, w)
		}
	}
	t.Logf("%d charts", len(found))
}
