package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newDown(env Env) *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "down [DIRECTORY]",
		Short: "Remove what leat up keeps for a fleet",
		Long:  "End a running leat up of the fleet and remove its cluster with all data. The fleet's files are not touched.",
		Example: `  leat down examples/platform
  leat down --data-dir /tmp/cluster`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, given []string) error {
			dir := dataDir
			if dir == "" {
				fleet := "."
				if len(given) > 0 {
					fleet = given[0]
				}
				abs, err := filepath.Abs(fleet)
				if err != nil {
					return err
				}
				if dir, err = stateDir(abs); err != nil {
					return err
				}
			}
			return down(env, dir)
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "the --data-dir of leat up")
	return cmd
}

func down(env Env, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(env.Out, "nothing is kept at %s\n", dir)
		return nil
	}
	if !isState(dir) {
		return usage("%s was not made by leat up; nothing was removed", dir)
	}
	if err := endRunning(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Fprintf(env.Out, "removed %s\n", dir)
	return nil
}

// isState recognises a data directory, so that a typing error removes nothing.
func isState(dir string) bool {
	for _, mark := range []string{"engine.log", "cluster", upPID} {
		if _, err := os.Stat(filepath.Join(dir, mark)); err == nil {
			return true
		}
	}
	return false
}

// upPID is the file that holds the process id of a running leat up.
const upPID = "up.pid"

// endRunning ends the leat up that works in dir, if one does.
func endRunning(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, upPID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !holdsLock(dir) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end leat up (process %d): %w", pid, err)
	}
	for range 300 {
		if !holdsLock(dir) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("leat up (process %d) does not end; kill it and run leat down again", pid)
}
