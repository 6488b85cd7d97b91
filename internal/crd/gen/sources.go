package main

// A module is one published release of a Flux API module and the versions
// whose schema is read from it.
type module struct {
	Path     string
	Version  string
	Versions []string
}

// modules lists every release that is read. For each API version it names the
// last release that still had the type and the oldest one since Flux 2.0 that
// the module proxy offers: what either of them accepted is accepted here.
// Order is oldest first; the last release of a kind decides names, columns
// and defaults.
var modules = []module{
	{"github.com/fluxcd/source-controller/api", "v1.0.0", []string{"v1", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/source-controller/api", "v1.3.0", []string{"v1", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/source-controller/api", "v1.6.2", []string{"v1", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/source-controller/api", "v1.7.4", []string{"v1", "v1beta2"}},
	{"github.com/fluxcd/source-controller/api", "v1.9.5", []string{"v1"}},

	{"github.com/fluxcd/kustomize-controller/api", "v1.0.0", []string{"v1", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/kustomize-controller/api", "v1.6.1", []string{"v1", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/kustomize-controller/api", "v1.7.3", []string{"v1", "v1beta2"}},
	{"github.com/fluxcd/kustomize-controller/api", "v1.9.5", []string{"v1"}},

	{"github.com/fluxcd/helm-controller/api", "v0.35.0", []string{"v2beta1"}},
	{"github.com/fluxcd/helm-controller/api", "v0.37.0", []string{"v2beta2", "v2beta1"}},
	{"github.com/fluxcd/helm-controller/api", "v1.3.0", []string{"v2", "v2beta2", "v2beta1"}},
	{"github.com/fluxcd/helm-controller/api", "v1.4.5", []string{"v2", "v2beta2"}},
	{"github.com/fluxcd/helm-controller/api", "v1.6.4", []string{"v2"}},

	{"github.com/fluxcd/notification-controller/api", "v1.0.0", []string{"v1", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/notification-controller/api", "v1.6.0", []string{"v1", "v1beta3", "v1beta2", "v1beta1"}},
	{"github.com/fluxcd/notification-controller/api", "v1.8.0", []string{"v1", "v1beta3", "v1beta2"}},
	{"github.com/fluxcd/notification-controller/api", "v1.9.4", []string{"v1", "v1beta3"}},

	{"github.com/fluxcd/image-reflector-controller/api", "v0.29.0", []string{"v1beta2", "v1beta1"}},
	{"github.com/fluxcd/image-reflector-controller/api", "v0.35.2", []string{"v1beta2", "v1beta1"}},
	{"github.com/fluxcd/image-reflector-controller/api", "v1.1.1", []string{"v1", "v1beta2"}},
	{"github.com/fluxcd/image-reflector-controller/api", "v1.2.5", []string{"v1"}},

	{"github.com/fluxcd/image-automation-controller/api", "v0.38.0", []string{"v1beta2", "v1beta1"}},
	{"github.com/fluxcd/image-automation-controller/api", "v0.41.2", []string{"v1beta2", "v1beta1"}},
	{"github.com/fluxcd/image-automation-controller/api", "v1.1.2", []string{"v1", "v1beta2"}},
	{"github.com/fluxcd/image-automation-controller/api", "v1.2.5", []string{"v1"}},

	{"github.com/fluxcd/source-watcher/api/v2", "v2.2.4", []string{"v1beta1"}},
}
