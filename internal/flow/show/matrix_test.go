package show

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/flow"
)

var update = flag.Bool("update", false, "write golden files")

func fixture() Matrix {
	dev := flow.Environment{Name: "dev", Branch: "dev"}
	prod := flow.Environment{Name: "prod", Branch: "release", Directory: "prod-configs", Follows: "dev"}
	pin := func(component string, kind flow.PinKind, value string) flow.Pin {
		return flow.Pin{Component: component, Kind: kind, Value: value, File: "core/flux-config.yaml", Line: 7, Path: ".a"}
	}
	why := func(s flow.State, text string) map[flow.State]string { return map[flow.State]string{s: text} }
	return Matrix{flow.MatrixOf([]flow.Column{
		{Environment: dev, Pins: []flow.Pin{pin("jupyter_hub", flow.BranchPin, "release/0.2.115"), pin("keda", flow.BranchPin, "release/0.1.45"), pin("web", flow.ImagePin, "ghcr.io/acme/web:1.4.0")},
			Facts: []flow.Fact{{Exists: flow.No, Why: why(flow.Dangling, "there is no such branch; there is release/0.2.114"), There: []string{"release/0.2.114"}}}},
		{Environment: prod, Pins: []flow.Pin{pin("jupyter_hub", flow.BranchPin, "release/0.2.99-patched-20241010"), pin("keda", flow.BranchPin, "release/0.1.45"), pin("web", flow.ImagePin, "ghcr.io/acme/web:1.3.9"), pin("odd|<b>", flow.ChartPin, "1.0.0")},
			Facts: []flow.Fact{{}, {Live: []string{"release/0.1.44@sha1:0123"}}, {}, {Consumed: flow.No, Why: why(flow.Orphan, "no object that is rendered has it")}}},
	}), []flow.Note{{At: "leat.yaml:9:5", Text: "no environment has a value at .b in x.yaml"}}}
}

func TestMatrix(t *testing.T) {
	m := fixture()
	var page bytes.Buffer
	if err := m.HTML(&page); err != nil {
		t.Fatal(err)
	}
	data, err := m.JSON()
	if err != nil || !json.Valid(data) {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"matrix.txt": m.Text(Style{}), "matrix-colour.txt": m.Text(Style{Colour: true}), "matrix.md": m.Markdown(), "matrix.html": page.String(), "matrix.json": string(data),
	} {
		golden(t, name, got)
	}
	if strings.Contains(page.String(), "<b>\"") || strings.Contains(page.String(), "odd|<b>") || strings.Contains(page.String(), "http://") {
		t.Error("the page holds markup of a name, or an address")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs: go test ./internal/flow/show -update\n%s", name, got)
	}
}
