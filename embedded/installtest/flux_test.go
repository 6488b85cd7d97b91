package installtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/install"
)

// fluxEnv names a flux binary (v2.9); without it the test is skipped.
const fluxEnv = "LEAT_TEST_FLUX"

// The command line of Flux finds an installation that looks like Flux's, and
// what it then prints is what it prints of Flux.
func TestFluxCommandLine(t *testing.T) {
	flux := os.Getenv(fluxEnv)
	if flux == "" {
		t.Skip("set " + fluxEnv + " to a flux binary")
	}
	c := kubetest.Start(t)
	w := connect(t, c)
	objs := render(t, install.Options{Layout: install.LikeFlux, Version: "v2.9.5"})
	if err := install.Apply(bounded(t), w, objs, nil); err != nil {
		t.Fatal(err)
	}
	if err := install.Await(bounded(t), w, objs, nil); err != nil {
		t.Fatal(err)
	}
	create(t, w, `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: default}
spec: {interval: 10m, url: "https://git.example.com/fleet"}`)
	for _, line := range []struct {
		args  string
		words []string
	}{
		{"check", []string{"all checks passed", "source-controller: deployment ready", "kustomize-controller: deployment ready"}},
		{"version", []string{"distribution: flux-v2.9.5"}},
		{"get all -A", []string{"gitrepository/fleet"}},
		{"get sources git -A", []string{"fleet"}},
	} {
		cmd := exec.CommandContext(bounded(t), flux, append(strings.Fields(line.args), "--kubeconfig="+c.Kubeconfig)...)
		out, err := cmd.CombinedOutput()
		t.Logf("flux %s: %v\n%s", line.args, err, out)
		if err != nil || !containsAll(string(out), line.words) {
			t.Errorf("flux %s: want success and %q", line.args, line.words)
		}
	}
	logs := exec.CommandContext(bounded(t), flux, "logs", "--kubeconfig="+c.Kubeconfig)
	out, err := logs.CombinedOutput()
	t.Logf("flux logs: %v\n%s", err, out) // the pods are simulated: they have none
}
