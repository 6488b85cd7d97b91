package carry

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// The annotation by which Flux v1 leaves an object alone: it neither applies nor deletes
// it. Both prefixes mean the same (fluxcd/flux 1.25, pkg/cluster/kubernetes/resource);
// a file that uses the old one keeps to it.
const ignoredOldV1 = "flux.weave.works/ignore"

// maxDeclared bounds the files that are looked through for a manifest.
const maxDeclared = 20_000

// ManifestV1 is an object of a fleet of Flux v1, as it is written.
type ManifestV1 struct {
	Object     object.Key
	APIVersion string
	File       string // from the fleet's root
	Line       int
	Ignore     string // the annotation that keeps it in Git
	// Release is the Helm release that goes with it; empty where it is no HelmRelease.
	Release string
	// Patches are files of patches for what is generated, in which it may stand too;
	// Generators files of commands that name its file.
	Patches, Generators []string
}

// FluxV1 tells whether a directory is delivered by Flux v1: it has, or lies below, a
// .flux.yaml, or has HelmReleases of the Helm operator.
func FluxV1(files tree.Tree, dir string) bool {
	if len(configsV1(files, dir)) > 0 {
		return true
	}
	found := false
	_ = eachManifest(files, dir, func(m manifest) {
		found = found || m.Kind == "HelmRelease" && groupV1(m.APIVersion)
	})
	return found
}

func groupV1(apiVersion string) bool {
	return strings.HasPrefix(apiVersion, "helm.fluxcd.io/") || strings.HasPrefix(apiVersion, "flux.weave.works/")
}

// configsV1 are the .flux.yaml of a directory: Flux v1 looks for it there, and then
// above.
func configsV1(files tree.Tree, dir string) []string {
	for at := cmp.Or(dir, "."); ; at = path.Dir(at) {
		if name := path.Join(at, ".flux.yaml"); files.Lookup(name).Kind == tree.File {
			return []string{name}
		}
		if at == "." {
			return nil
		}
	}
}

// FindV1 finds where an object of an environment is written: Kind/namespace/name, or as
// much of the end as is clear. Flux v1 reads every manifest of a directory, but for
// charts; what its generators make stands in the manifests that they read.
func FindV1(files tree.Tree, dir, name string) (ManifestV1, error) {
	configs := configsV1(files, dir)
	patches, err := patchesV1(files, dir, configs)
	if err != nil {
		return ManifestV1{}, err
	}
	var found []ManifestV1
	err = eachManifest(files, dir, func(m manifest) {
		if slices.Contains(patches, m.file) || !m.called(name) {
			return
		}
		one := ManifestV1{Object: m.key(), APIVersion: m.APIVersion, File: m.file, Line: m.line, Ignore: IgnoredV1, Patches: patches}
		if bytes.Contains(m.text, []byte("flux.weave.works/")) && !bytes.Contains(m.text, []byte(" fluxcd.io/")) {
			one.Ignore = ignoredOldV1
		}
		if m.Kind == "HelmRelease" && groupV1(m.APIVersion) {
			one.Release = m.release()
		}
		found = append(found, one)
	})
	switch {
	case err != nil:
		return ManifestV1{}, err
	case len(found) == 0:
		return ManifestV1{}, fmt.Errorf("no manifest in %s is called %s", cmp.Or(dir, "the repository"), name)
	case len(found) > 1:
		var all []string
		for _, m := range found {
			all = append(all, fmt.Sprintf("%s (%s:%d)", m.Object, m.File, m.Line))
		}
		return ManifestV1{}, fmt.Errorf("%s can be %s: say which", name, strings.Join(all, ", "))
	}
	out := found[0]
	for _, config := range configs {
		if text, err := files.ReadFile(config); err == nil && bytes.Contains(text, []byte(path.Base(out.File))) {
			out.Generators = append(out.Generators, config)
		}
	}
	return out, nil
}

// manifest is a document with a kind and a name.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		ReleaseName     string `yaml:"releaseName"`
		TargetNamespace string `yaml:"targetNamespace"`
	}

	file string
	line int
	text []byte
}

// eachManifest visits the manifests below a directory that Flux v1 would read.
func eachManifest(files tree.Tree, dir string, visit func(manifest)) error {
	sub, err := files.Sub(cmp.Or(dir, "."))
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	looked := 0
	return sub.Walk(func(name string, blob *tree.Blob) error {
		file := path.Join(dir, name)
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" || inChart(files, file) {
			return nil
		}
		if looked++; looked > maxDeclared {
			return fmt.Errorf("%s has more than %d files of YAML", cmp.Or(dir, "the repository"), maxDeclared)
		}
		if blob.Size > tree.MaxFileBytes {
			return nil
		}
		text, err := blob.Read()
		if err != nil {
			return err
		}
		documents, err := edit.Documents(text)
		if err != nil {
			return nil // a template, or what is no manifest
		}
		for _, d := range documents {
			if m := (manifest{file: file, line: d.Line, text: text}); decoded(d, &m) {
				visit(m)
			}
		}
		return nil
	})
}

// decoded reads what names a document; false for what is no manifest. Fields of the wrong
// type are as good as none.
func decoded(d *yaml.Node, m *manifest) bool {
	var wrong *yaml.TypeError
	if err := d.Decode(m); err != nil && !errors.As(err, &wrong) {
		return false
	}
	return m.Kind != "" && m.Metadata.Name != ""
}

// inChart tells whether a file lies in a chart: Flux v1 leaves these out.
func inChart(files tree.Tree, file string) bool {
	for at := path.Dir(file); ; at = path.Dir(at) {
		if files.Lookup(path.Join(at, "Chart.yaml")).Kind == tree.File && files.Lookup(path.Join(at, "values.yaml")).Kind == tree.File {
			return true
		}
		if at == "." {
			return false
		}
	}
}

func (m manifest) key() object.Key {
	group, _, found := strings.Cut(m.APIVersion, "/")
	if !found {
		group = ""
	}
	return object.Key{Group: group, Kind: m.Kind, Namespace: m.Metadata.Namespace, Name: m.Metadata.Name}
}

func (m manifest) called(name string) bool {
	return strings.EqualFold(m.key().String(), name) || strings.EqualFold(m.Kind+"/"+m.Metadata.Name, name) || m.Metadata.Name == name
}

// release is the name that the Helm operator gives to a release (helm-operator 1.4,
// pkg/apis/helm.fluxcd.io/v1, GetReleaseName).
func (m manifest) release() string {
	ns, target := cmp.Or(m.Metadata.Namespace, "default"), m.Spec.TargetNamespace
	switch {
	case m.Spec.ReleaseName != "":
		return m.Spec.ReleaseName
	case target != "" && target != ns:
		return ns + "-" + target + "-" + m.Metadata.Name
	}
	return ns + "-" + m.Metadata.Name
}

// patchesV1 are the files of patches that .flux.yaml names, from the directory that is
// delivered.
func patchesV1(files tree.Tree, dir string, configs []string) ([]string, error) {
	var out []string
	for _, name := range configs {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var config struct {
			PatchUpdated struct {
				PatchFile string `yaml:"patchFile"`
			} `yaml:"patchUpdated"`
		}
		if err := yaml.Unmarshal(text, &config); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if config.PatchUpdated.PatchFile == "" {
			continue
		}
		at, err := tree.Join(dir, config.PatchUpdated.PatchFile)
		if err != nil {
			return nil, fmt.Errorf("%s: patchFile: %w", name, err)
		}
		out = append(out, at)
	}
	return out, nil
}

// unpatched takes the patches of an object out of a file; unchanged where there is none.
// Flux v1 stops at a patch for an object that is not there (fluxcd/flux 1.25,
// pkg/manifests/configfile.go).
func (in Retiring) unpatched(text []byte) ([]byte, error) {
	for {
		documents, err := edit.Documents(text)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(documents, func(d *yaml.Node) bool {
			var m manifest
			return decoded(d, &m) && m.Kind == in.Object.Kind && m.Metadata.Name == in.Object.Name && m.Metadata.Namespace == in.Object.Namespace
		})
		if at < 0 {
			return text, nil
		}
		if text = WithoutDocument(text, documents[at].Line); text == nil {
			return nil, nil
		}
	}
}
