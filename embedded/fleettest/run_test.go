package fleettest

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/leat-dev/leat/embedded/child"
	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/cli"
	"github.com/leat-dev/leat/internal/report"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "isolated" { // `up` renders charts in children of its own program
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// start runs the control plane, as cmd/leat does with itself.
func start(ctx context.Context, o cli.ControlPlaneOptions) (cli.ControlPlane, error) {
	exe, err := kubetest.Program()
	if err != nil {
		return nil, err
	}
	p, err := child.Start(ctx, exe, nil, child.Options{
		DataDir: o.DataDir, Port: o.Port, Nodes: o.Nodes, Remove: o.Remove,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// result is what `leat up --once --output json` prints.
type result struct {
	Ready  int     `json:"ready"`
	Units  int     `json:"units"`
	Causes []cause `json:"causes"`
	Rows   []row   `json:"rows"`

	code  int
	notes string
}

type row struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	State     string   `json:"state"`
	Message   string   `json:"message"`
	On        []string `json:"waitingOn"`
	Simulated bool     `json:"simulated"`

	Warnings []report.Warning `json:"warnings"`
}

type cause struct {
	Unit     string   `json:"unit"`
	State    string   `json:"state"`
	Message  string   `json:"message"`
	Units    []string `json:"units"`
	Blocking []string `json:"blocking"`
}

// up brings a fleet up once and returns what became of it.
func up(t *testing.T, dir string, flags ...string) result {
	t.Helper()
	args := append([]string{"up", "--once", "--ephemeral", "--grace", "3s", "--output", "json", dir}, flags...)
	var out, notes bytes.Buffer
	var r result
	r.code = cli.Main(t.Context(), args, cli.Env{In: &bytes.Buffer{}, Out: &out, Err: &notes, ControlPlane: start})
	r.notes = notes.String()
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("leat %q exits %d and prints no JSON value: %v\n%s\n%s", args, r.code, err, out.String(), r.notes)
	}
	return r
}
