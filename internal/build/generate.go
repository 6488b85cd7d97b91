package build

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/fluxcd/pkg/apis/kustomize"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// generate lays the kustomization to build over the source: the one that
// stands in dir, or a new one of all manifests below, with the recipe's fields
// added. The source itself stays as it is.
func generate(p *port, dir string, r Recipe) error {
	name, data, err := findKustomization(p, dir)
	if err != nil {
		return err
	}
	k := types.Kustomization{TypeMeta: types.TypeMeta{
		APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind,
	}}
	switch {
	case name != "":
		if err := readKustomization(name, data, &k); err != nil {
			return err
		}
		p.original[name] = data
		p.noteDeprecated(name, &k)
		p.leaveOut(dir, &k)
	default:
		name = path.Join(dir, konfig.DefaultKustomizationFileName())
		if kind, _ := p.kind(name); kind == tree.Dir {
			return fmt.Errorf("write %s: is a directory", name)
		}
		files, err := scan(p, dir)
		if err != nil {
			return err
		}
		if k.Resources = files; len(files) == 0 {
			k.Namespace = "_placeholder" // kustomize refuses a kustomization without any field
		}
	}
	if err := r.merge(p, dir, &k); err != nil {
		return err
	}
	p.listing = p.lists(dir, k)
	p.over[name], err = marshal(k)
	return err
}

func marshal(k types.Kustomization) ([]byte, error) {
	data, err := yaml.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("write kustomization: %w", err)
	}
	return data, nil
}

// findKustomization returns the kustomization file of dir, or "" where there is none.
func findKustomization(p *port, dir string) (string, []byte, error) {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		name := path.Join(dir, base)
		kind, err := p.kind(name)
		if err != nil {
			return "", nil, err
		}
		if kind == tree.File {
			data, err := p.raw(name)
			return name, data, err
		}
	}
	return "", nil, nil
}

// readKustomization decodes leniently, as Flux does for the kustomization that
// it builds: fields it does not know are dropped.
func readKustomization(name string, data []byte, k *types.Kustomization) error {
	if err := guard(name, data); err != nil {
		return err
	}
	if err := yaml.Unmarshal(data, k); err != nil {
		if bad := syntaxError(name, data); bad != nil {
			return fmt.Errorf("read kustomization: %w", bad)
		}
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(k.Resources) == 0 {
		// Flux does so lest kustomize takes the file for empty.
		k.BuildMetadata = []string{types.OriginAnnotations}
	}
	return nil
}

// scan lists the manifests below dir as resources: every .yaml and .yml file,
// and each directory with a kustomization of its own as one.
func scan(p *port, dir string) ([]string, error) {
	var out []string
	var walk func(at string) error
	walk = func(at string) error {
		entries, err := p.list(at)
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(at, e.Name)
			if e.Kind == tree.Dir {
				own, err := hasKustomization(p, name)
				if err != nil {
					return err
				}
				if !own {
					if err := walk(name); err != nil {
						return err
					}
					continue
				}
			} else if ext := path.Ext(e.Name); ext != ".yaml" && ext != ".yml" || p.ignored != nil && p.ignored(display(name), e.Kind) {
				continue
			} else if err := checkManifest(p, name); err != nil {
				return err
			}
			out = append(out, "./"+strings.TrimPrefix(name, dir+"/"))
		}
		return nil
	}
	return out, walk(dir)
}

func hasKustomization(p *port, dir string) (bool, error) {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		kind, err := p.kind(path.Join(dir, base))
		if err != nil || kind == tree.File {
			return err == nil, err
		}
	}
	return false, nil
}

// checkManifest refuses a file that does not decode as Kubernetes YAML.
func checkManifest(p *port, name string) error {
	data, err := p.raw(name)
	if err != nil {
		return err
	}
	id := hash.Of(data)
	if decodes.has(id) {
		return nil
	}
	if err := guard(name, data); err != nil {
		return err
	}
	if err := decode(data); err != nil {
		if bad := syntaxError(name, data); bad != nil {
			err = bad
		}
		return fmt.Errorf("failed to decode Kubernetes YAML from %s: %w", name, err)
	}
	decodes.add(id)
	return nil
}

func decode(data []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("recovered from panic: %v", v)
		}
	}()
	texts, apart := cut(data)
	if !apart || len(texts) == 1 {
		_, err = factory.SliceFromBytes(data)
		return err
	}
	for _, text := range texts {
		id := hash.Of(text)
		if decodes.has(id) {
			continue
		}
		if _, err = factory.SliceFromBytes(text); err != nil {
			return err
		}
		decodes.add(id)
	}
	return nil
}

// merge adds the recipe's fields to k.
func (r Recipe) merge(p *port, dir string, k *types.Kustomization) error {
	if r.TargetNamespace != "" {
		k.Namespace = r.TargetNamespace
	}
	if r.NamePrefix != "" {
		k.NamePrefix = r.NamePrefix
	}
	if r.NameSuffix != "" {
		k.NameSuffix = r.NameSuffix
	}
	if len(r.BuildMetadata) > 0 {
		k.BuildMetadata = r.BuildMetadata
	}
	if err := r.mergePatches(k); err != nil {
		return err
	}
	for _, image := range r.Images {
		mergeImage(k, image)
	}
	return r.mergeComponents(p, dir, k)
}

func (r Recipe) mergePatches(k *types.Kustomization) error {
	for _, patch := range r.Patches {
		k.Patches = append(k.Patches, types.Patch{Patch: patch.Patch, Target: selector(patch.Target)})
	}
	for _, patch := range r.PatchesStrategicMerge {
		k.PatchesStrategicMerge = append(k.PatchesStrategicMerge, types.PatchStrategicMerge(patch.Raw))
	}
	for _, patch := range r.PatchesJSON6902 {
		text, err := json.Marshal(patch.Patch)
		if err != nil {
			return fmt.Errorf("write patchesJson6902: %w", err)
		}
		k.PatchesJson6902 = append(k.PatchesJson6902, types.Patch{Patch: string(text), Target: selector(&patch.Target)})
	}
	return nil
}

func selector(s *kustomize.Selector) *types.Selector {
	if s == nil {
		return nil
	}
	out := &types.Selector{LabelSelector: s.LabelSelector, AnnotationSelector: s.AnnotationSelector}
	out.Group, out.Version, out.Kind = s.Group, s.Version, s.Kind
	out.Name, out.Namespace = s.Name, s.Namespace
	return out
}

// mergeImage lets an image of the recipe override those fields of the
// kustomization's that it sets; tag and digest count as one.
func mergeImage(k *types.Kustomization, image kustomize.Image) {
	for i := range k.Images {
		have := &k.Images[i]
		if have.Name != image.Name {
			continue
		}
		if image.NewName != "" {
			have.NewName = image.NewName
		}
		if image.NewTag != "" || image.Digest != "" {
			have.NewTag, have.Digest = image.NewTag, image.Digest
		}
		return
	}
	k.Images = append(k.Images, types.Image{
		Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest,
	})
}

func (r Recipe) mergeComponents(p *port, dir string, k *types.Kustomization) error {
	for _, c := range r.Components {
		if !localAndRelative(c) {
			return fmt.Errorf("component path '%s' must be local and relative", c)
		}
		if r.IgnoreMissingComponents {
			kind, err := p.kind(path.Join(dir, c))
			if err == nil && kind == tree.Missing {
				continue
			}
		}
		k.Components = append(k.Components, c)
	}
	return nil
}

// localAndRelative tells whether spec.components may name s: no URL in any of
// the notations kustomize knows, and no absolute path.
func localAndRelative(s string) bool {
	for _, prefix := range []string{"git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/"} {
		if len(s) > len(prefix) && hasPrefixFold(s, prefix) {
			return false
		}
	}
	if hasPrefixFold(s, "file://") {
		s = s[len("file://"):]
	}
	return !path.IsAbs(s)
}
