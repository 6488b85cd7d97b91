package create

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// NotationSecret are the flags of create secret notation, read.
type NotationSecret struct {
	PolicyName string // of the file
	Policy     []byte
	Certs      []ValuesFile // by the base name of their files
}

// Object implements Maker.
func (f NotationSecret) Object(m Meta) (*unstructured.Unstructured, error) {
	if err := checkPolicy(f.PolicyName, f.Policy); err != nil {
		return nil, err
	}
	data := map[string]any{"trustpolicy.json": string(f.Policy)}
	for _, cert := range f.Certs {
		data[cert.Name] = string(cert.Content)
	}
	return m.secretOf("", data)
}

// CheckCertName refuses files that source-controller would not read.
func CheckCertName(name string) error {
	if strings.HasSuffix(name, ".crt") || strings.HasSuffix(name, ".pem") {
		return nil
	}
	return fmt.Errorf("%s must end with either .crt or .pem", name)
}

// trustPolicy is the part of a policy document that is checked (Notary Project
// trust policy specification v1.0).
type trustPolicy struct {
	Version       string `json:"version"`
	TrustPolicies []struct {
		Name                  string   `json:"name"`
		RegistryScopes        []string `json:"registryScopes"`
		TrustStores           []string `json:"trustStores"`
		TrustedIdentities     []string `json:"trustedIdentities"`
		SignatureVerification struct {
			Level string `json:"level"`
		} `json:"signatureVerification"`
	} `json:"trustPolicies"`
}

func checkPolicy(name string, text []byte) error {
	var doc trustPolicy
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("failed to unmarshal trust policy %s: %w", name, err)
	}
	if err := doc.check(); err != nil {
		return fmt.Errorf("invalid trust policy: %w", err)
	}
	return nil
}

func (doc trustPolicy) check() error {
	switch {
	case doc.Version == "":
		return errors.New("trust policy document has empty version, version must be specified")
	case doc.Version != "1.0":
		return fmt.Errorf("trust policy document uses unsupported version %q", doc.Version)
	case len(doc.TrustPolicies) == 0:
		return errors.New("trust policy document can not have zero trust policy statements")
	}
	names, scopes := map[string]bool{}, map[string]bool{}
	for _, p := range doc.TrustPolicies {
		level := p.SignatureVerification.Level
		switch {
		case p.Name == "":
			return errors.New("trust policy: a trust policy statement is missing a name, every statement requires a name")
		case names[p.Name]:
			return fmt.Errorf("multiple trust policy statements use the same name %q, statement names must be unique", p.Name)
		case !slices.Contains([]string{"strict", "permissive", "audit", "skip"}, level):
			return fmt.Errorf("trust policy: trust policy statement %q has invalid signatureVerification: invalid signature verification level %q", p.Name, level)
		case level == "skip" && len(p.TrustStores)+len(p.TrustedIdentities) > 0:
			return fmt.Errorf("trust policy: trust policy statement %q is set to skip signature verification but configured with trust stores and/or trusted identities, remove them if signature verification needs to be skipped", p.Name)
		case level != "skip" && (len(p.TrustStores) == 0 || len(p.TrustedIdentities) == 0):
			return fmt.Errorf("trust policy: trust policy statement %q is either missing trust stores or trusted identities, both must be specified", p.Name)
		case len(p.RegistryScopes) == 0:
			return fmt.Errorf("trust policy statement %q has zero registry scopes, it must specify registry scopes with at least one value", p.Name)
		}
		names[p.Name] = true
		for _, scope := range p.RegistryScopes {
			if scopes[scope] {
				return fmt.Errorf("registry scope %q is present in multiple trust policy statements, one registry scope value can only be associated with one statement", scope)
			}
			scopes[scope] = true
		}
	}
	return nil
}
