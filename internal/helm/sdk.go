// Package helm does what a HelmRelease asks for, with the Helm SDK: the second
// driver beside apply.
package helm

import (
	_ "helm.sh/helm/v4/pkg/action"
	_ "helm.sh/helm/v4/pkg/chart/v2/loader"
	_ "helm.sh/helm/v4/pkg/chart/common/util"
	_ "helm.sh/helm/v4/pkg/kube"
	_ "helm.sh/helm/v4/pkg/postrenderer"
	_ "helm.sh/helm/v4/pkg/registry"
	_ "helm.sh/helm/v4/pkg/repo/v1"
	_ "helm.sh/helm/v4/pkg/downloader"
	_ "helm.sh/helm/v4/pkg/storage/driver"
	_ "helm.sh/helm/v4/pkg/strvals"
	_ "github.com/fluxcd/helm-controller/api/v2"
	_ "github.com/fluxcd/helm-controller/api/v2beta1"
	_ "github.com/fluxcd/helm-controller/api/v2beta2"
	_ "github.com/google/go-containerregistry/pkg/v1/remote"
	_ "k8s.io/cli-runtime/pkg/genericclioptions"
)
