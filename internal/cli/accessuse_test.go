package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A command with a grant, such as a shell, lives on when the terminal interrupts it and
// leat; its kubeconfig is there meanwhile, and gone afterwards.
func TestACommandWithAGrantIsInterrupted(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("this machine has no sh, which the test runs as the command that is given access")
	}
	var out bytes.Buffer
	err := runWith(Env{Out: &out, Err: &out}, []byte("apiVersion: v1\n"), []string{"sh", "-c", "kill -INT $PPID; kill -INT $PPID; cat $KUBECONFIG; echo $KUBECONFIG; exit 3"})
	var exit *Exit
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("got %v, want exit 3", err)
	}
	lines := strings.Fields(strings.TrimPrefix(out.String(), "apiVersion: v1"))
	if len(lines) != 1 {
		t.Fatalf("got %q", out.String())
	}
	if _, err := os.Stat(lines[0]); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig is still there: %v", err)
	}
}

// A terminal that is closed leaves no kubeconfig behind: the command hears of it, and ends.
func TestATerminalIsClosed(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("this machine has no sh, which the test runs as the command that is given access")
	}
	var out bytes.Buffer
	err := runWith(Env{Out: &out, Err: &out}, []byte("apiVersion: v1\n"), []string{"sh", "-c", "trap 'echo $KUBECONFIG; exit 4' HUP; kill -HUP $PPID; while :; do sleep 0.01; done"})
	var exit *Exit
	if !errors.As(err, &exit) || exit.Code != 4 {
		t.Errorf("got %v, want exit 4", err)
	}
	if _, err := os.Stat(strings.TrimSpace(out.String())); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig is still there: %v", err)
	}
}
