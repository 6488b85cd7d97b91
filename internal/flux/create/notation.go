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
	Version       string           `json:"version"`
	TrustPolicies []trustStatement `json:"trustPolicies"`
}

type trustStatement struct {
	Name                  string   `json:"name"`
	RegistryScopes        []string `json:"registryScopes"`
	TrustStores           []string `json:"trustStores"`
	TrustedIdentities     []string `json:"trustedIdentities"`
	SignatureVerification struct {
		Level string `json:"level"`
	} `json:"signatureVerification"`
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
	case doc.Version != "1.0":
		return fmt.Errorf("version is %q, want \"1.0\"", doc.Version)
	case len(doc.TrustPolicies) == 0:
		return errors.New("trustPolicies is empty, want one statement at least")
	}
	names, scopes := map[string]bool{}, map[string]bool{}
	for _, p := range doc.TrustPolicies {
		if names[p.Name] {
			return fmt.Errorf("two statements are named %q", p.Name)
		}
		names[p.Name] = true
		if err := p.check(); err != nil {
			return fmt.Errorf("statement %q: %w", p.Name, err)
		}
		for _, scope := range p.RegistryScopes {
			if scopes[scope] {
				return fmt.Errorf("registry scope %q stands in two statements", scope)
			}
			scopes[scope] = true
		}
	}
	return nil
}

func (p trustStatement) check() error {
	level := p.SignatureVerification.Level
	given := len(p.TrustStores) > 0 && len(p.TrustedIdentities) > 0
	switch {
	case p.Name == "":
		return errors.New("it has no name")
	case !slices.Contains([]string{"strict", "permissive", "audit", "skip"}, level):
		return fmt.Errorf("signatureVerification.level is %q, want strict, permissive, audit or skip", level)
	case level == "skip" && len(p.TrustStores)+len(p.TrustedIdentities) > 0:
		return errors.New("it skips verification and names trustStores or trustedIdentities all the same")
	case level != "skip" && !given:
		return errors.New("it needs trustStores and trustedIdentities")
	case len(p.RegistryScopes) == 0:
		return errors.New("registryScopes is empty")
	}
	return nil
}
