package cli

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/engine"
)

// Each flag and feature gate of Flux reaches what acts upon it.
func TestEngineFlags(t *testing.T) {
	for arg, has := range map[string]func(engine.Options) bool{
		"--feature-gates=UseHelm3Defaults=true":              func(o engine.Options) bool { return o.HelmGates.Helm3Defaults },
		"--feature-gates=AllowDNSLookups=true":               func(o engine.Options) bool { return o.HelmGates.DNS },
		"--feature-gates=DefaultToRetryOnFailure=true":       func(o engine.Options) bool { return o.DefaultToRetryOnFailure },
		"--feature-gates=DisableChartDigestTracking=true":    func(o engine.Options) bool { return o.DisableChartDigestTracking },
		"--feature-gates=AdditiveCELDependencyCheck=true":    func(o engine.Options) bool { return o.AdditiveReadyExpr },
		"--feature-gates=StrictPostBuildSubstitutions=false": func(o engine.Options) bool { return !o.Strict },
		"--feature-gates=DisableFailFastBehavior=true":       func(o engine.Options) bool { return !o.FailFast },
		"--override-manager=rogue":                           func(o engine.Options) bool { return slices.Equal(o.OverrideManagers, []string{"rogue"}) },
		"--default-service-account=low":                      func(o engine.Options) bool { return o.DefaultServiceAccount == "low" },
		"--no-cross-namespace-refs":                          func(o engine.Options) bool { return o.NoCrossNamespaceRefs },
		"--no-remote-bases":                                  func(o engine.Options) bool { return o.NoRemoteBases },
	} {
		if !has(optionsOf(t, arg)) {
			t.Errorf("%s is not heard", arg)
		}
		if has(optionsOf(t)) {
			t.Errorf("%s is so without it", arg)
		}
	}
}

func optionsOf(t *testing.T, args ...string) engine.Options {
	t.Helper()
	var f engineFlags
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	o, err := f.options(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
