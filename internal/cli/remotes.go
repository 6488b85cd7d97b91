package cli

import (
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/world/remote"
)

// remoteFlags are about the clusters of spec.kubeConfig; they are those of Flux's
// controllers.
type remoteFlags struct {
	allow   remote.Allow
	account string
}

func (f *remoteFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.allow.Exec, "insecure-kubeconfig-exec", false, "let kubeconfigs of other clusters run programs (user.exec)")
	fs.BoolVar(&f.allow.Insecure, "insecure-kubeconfig-tls", false, "let kubeconfigs of other clusters leave certificates unverified")
	fs.StringVar(&f.account, "default-kubeconfig-service-account", "", "ServiceAccount whose tokens open other clusters where spec.kubeConfig.configMapRef names none")
}
