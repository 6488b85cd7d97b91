package cli

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/isolate"
)

// isolatedVerb is the verb that this program starts itself with.
const isolatedVerb = "isolated"

func newIsolated() *cobra.Command {
	return &cobra.Command{
		Use: isolatedVerb + " BYTES [FILES]", Hidden: true, Args: args(cobra.RangeArgs(1, 2)),
		Short:   "Do one piece of work after the other for another leat",
		Long:    "Do work that may take a process down, such as rendering charts, for the leat that\nstarted this one, within a bound of memory. Jobs come over stdin.",
		Example: "  leat isolated 536870912",
		RunE:    func(_ *cobra.Command, given []string) error { return app.ServeIsolated(given) },
	}
}

// Bounds of the children, by how much memory there is.
const (
	// shareOfChild and shareOfChildren are what one child, and all of them, may
	// take of the memory, as one part of so many.
	shareOfChild, shareOfChildren = 4, 2
	// minChild is what a child is given in any case: enough for a large chart.
	minChild = 192 << 20
)

// isolation is how this program does what may take a process down; nil, with a
// line in the log, where it cannot start itself.
func isolation(log *slog.Logger, memory int64) *isolate.Config {
	exe, err := thisProgram()
	if err != nil {
		log.Warn("charts are rendered in this process, within bounds", slog.Any("error", err))
		return nil
	}
	c := boundChildren(memory)
	c.Command = []string{exe, isolatedVerb}
	return &c
}

// ownImage is the running program on Linux, also after its file was replaced.
const ownImage = "/proc/self/exe"

func thisProgram() (string, error) {
	if _, err := os.Stat(ownImage); err == nil {
		return ownImage, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return exe, nil
}

// boundChildren shares out the memory that a process with its children has; zero
// is without bound.
func boundChildren(memory int64) isolate.Config {
	c := isolate.Config{Children: isolate.DefaultChildren, Memory: isolate.DefaultMemory}
	if memory > 0 {
		c.Memory = max(minChild, min(c.Memory, memory/shareOfChild))
		c.Children = int(max(1, min(int64(c.Children), memory/shareOfChildren/c.Memory)))
	}
	return c
}

// limitMemory makes Go's runtime keep within the memory of the cgroup, unless
// $GOMEMLIMIT says otherwise, and returns that memory; zero is without bound.
func limitMemory(log *slog.Logger) int64 {
	memory := cgroupMemory(os.DirFS("/"))
	if memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		limit := memory / 100 * memoryPercent
		debug.SetMemoryLimit(limit)
		log.Info("memory is limited by the cgroup", slog.Int64("cgroup", memory), slog.Int64("GOMEMLIMIT", limit))
	}
	return memory
}
