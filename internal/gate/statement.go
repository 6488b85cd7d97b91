package gate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Statement is what a person signs: what an environment may hold.
//
//	leat.dev/approval/v1
//	environment production
//	digest sha256:…
//	expires 2026-12-01T00:00:00Z
//	unit flux-system_apps_kustomize.toolkit.fluxcd.io_Kustomization sha256:…
//
// The text is the same for equal statements: units are sorted, and nothing is
// optional but the line with the end.
type Statement struct {
	Environment string
	// Units are the digests by inventory id (object.InventoryID).
	Units map[string]Digest
	// Expires is when the statement ends; zero is never.
	Expires time.Time
}

const (
	statementHead = "leat.dev/approval/v1"
	// Namespace keeps signatures of statements apart from other signatures of the
	// same key (PROTOCOL.sshsig).
	Namespace = "approval@leat.dev"
	// MaxStatement bounds a signed statement in bytes, and MaxStatements how many
	// are looked at.
	MaxStatement  = 1 << 20
	MaxStatements = 200
)

// Text is what is signed.
func (s Statement) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nenvironment %s\ndigest %s\n", statementHead, s.Environment, s.Digest())
	if !s.Expires.IsZero() {
		fmt.Fprintf(&b, "expires %s\n", s.Expires.UTC().Format(time.RFC3339))
	}
	for _, id := range slices.Sorted(maps.Keys(s.Units)) {
		fmt.Fprintf(&b, "unit %s %s\n", id, s.Units[id])
	}
	return b.Bytes()
}

// Digest is that of the environment.
func (s Statement) Digest() Digest {
	lines := make([]string, 0, len(s.Units))
	for id, digest := range s.Units {
		lines = append(lines, id+" "+string(digest))
	}
	return sum(lines)
}

// ParseStatement reads the text of a statement. One that is not exactly as Text
// writes it is refused, so that nobody signs what reads in two ways.
func ParseStatement(text []byte) (Statement, error) {
	s := Statement{Units: map[string]Digest{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, MaxStatement)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "environment":
			s.Environment = rest
		case "expires":
			at, err := time.Parse(time.RFC3339, rest)
			if err != nil {
				return s, fmt.Errorf("approval: expires %q: %w", rest, err)
			}
			s.Expires = at
		case "unit":
			id, digest, _ := strings.Cut(rest, " ")
			s.Units[id] = Digest(digest)
		}
	}
	if !bytes.Equal(s.Text(), text) {
		return s, errors.New("approval: this is no statement as leat writes it: " + statementHead)
	}
	return s, nil
}

// Sign signs a statement. The result is its text, and the signature in the armour
// of ssh-keygen -Y sign, which can make and check it as well.
func Sign(s Statement, key ssh.Signer) ([]byte, error) {
	text := s.Text()
	sig, err := sshsig.Sign(bytes.NewReader(text), key, sshsig.HashSHA512, Namespace)
	if err != nil {
		return nil, fmt.Errorf("sign the approval of %s: %w", s.Environment, err)
	}
	return append(text, sshsig.Armor(sig)...), nil
}

// Signer is somebody whose signature counts.
type Signer struct {
	Person string
	Key    ssh.PublicKey
}

// Signers reads whose keys sign approvals, see SignersIn.
func Signers(text []byte, now time.Time) ([]Signer, error) { return SignersIn(Namespace, text, now) }

// SignersIn reads keys in the format of ALLOWED SIGNERS of ssh-keygen(1): principals,
// options, key. Of the options only namespaces, valid-after and valid-before are
// known; a line with another one is an error, since it would say less than its writer
// thinks. Keys that are not valid at that moment, or not in that namespace, are left out.
func SignersIn(namespace string, text []byte, now time.Time) ([]Signer, error) {
	var out []Signer
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		principals, rest, _ := strings.Cut(line, " ")
		key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
		if err != nil {
			return nil, fmt.Errorf("signers, line %d: %w; write PERSON KEYTYPE KEY", n+1, err)
		}
		valid, err := fits(options, namespace, now)
		if err != nil {
			return nil, fmt.Errorf("signers, line %d: %w", n+1, err)
		}
		for person := range strings.SplitSeq(principals, ",") {
			if valid {
				out = append(out, Signer{person, key})
			}
		}
	}
	return out, nil
}

// fits tells whether the options of a key let it sign in a namespace now.
func fits(options []string, namespace string, now time.Time) (bool, error) {
	valid := true
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			valid = valid && slices.Contains(strings.Split(value, ","), namespace)
		case "valid-after", "valid-before":
			at, err := stamp(value)
			if err != nil {
				return false, fmt.Errorf("%s: %w", option, err)
			}
			valid = valid && now.Before(at) == strings.EqualFold(name, "valid-before")
		default:
			return false, fmt.Errorf("option %s is not supported", option)
		}
	}
	return valid, nil
}

// stamp reads a time as ssh-keygen(1) writes it; without Z it is taken as UTC, since
// the machine that reads it may stand anywhere.
func stamp(text string) (time.Time, error) {
	text = strings.TrimSuffix(text, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write YYYYMMDD or YYYYMMDDHHMM[SS]", text)
}

const armour = "-----BEGIN " + sshsig.PEMType + "-----"

// Read takes a signed statement apart and says whose signature it bears: all persons
// that the key belongs to.
func Read(signed []byte, signers []Signer) (s Statement, by []string, err error) {
	if len(signed) > MaxStatement {
		return s, nil, fmt.Errorf("approval: more than %d bytes", MaxStatement)
	}
	at := bytes.Index(signed, []byte("\n"+armour))
	if at < 0 {
		return s, nil, errors.New("approval: it is not signed")
	}
	text := signed[:at+1]
	sig, err := sshsig.Unarmor(signed[at+1:])
	if err != nil {
		return s, nil, fmt.Errorf("approval: signature: %w", err)
	}
	for _, signer := range signers {
		if err := sshsig.Verify(bytes.NewReader(text), sig, signer.Key, sig.HashAlgorithm, Namespace); err == nil {
			by = append(by, signer.Person)
		}
	}
	if len(by) == 0 {
		return s, nil, errors.New("approval: signed by nobody who may, or changed since")
	}
	s, err = ParseStatement(text)
	return s, by, err
}
