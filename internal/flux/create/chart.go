package create

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// HelmRepository are the flags of create source helm. Credentials make a
// Secret, see HelmSecret.
type HelmRepository struct {
	URL, SecretRef, OCIProvider string
	PassCredentials             bool
	FetchTimeout                time.Duration
}

// Object implements Maker.
func (f HelmRepository) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.URL == "" {
		return nil, errors.New("url is required; pass --url")
	}
	d, err := m.object(sourceAPI, "HelmRepository")
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(f.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("url parse failed: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "oci":
		return nil, fmt.Errorf("url scheme '%s' not supported, can be: http, https and oci", u.Scheme)
	case u.Host == "":
		return nil, errors.New("url host is required; write --url with a host")
	}
	d.keep("spec.url", f.URL)
	d.keep("spec.interval", m.Interval)
	if u.Scheme == "oci" {
		d.keep("spec.type", "oci")
		d.set("spec.provider", f.OCIProvider)
	}
	d.set("spec.timeout", f.FetchTimeout)
	if f.SecretRef != "" {
		d.keep("spec.secretRef.name", f.SecretRef)
		d.set("spec.passCredentials", f.PassCredentials)
	}
	return d.done(), nil
}

// HelmChart are the flags of create source chart.
type HelmChart struct {
	Chart, Version, ReconcileStrategy string
	Source                            Reference // of SourceOfChart
	Verify                            Verify
}

// Object implements Maker.
func (f HelmChart) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Source.Kind == "" || f.Source.Name == "" {
		return nil, errors.New("chart source is required; pass --source=<kind>/<name>")
	}
	if f.Chart == "" {
		return nil, errors.New("chart name or path is required; pass --chart")
	}
	d, err := m.object(sourceAPI, "HelmChart")
	if err != nil {
		return nil, err
	}
	d.keep("spec.chart", f.Chart)
	d.set("spec.version", f.Version)
	d.keep("spec.interval", m.Interval)
	d.set("spec.reconcileStrategy", f.ReconcileStrategy)
	d.keep("spec.sourceRef", Reference{Kind: f.Source.Kind, Name: f.Source.Name}.object())
	return d.done(), f.Verify.write(d)
}
