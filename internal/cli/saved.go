package cli

import (
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/app"
)

// keeping says whether rendered bases are kept between plans.
type keeping struct{ noCache bool }

func (k *keeping) register(fs *pflag.FlagSet) {
	fs.BoolVar(&k.noCache, "no-cache", false, "render the base anew, and do not keep it for the next plan")
}

// into has a plan keep what it renders beside what was fetched.
func (k *keeping) into(cfg *app.PreviewConfig) {
	if !k.noCache {
		cfg.Saved = filepath.Join(cfg.CacheDir, "plan")
	}
}
