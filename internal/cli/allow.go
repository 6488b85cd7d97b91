package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/expect"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/present"
)

// findingsFile is where the findings of a fleet are kept that are meant.
const findingsFile = "leat.findings.yaml"

// allowFlags say which findings are meant.
type allowFlags struct {
	flags []string
	now   func() time.Time // nil is the clock
}

func (f *allowFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.flags, "allow", nil, "RULE or RULE:KIND/NAMESPACE/NAME: findings that are meant, beside those of "+findingsFile+" (repeatable)")
}

// read returns what the directory of a fleet and the flags allow, with the file
// first: it has reasons.
func (f *allowFlags) read(dir string) ([]finding.Allowance, error) {
	var out []finding.Allowance
	data, err := os.ReadFile(filepath.Join(dir, findingsFile))
	switch {
	case err == nil:
		if out, err = expect.ParseAllowed(findingsFile, data); err != nil {
			return nil, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("read what findings are allowed: %w", err)
	}
	for _, text := range f.flags {
		a, err := expect.AllowedFlag(text)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// permit marks the findings of a plan that are meant.
func (f *allowFlags) permit(dir string, plan present.Plan) error {
	all, err := f.read(dir)
	if err != nil {
		return err
	}
	for _, e := range plan.Entries {
		finding.Permit(e.Findings, all, e.Path, f.time())
	}
	return nil
}

func (f *allowFlags) time() time.Time {
	if f.now == nil {
		return time.Now()
	}
	return f.now()
}
