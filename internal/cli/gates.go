package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/app"
)

// gates is the flag --feature-gates: Name=true,Name=false.
type gates struct{ to *map[string]bool }

// String implements pflag.Value.
func (g *gates) String() string {
	if g.to == nil {
		return ""
	}
	parts := make([]string, 0, len(*g.to))
	for _, name := range slices.Sorted(maps.Keys(*g.to)) {
		parts = append(parts, fmt.Sprintf("%s=%t", name, (*g.to)[name]))
	}
	return strings.Join(parts, ",")
}

// Type implements pflag.Value.
func (g *gates) Type() string { return "Name=bool,…" }

// Set implements pflag.Value.
func (g *gates) Set(s string) error {
	if *g.to == nil {
		*g.to = make(map[string]bool)
	}
	for part := range strings.SplitSeq(s, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		on, err := strconv.ParseBool(text)
		if !ok || err != nil || name == "" {
			return fmt.Errorf("%q: want Name=true or Name=false", part)
		}
		(*g.to)[name] = on
	}
	return nil
}

// leaderFlags are the flags of leader election.
type leaderFlags struct{ app.Leader }

func (f *leaderFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.Enabled, "enable-leader-election", false, "let one of several replicas work")
	fs.DurationVar(&f.Lease, "leader-election-lease-duration", app.DefaultLeader.Lease, "how long others wait for a leader that is silent")
	fs.DurationVar(&f.Renew, "leader-election-renew-deadline", app.DefaultLeader.Renew, "how long a leader tries to renew before it gives up")
	fs.DurationVar(&f.Retry, "leader-election-retry-period", app.DefaultLeader.Retry, "the wait between two tries")
	fs.BoolVar(&f.Release, "leader-election-release-on-cancel", true, "step down at the end, so that the next one need not wait")
}

func (f *leaderFlags) config() app.Leader { return f.Leader }
