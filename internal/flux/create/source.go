package create

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const sourceAPI = "source.toolkit.fluxcd.io/v1"

// GitRepository are the flags of create source git.
type GitRepository struct {
	URL, Branch, Tag, SemVer, RefName, Commit string
	SecretRef, ProxySecretRef, Provider       string
	CAFile                                    string // only whether it is given counts here
	RecurseSubmodules                         bool
	IgnorePaths, SparseCheckout               []string
	FetchTimeout                              time.Duration
}

// Object implements Maker.
func (f GitRepository) Object(m Meta) (*unstructured.Unstructured, error) {
	u, err := f.check()
	if err != nil {
		return nil, err
	}
	d, err := m.object(sourceAPI, "GitRepository")
	if err != nil {
		return nil, err
	}
	if f.CAFile != "" && u.Scheme == "ssh" {
		return nil, errors.New("specifying a CA file is not supported for Git over SSH; leave --ca-file out")
	}
	d.keep("spec.url", f.URL)
	d.keep("spec.interval", m.Interval)
	d.keep("spec.ref", f.ref())
	d.set("spec.recurseSubmodules", f.RecurseSubmodules)
	d.set("spec.ignore", strings.Join(f.IgnorePaths, "\n"))
	d.set("spec.sparseCheckout", texts(f.SparseCheckout))
	d.set("spec.timeout", f.FetchTimeout)
	d.set("spec.secretRef.name", f.SecretRef)
	d.set("spec.proxySecretRef.name", f.ProxySecretRef)
	d.set("spec.provider", f.Provider)
	return d.done(), nil
}

func (f GitRepository) check() (*url.URL, error) {
	if f.URL == "" {
		return nil, errors.New("url is required; pass --url")
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil, fmt.Errorf("git URL parse failed: %w", err)
	}
	if u.Scheme != "ssh" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("git URL scheme '%s' not supported, can be: ssh, http and https", u.Scheme)
	}
	if f.Branch == "" && f.Tag == "" && f.SemVer == "" && f.Commit == "" && f.RefName == "" {
		return nil, errors.New("a Git ref is required, use one of the following: --branch, --tag, --commit, --ref-name or --tag-semver")
	}
	return u, nil
}

// ref is the strongest of the refs that were given: upstream writes one alone.
func (f GitRepository) ref() map[string]any {
	switch {
	case f.Commit != "" && f.Branch != "":
		return map[string]any{"commit": f.Commit, "branch": f.Branch}
	case f.Commit != "":
		return map[string]any{"commit": f.Commit}
	case f.RefName != "":
		return map[string]any{"name": f.RefName}
	case f.SemVer != "":
		return map[string]any{"semver": f.SemVer}
	case f.Tag != "":
		return map[string]any{"tag": f.Tag}
	}
	return map[string]any{"branch": f.Branch}
}

// OCIRepository are the flags of create source oci.
type OCIRepository struct {
	URL, Tag, SemVer, Digest                 string
	SecretRef, ProxySecretRef, CertSecretRef string
	ServiceAccount, Provider, LayerSelector  string
	Insecure                                 bool
	IgnorePaths                              []string
	Verify                                   Verify
	FetchTimeout                             time.Duration
}

// Object implements Maker.
func (f OCIRepository) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.URL == "" {
		return nil, errors.New("url is required; pass --url")
	}
	if f.SemVer == "" && f.Tag == "" && f.Digest == "" {
		return nil, errors.New("--tag, --tag-semver or --digest is required")
	}
	mediaType, operation, err := f.layer()
	if err != nil {
		return nil, err
	}
	d, err := m.object(sourceAPI, "OCIRepository")
	if err != nil {
		return nil, err
	}
	d.set("spec.provider", f.Provider)
	d.keep("spec.url", f.URL)
	d.keep("spec.interval", m.Interval)
	d.set("spec.ref.digest", f.Digest)
	d.set("spec.ref.semver", f.SemVer)
	d.set("spec.ref.tag", f.Tag)
	d.set("spec.layerSelector.mediaType", mediaType)
	d.set("spec.layerSelector.operation", operation)
	d.set("spec.insecure", f.Insecure)
	d.set("spec.ignore", strings.Join(f.IgnorePaths, "\n"))
	d.set("spec.timeout", f.FetchTimeout)
	d.set("spec.serviceAccountName", f.ServiceAccount)
	d.set("spec.secretRef.name", f.SecretRef)
	d.set("spec.proxySecretRef.name", f.ProxySecretRef)
	d.set("spec.certSecretRef.name", f.CertSecretRef)
	return d.done(), f.Verify.write(d)
}

// layer reads --layer-selector: <media-type>:<operation>.
func (f OCIRepository) layer() (mediaType, operation string, err error) {
	if f.LayerSelector == "" {
		return "", "", nil
	}
	mediaType, operation, found := strings.Cut(f.LayerSelector, ":")
	if !found || mediaType == "" || operation == "" {
		return "", "", fmt.Errorf("invalid --layer-selector %q: must be in the format '<media-type>:<operation>'", f.LayerSelector)
	}
	if operation != "extract" && operation != "copy" {
		return "", "", fmt.Errorf("invalid --layer-selector %q: operation must be %q or %q", f.LayerSelector, "extract", "copy")
	}
	return mediaType, operation, nil
}

// Verify are the flags about signatures.
type Verify struct{ Provider, SecretRef, Issuer, Subject string }

func (v Verify) write(d draft) error {
	switch {
	case v.Provider == "" && v.SecretRef != "":
		return errors.New("a verification provider must be specified when a secret is specified; pass --verify-provider")
	case v.Provider == "" && (v.Issuer != "" || v.Subject != ""):
		return errors.New("a verification provider must be specified when OIDC issuer/subject is specified; pass --verify-provider")
	case v.Provider == "":
		return nil
	}
	d.keep("spec.verify.provider", v.Provider)
	d.set("spec.verify.secretRef.name", v.SecretRef)
	if v.Issuer != "" || v.Subject != "" {
		d.keep("spec.verify.matchOIDCIdentity", []any{map[string]any{"issuer": v.Issuer, "subject": v.Subject}})
	}
	return nil
}

// Bucket are the flags of create source bucket. The keys make a Secret, see
// BucketSecret.
type Bucket struct {
	BucketName, Endpoint, Region, Provider string
	SecretRef, ProxySecretRef              string
	Insecure                               bool
	IgnorePaths                            []string
	FetchTimeout                           time.Duration
}

// Object implements Maker.
func (f Bucket) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.BucketName == "" {
		return nil, errors.New("bucket-name is required; pass --bucket-name")
	}
	if f.Endpoint == "" {
		return nil, errors.New("endpoint is required; pass --endpoint")
	}
	d, err := m.object(sourceAPI, "Bucket")
	if err != nil {
		return nil, err
	}
	d.keep("spec.bucketName", f.BucketName)
	d.keep("spec.endpoint", f.Endpoint)
	d.keep("spec.interval", m.Interval)
	d.set("spec.provider", f.Provider)
	d.set("spec.insecure", f.Insecure)
	d.set("spec.region", f.Region)
	d.set("spec.ignore", strings.Join(f.IgnorePaths, "\n"))
	d.set("spec.timeout", f.FetchTimeout)
	d.set("spec.secretRef.name", f.SecretRef)
	d.set("spec.proxySecretRef.name", f.ProxySecretRef)
	return d.done(), nil
}
