package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	certLife   = 10 * 365 * 24 * time.Hour
	renewUnder = 90 * 24 * time.Hour // a certificate with less left is made anew
)

// serviceCIDR is the range of Service addresses; its first one is kubernetes.default.
const serviceCIDR = "10.96.0.0/16"

// pki is the folder with the cluster's keys and certificates, all ECDSA P-256.
type pki struct{ dir string }

func (p pki) file(name string) string { return filepath.Join(p.dir, name) }

// ensure makes all keys when one is missing, unreadable or about to expire.
// A new set makes old kubeconfigs and ServiceAccount tokens invalid, nothing else.
func (p pki) ensure(now time.Time) error {
	if p.sound(now) {
		return nil
	}
	tmp := pki{p.dir + ".tmp"}
	if err := os.RemoveAll(tmp.dir); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := os.MkdirAll(tmp.dir, 0o700); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := tmp.create(now); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	return os.Rename(tmp.dir, p.dir)
}

// sound reports whether all files are there, fit together and last for a while.
func (p pki) sound(now time.Time) bool {
	if _, err := os.Stat(p.file("sa.key")); err != nil {
		return false
	}
	for _, name := range certNames {
		pair, err := tls.LoadX509KeyPair(p.file(name+".crt"), p.file(name+".key"))
		if err != nil || pair.Leaf == nil || pair.Leaf.NotAfter.Before(now.Add(renewUnder)) {
			return false
		}
	}
	return true
}

var certNames = []string{"ca", "front-proxy-ca", "apiserver", "admin", "controller-manager", "scheduler", "front-proxy-client"}

func (p pki) create(now time.Time) error {
	ca, err := p.authority("ca", "leat-ca", now)
	if err != nil {
		return err
	}
	front, err := p.authority("front-proxy-ca", "leat-front-proxy-ca", now)
	if err != nil {
		return err
	}
	if _, err := ca.issue(p, "apiserver", serverCert(now)); err != nil {
		return err
	}
	for _, c := range []struct {
		name, user, group string
		by                *authority
	}{
		{"admin", "leat-admin", "system:masters", ca},
		{"controller-manager", "system:kube-controller-manager", "", ca},
		{"scheduler", "system:kube-scheduler", "", ca},
		{"front-proxy-client", "front-proxy-client", "", front},
	} {
		if _, err := c.by.issue(p, c.name, clientCert(c.user, c.group, now)); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return p.writeKey("sa", key)
}

// authority is a certificate with its key; a nil one makes self-signed certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (p pki) authority(name, commonName string, now time.Time) (*authority, error) {
	t := template(commonName, now)
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage |= x509.KeyUsageCertSign
	var none *authority
	return none.issue(p, name, t)
}

func (a *authority) issue(p pki, name string, t *x509.Certificate) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, err
	}
	parent, signer := t, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(p.file(name+".crt"), block, 0o600); err != nil {
		return nil, err
	}
	return &authority{cert, key}, p.writeKey(name, key)
}

func (p pki) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(p.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func template(commonName string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: commonName},
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(certLife),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

func serverCert(now time.Time) *x509.Certificate {
	t := template("kube-apiserver", now)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	return t
}

func clientCert(user, group string, now time.Time) *x509.Certificate {
	t := template(user, now)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if group != "" {
		t.Subject.Organization = []string{group}
	}
	return t
}
