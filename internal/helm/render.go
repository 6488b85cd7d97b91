package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/postrenderer"
	"sigs.k8s.io/kustomize/api/krusty"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/leat-dev/leat/internal/build"
)

// maxRendered bounds the bytes of a rendered manifest.
const maxRendered = 32 << 20

// renderStrategy returns what of a release is post-rendered; Helm 4's default is
// templates and hooks in one stream.
func (r *run) renderStrategy() action.PostRenderStrategy {
	if s := r.job.Object.GetPostRenderStrategy(); s != "" {
		return action.PostRenderStrategy(s)
	}
	if r.job.Gates.Helm3Defaults {
		return action.PostRenderStrategyNoHooks
	}
	return action.PostRenderStrategyCombined
}

// postRenderer returns what runs after the chart was rendered: each kustomize
// entry, then common metadata, then the labels of the origin, which win
// (helm-controller v1.6.4 internal/postrender/build.go).
func (r *run) postRenderer() postrenderer.PostRenderer {
	var all chain
	for i, entry := range r.job.Object.Spec.PostRenderers {
		var old OldPostRenderer
		if i < len(r.job.Old) {
			old = r.job.Old[i]
		}
		if entry.Kustomize != nil {
			all = append(all, patches{*entry.Kustomize, old}.render)
		}
	}
	if common := r.job.Object.Spec.CommonMetadata; common != nil {
		all = append(all, metadata{common.Labels, common.Annotations}.render)
	}
	return append(all, metadata{r.origin(), nil}.render)
}

// chain are done one after another.
type chain []func([]byte) ([]byte, error)

// Run renders.
func (s chain) Run(manifest *bytes.Buffer) (*bytes.Buffer, error) {
	text := manifest.Bytes()
	if len(text) > maxRendered {
		return nil, fmt.Errorf("the chart rendered %d bytes; at most %d are taken", len(text), maxRendered)
	}
	for _, step := range s {
		var err error
		if text, err = step(text); err != nil {
			return nil, err
		}
	}
	return bytes.NewBuffer(text), nil
}

// metadata sets labels and annotations on every object.
type metadata struct{ labels, annotations map[string]string }

func (m metadata) render(manifest []byte) ([]byte, error) {
	nodes, err := kio.ParseAll(string(manifest))
	if err == nil {
		nodes, err = single(nodes)
	}
	if err != nil {
		return nil, fmt.Errorf("read rendered manifest: %w", err)
	}
	for _, node := range nodes {
		for _, key := range slices.Sorted(maps.Keys(m.labels)) {
			if err := node.PipeE(kyaml.SetLabel(key, m.labels[key])); err != nil {
				return nil, fmt.Errorf("set label %s: %w", key, err)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(m.annotations)) {
			if err := node.PipeE(kyaml.SetAnnotation(key, m.annotations[key])); err != nil {
				return nil, fmt.Errorf("set annotation %s: %w", key, err)
			}
		}
		quoteKeys(node.Field("metadata"))
	}
	text, err := kio.StringAll(nodes)
	return []byte(text), err
}

// single takes Lists apart, so that what is in them is marked too, as kustomize does
// (kustomize/api v0.21.1 resource/factory.go, inlineAnyEmbeddedLists).
func single(nodes []*kyaml.RNode) (out []*kyaml.RNode, err error) {
	for ; len(nodes) > 0; nodes = nodes[1:] {
		node := nodes[0]
		items := node.Field("items")
		if !strings.HasSuffix(node.GetKind(), "List") || items == nil {
			out = append(out, node)
			continue
		}
		if items.Value.IsNilOrEmpty() {
			continue
		}
		inner, err := items.Value.Elements()
		if err != nil {
			return nil, fmt.Errorf("take %s apart: %w", node.GetKind(), err)
		}
		nodes = append(nodes[:1:1], append(slices.Clone(nodes[1:]), inner...)...)
	}
	return out, nil
}

// quoteKeys quotes the keys of labels and annotations that a reader of YAML 1.1,
// which Helm's is, would take for something else: n, on, 1.
func quoteKeys(meta *kyaml.MapNode) {
	if meta == nil {
		return
	}
	for _, field := range []string{"labels", "annotations"} {
		found := meta.Value.Field(field)
		if found == nil || found.Value.YNode() == nil {
			continue
		}
		for i, key := range found.Value.YNode().Content {
			if i%2 == 0 && !plainText(key.Value) && kyaml.IsValueNonString(key.Value) {
				key.Style = kyaml.DoubleQuotedStyle
			}
		}
	}
}

// plainText tells, without a parser, of most keys that every reader of YAML takes
// them for text: what begins with a letter that no boolean, null or number of YAML
// 1.1 begins with, and goes on as a name does.
func plainText(key string) bool {
	if key == "" || strings.ContainsRune("yYnNtTfFoO", rune(key[0])) {
		return false
	}
	for i := range len(key) {
		c := key[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-_./", rune(c))) {
			return false
		}
	}
	return true
}

// patches is one kustomize post renderer.
type patches struct {
	v2.Kustomize
	old OldPostRenderer
}

func (p patches) render(manifest []byte) ([]byte, error) {
	k := kustypes.Kustomization{
		TypeMeta:  kustypes.TypeMeta{APIVersion: kustypes.KustomizationVersion, Kind: kustypes.KustomizationKind},
		Resources: []string{"manifest.yaml"},
	}
	for _, image := range p.Images {
		k.Images = append(k.Images, kustypes.Image{Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest})
	}
	for _, patch := range p.old.PatchesStrategicMerge {
		k.Patches = append(k.Patches, kustypes.Patch{Patch: string(patch.Raw)})
	}
	for _, patch := range p.old.PatchesJSON6902 {
		ops, err := json.Marshal(patch.Patch)
		if err != nil {
			return nil, fmt.Errorf("read patchesJson6902: %w", err)
		}
		k.Patches = append(k.Patches, kustypes.Patch{Patch: string(ops), Target: selector(&patch.Target)})
	}
	for _, patch := range p.Patches {
		k.Patches = append(k.Patches, kustypes.Patch{Patch: patch.Patch, Target: selector(patch.Target)})
	}
	text, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	return kustomizeRun(text, manifest)
}

// kustomizeRun builds a kustomization over one file, in memory.
func kustomizeRun(kustomization, manifest []byte) (out []byte, err error) {
	files := filesys.MakeFsInMemory()
	if err := files.WriteFile("kustomization.yaml", kustomization); err != nil {
		return nil, err
	}
	if err := files.WriteFile("manifest.yaml", manifest); err != nil {
		return nil, err
	}
	build.Shared(func() {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("kustomize panicked: %v", v)
			}
		}()
		k := krusty.MakeKustomizer(&krusty.Options{LoadRestrictions: kustypes.LoadRestrictionsRootOnly, PluginConfig: kustypes.DisabledPluginConfig()})
		resources, failed := k.Run(files, ".")
		if err = failed; err == nil {
			out, err = resources.AsYaml()
		}
	})
	return out, err
}

func selector(s *kustomize.Selector) *kustypes.Selector {
	if s == nil {
		return nil
	}
	out := &kustypes.Selector{LabelSelector: s.LabelSelector, AnnotationSelector: s.AnnotationSelector}
	out.Group, out.Version, out.Kind = s.Group, s.Version, s.Kind
	out.Name, out.Namespace = s.Name, s.Namespace
	return out
}
