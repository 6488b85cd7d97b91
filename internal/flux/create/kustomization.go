package create

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Kustomization are the flags of create kustomization.
type Kustomization struct {
	Source                               Reference // of SourceOfKustomization
	Path                                 string    // of KustomizationPath
	Prune, Wait                          bool
	DependsOn, HealthChecks              []string
	HealthTimeout, RetryInterval         time.Duration
	ServiceAccount, TargetNamespace      string
	DecryptionProvider, DecryptionSecret string
	KubeConfigSecretRef                  string
}

// KustomizationPath reads --path: what leads above the root stays below it.
func KustomizationPath(text string) string {
	var kept []string
	for element := range strings.SplitSeq(strings.TrimSpace(text), "/") {
		switch {
		case element == "" || element == ".":
		case element == "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, element)
		}
	}
	return "./" + strings.Join(kept, "/")
}

// Object implements Maker.
func (f Kustomization) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Source.Name == "" {
		return nil, errors.New("source is required; pass --source=[<kind>/]<name>[.<namespace>]")
	}
	d, err := m.object("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
	if err != nil {
		return nil, err
	}
	d.keep("spec.interval", m.Interval)
	d.set("spec.path", f.Path)
	d.keep("spec.prune", f.Prune)
	d.keep("spec.sourceRef", f.Source.object())
	d.set("spec.targetNamespace", f.TargetNamespace)
	d.set("spec.dependsOn", dependencies(f.DependsOn))
	d.set("spec.kubeConfig.secretRef.name", f.KubeConfigSecretRef)
	d.set("spec.serviceAccountName", f.ServiceAccount)
	d.set("spec.retryInterval", f.RetryInterval)
	d.set("spec.decryption.provider", f.DecryptionProvider)
	if f.DecryptionProvider != "" {
		d.set("spec.decryption.secretRef.name", f.DecryptionSecret)
	}
	return d.done(), f.health(d)
}

// health writes what is waited for: with --wait all, else the checks.
func (f Kustomization) health(d draft) error {
	if f.Wait {
		d.keep("spec.wait", true)
		d.keep("spec.timeout", f.HealthTimeout)
		return nil
	}
	checks := make([]any, 0, len(f.HealthChecks))
	for _, text := range f.HealthChecks {
		check, err := healthCheck(text)
		if err != nil {
			return err
		}
		checks = append(checks, check)
	}
	if len(checks) > 0 {
		d.keep("spec.healthChecks", checks)
		d.keep("spec.timeout", f.HealthTimeout)
	}
	return nil
}

func healthCheck(text string) (map[string]any, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 2 {
		return nil, fmt.Errorf("invalid health check '%s' must be in the format 'kind/name.namespace' %v", text, parts)
	}
	kind := parts[0]
	if !slices.Contains(healthKinds, kind) {
		return nil, fmt.Errorf("invalid health check kind '%s' can be HelmRelease, Deployment, DaemonSet or StatefulSet", kind)
	}
	name, namespace, ok := strings.Cut(parts[1], ".")
	if !ok || strings.Contains(namespace, ".") {
		return nil, fmt.Errorf("invalid health check '%s' must be in the format 'kind/name.namespace'", text)
	}
	check := Reference{kind, name, namespace}.object()
	if kind == "HelmRelease" {
		check["apiVersion"] = "helm.toolkit.fluxcd.io/v2"
	}
	return check, nil
}
