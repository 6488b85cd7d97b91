package fluxcli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/secret"
)

// choice is a flag that takes one of a few words. what names it in errors, as
// upstream's do (flux2 v2.9.5, internal/flags).
type choice struct {
	to      *string
	what    string // "OCI provider"
	wording string // how a wrong word is refused; with what, the word, the words, the type
	words   []string
}

// The wordings of upstream.
const (
	notSupported = "%[1]s '%[2]s' is not supported, must be one of: %[3]s"
	joinedByBars = "%[1]s '%[2]s' is not supported, must be one of: %[4]s"
	unsupported  = "unsupported %[1]s '%[2]s', must be one of: %[3]s"
)

func (c *choice) Type() string   { return strings.Join(c.words, "|") }
func (c *choice) String() string { return text(c.to) }

func (c *choice) Set(word string) error {
	if strings.TrimSpace(word) == "" {
		return fmt.Errorf("no %s given, must be one of: %s", c.what, strings.Join(c.words, ", "))
	}
	if !slices.Contains(c.words, word) {
		return fmt.Errorf(c.wording, c.what, word, strings.Join(c.words, ", "), c.Type())
	}
	*c.to = word
	return nil
}

// The words of the choices.
var (
	gitProviders    = []string{"generic", "github", "aws", "azure"}
	ociProviders    = []string{"generic", "aws", "azure", "gcp"}
	verifyProviders = []string{"cosign"}
	crdPolicies     = []string{"Skip", "Create", "CreateReplace"}
	receiverTypes   = []string{"generic", "generic-hmac", "github", "gitlab", "bitbucket", "harbor", "dockerhub", "quay", "gcr", "nexus", "acr", "cdevents"}
	keyAlgorithms   = []string{"rsa", "ecdsa", "ed25519"}
	keyCurves       = []string{"p256", "p384", "p521"}
	logLevels       = []string{"debug", "info", "error"}
)

// reference is a flag that names an object.
type reference struct {
	to   *create.Reference
	read func(string) (create.Reference, error)
}

func (r *reference) Type() string { return "string" }

func (r *reference) String() string {
	if r.to == nil {
		return ""
	}
	return r.to.String()
}

func (r *reference) Set(s string) (err error) {
	*r.to, err = r.read(s)
	return err
}

// secretText is a flag whose value is never shown.
type secretText struct{ to *secret.Value }

func (s *secretText) Type() string   { return "string" }
func (s *secretText) String() string { return "" }

func (s *secretText) Set(text string) error {
	*s.to = secret.Of(text)
	return nil
}

// folder is a flag with a path that stays below the root.
type folder struct{ to *string }

func (f *folder) Type() string   { return "path" }
func (f *folder) String() string { return text(f.to) }

func (f *folder) Set(s string) error {
	*f.to = create.KustomizationPath(s)
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// maxFlagFile bounds a file that a flag names: values, certificates, keys.
const maxFlagFile = 4 << 20

// read reads a file that a flag names; wrong begins the error, as upstream's
// does. No name is no file.
func read(name, wrong string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	content, err := bounded(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wrong, err)
	}
	return content, nil
}

func bounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFlagFile+1))
	if err == nil && len(content) > maxFlagFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFlagFile)
	}
	return content, err
}
