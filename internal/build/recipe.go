package build

import (
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/leat-dev/leat/internal/unit"
)

// RecipeOf returns what a Kustomization wants built, with its owner labels. The
// caller adds what is decided elsewhere: Strict, NoRemoteBases, and with
// postBuild the final variables.
func RecipeOf(k *unit.Kustomization) Recipe {
	s := k.Spec
	r := Recipe{
		Path: s.Path, TargetNamespace: s.TargetNamespace, NamePrefix: s.NamePrefix, NameSuffix: s.NameSuffix,
		Patches: s.Patches, PatchesStrategicMerge: k.Old.PatchesStrategicMerge, PatchesJSON6902: k.Old.PatchesJSON6902,
		Images: s.Images, Components: s.Components, IgnoreMissingComponents: s.IgnoreMissingComponents,
		OwnerName: k.Name, OwnerNamespace: k.Namespace,
	}
	for _, b := range s.BuildMetadata {
		r.BuildMetadata = append(r.BuildMetadata, string(b))
	}
	if m := s.CommonMetadata; m != nil {
		r.CommonLabels, r.CommonAnnotations = m.Labels, m.Annotations
	}
	if p := s.PostBuild; p != nil {
		r.SubstituteAlways = p.SubstituteStrategy == kustomizev1.SubstituteStrategyAlways
	}
	return r
}
