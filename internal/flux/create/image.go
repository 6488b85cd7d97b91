package create

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const imageAPI = "image.toolkit.fluxcd.io/v1"

// ImageRepository are the flags of create image repository. That Image names a
// repository is checked by the caller.
type ImageRepository struct {
	Image, SecretRef, CertSecretRef string
	ScanTimeout                     time.Duration
}

// Object implements Maker.
func (f ImageRepository) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Image == "" {
		return nil, errors.New("an image repository (--image) is required")
	}
	d, err := m.object(imageAPI, "ImageRepository")
	if err != nil {
		return nil, err
	}
	d.keep("spec.image", f.Image)
	d.keep("spec.interval", m.Interval)
	d.set("spec.timeout", f.ScanTimeout)
	d.set("spec.secretRef.name", f.SecretRef)
	d.set("spec.certSecretRef.name", f.CertSecretRef)
	return d.done(), nil
}

// ImagePolicy are the flags of create image policy.
type ImagePolicy struct {
	ImageRef                   string
	SemVer, Alpha, Numeric     string
	FilterRegex, FilterExtract string
	ReflectDigest              string
	DigestInterval             time.Duration // --interval of this verb
}

// Object implements Maker.
func (f ImagePolicy) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.ImageRef == "" {
		return nil, errors.New("the name of an ImageRepository in the namespace is required (--image-ref)")
	}
	d, err := m.object(imageAPI, "ImagePolicy")
	if err != nil {
		return nil, err
	}
	d.keep("spec.imageRepositoryRef.name", f.ImageRef)
	for _, write := range []func(draft) error{f.selection, f.filter, f.digest} {
		if err := write(d); err != nil {
			return nil, err
		}
	}
	return d.done(), nil
}

func (f ImagePolicy) selection(d draft) error {
	given := 0
	for _, s := range []string{f.SemVer, f.Alpha, f.Numeric} {
		if s != "" {
			given++
		}
	}
	orders := []string{"", "asc", "desc"}
	switch {
	case given > 1: // upstream writes an empty policy for two of the three pairs
		return errors.New("only one of --select-semver, --select-alpha or --select-numeric can be specified")
	case given == 0:
		return errors.New("a policy must be provided with either --select-semver or --select-alpha")
	case !slices.Contains(orders, f.Alpha):
		return errors.New(`--select-alpha must be one of ["asc", "desc"]`)
	case !slices.Contains(orders, f.Numeric):
		return errors.New(`--select-numeric must be one of ["asc", "desc"]`)
	}
	d.set("spec.policy.semver.range", f.SemVer)
	d.set("spec.policy.alphabetical.order", f.Alpha)
	d.set("spec.policy.numerical.order", f.Numeric)
	return nil
}

func (f ImagePolicy) filter(d draft) error {
	if f.FilterRegex == "" {
		if f.FilterExtract != "" {
			return errors.New("cannot specify --filter-extract without specifying --filter-regex")
		}
		return nil
	}
	exp, err := syntax.Parse(f.FilterRegex, syntax.Perl)
	if err != nil {
		return errors.New("--filter-regex is an invalid regex pattern; it is RE2's syntax")
	}
	if err := checkExtract(f.FilterExtract, exp.CapNames()); err != nil {
		return err
	}
	d.keep("spec.filterTags.pattern", f.FilterRegex)
	d.set("spec.filterTags.extract", f.FilterExtract)
	return nil
}

// group is one use of a capture group in a template of regexp.Expand: $$,
// $name, ${name}, or a dollar that is none of them.
var group = regexp.MustCompile(`\$(?:(\$)|([\pL\p{Nd}_]+)|\{([\pL\p{Nd}_]+)\}|)`)

// checkExtract holds a template to the groups that there are. Numbers pass.
func checkExtract(template string, names []string) error {
	for _, found := range group.FindAllStringSubmatch(template, -1) {
		name := found[2] + found[3]
		switch {
		case found[1] != "" || decimal.MatchString(name):
		case name == "":
			return errors.New("--filter-extract is malformed; write $name, ${name} or $$")
		case !slices.Contains(names, name):
			return fmt.Errorf("capture group $%s used in --filter-extract not found in --filter-regex", name)
		}
	}
	return nil
}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

func (f ImagePolicy) digest(d draft) error {
	if !slices.Contains([]string{"", "Never", "IfNotPresent", "Always"}, f.ReflectDigest) {
		return errors.New("invalid value for --reflect-digest, must be one of 'Never', 'IfNotPresent', 'Always'")
	}
	if f.DigestInterval != 0 && f.ReflectDigest != "Always" {
		return errors.New("the --interval flag can only be used with the 'Always' digest reflection policy, use --reflect-digest=Always")
	}
	d.set("spec.digestReflectionPolicy", f.ReflectDigest)
	d.set("spec.interval", f.DigestInterval)
	return nil
}

// ImageUpdate are the flags of create image update.
type ImageUpdate struct {
	GitRepo, GitRepoNamespace, Path  string
	CheckoutBranch, PushBranch       string
	CommitTemplate                   string
	AuthorName, AuthorEmail          string
	SigningKeySecret, SigningKeyType string
}

// Object implements Maker.
func (f ImageUpdate) Object(m Meta) (*unstructured.Unstructured, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	d, err := m.object(imageAPI, "ImageUpdateAutomation")
	if err != nil {
		return nil, err
	}
	d.keep("spec.sourceRef", Reference{"GitRepository", f.GitRepo, f.GitRepoNamespace}.object())
	d.keep("spec.interval", m.Interval)
	d.keep("spec.git.checkout.ref.branch", f.CheckoutBranch)
	d.keep("spec.git.commit.author.name", f.AuthorName)
	d.keep("spec.git.commit.author.email", f.AuthorEmail)
	d.set("spec.git.commit.messageTemplate", f.CommitTemplate)
	d.set("spec.git.push.branch", f.PushBranch)
	d.set("spec.git.commit.signingKey.secretRef.name", f.SigningKeySecret)
	d.set("spec.git.commit.signingKey.type", f.SigningKeyType)
	if f.Path != "" {
		d.keep("spec.update.path", f.Path)
		d.keep("spec.update.strategy", "Setters")
	}
	return d.done(), nil
}

func (f ImageUpdate) check() error {
	switch {
	case f.GitRepo == "":
		return errors.New("a reference to a GitRepository is required (--git-repo-ref)")
	case f.CheckoutBranch == "":
		return errors.New("the Git repository branch is required (--checkout-branch)")
	case f.AuthorName == "":
		return errors.New("the author name is required (--author-name)")
	case f.AuthorEmail == "":
		return errors.New("the author email is required (--author-email)")
	case f.SigningKeyType != "" && f.SigningKeySecret == "":
		return errors.New("--signing-key-type requires --signing-key-secret")
	case !slices.Contains([]string{"", "gpg", "ssh"}, f.SigningKeyType):
		return errors.New("--signing-key-type must be one of: gpg, ssh")
	}
	return nil
}
