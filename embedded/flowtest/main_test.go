package flowtest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/leat-dev/leat/internal/cli"
)

var update = flag.Bool("update", false, "write what is printed into docs/stories.md")

// fleets are those of the seeds.
const fleets = "../../../shared/fleets"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "isolated" { // the verbs render charts in children of their own program
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// fleet is the folder of one of them. A story is skipped where it is not, and in the
// quick suite.
func fleet(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("not in the quick suite; go test without -short plays it")
	}
	dir, err := filepath.Abs(filepath.Join(fleets, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the fleet %s is not beside the checkout: its story was NOT played", name)
	}
	return dir
}
