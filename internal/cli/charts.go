package cli

import (
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/engine"
)

// chartFlags bound what is taken of charts and their repositories; they are
// those of source-controller.
type chartFlags struct{ index, packed, file int64 }

func (f *chartFlags) register(fs *pflag.FlagSet) {
	fs.Int64Var(&f.index, "helm-index-max-size", chart.MaxIndex, "bytes that the index of a chart repository may have")
	fs.Int64Var(&f.packed, "helm-chart-max-size", chart.MaxPacked, "bytes that a packaged chart may have")
	fs.Int64Var(&f.file, "helm-chart-file-max-size", chart.MaxFile, "bytes that one file of a chart may have")
	for _, name := range []string{"helm-cache-max-size", "helm-cache-ttl", "helm-cache-purge-interval"} {
		fs.String(name, "", "accepted for compatibility: indexes are always parsed once and shared")
		if err := fs.MarkHidden(name); err != nil {
			panic(err) // unreachable: the flag was just made
		}
	}
}

// check refuses bounds that nothing can keep.
func (f *chartFlags) check() error {
	for name, n := range map[string]int64{"helm-index-max-size": f.index, "helm-chart-max-size": f.packed, "helm-chart-file-max-size": f.file} {
		if n <= 0 {
			return usage("--%s=%d: want a number of bytes above zero", name, n)
		}
	}
	return nil
}

func (f *chartFlags) into(o *engine.Options) {
	o.MaxIndex, o.ChartLimits = f.index, chart.Limits{Packed: f.packed, File: f.file}
}
