package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// firstKinds are applied before all others, in this order, and pruned after
// them in the reverse order; lastKinds the other way round. Only the name of a
// kind counts, never its group (order of fluxcd/pkg/ssa sort.go, v0.76).
var (
	firstKinds = []string{
		"CustomResourceDefinition", "Namespace", "ClusterRole",
		"ClusterClass", "RuntimeClass", "PriorityClass", "StorageClass", "VolumeSnapshotClass", "IngressClass", "GatewayClass",
		"ClusterRoleBinding", "ResourceQuota", "ServiceAccount", "Role", "RoleBinding",
		"ConfigMap", "Secret", "Service", "LimitRange",
		"Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget",
	}
	lastKinds = []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}

	rankOfKind = rankKinds()
)

func rankKinds() map[string]int {
	ranks := make(map[string]int, len(firstKinds)+len(lastKinds))
	for i, kind := range firstKinds {
		ranks[kind] = i - len(firstKinds)
	}
	for i, kind := range lastKinds {
		ranks[kind] = i + 1
	}
	return ranks
}

// Compare is the order in which objects are applied: by the rank of their
// kind, then by group, kind, namespace and name.
func Compare(a, b object.Key) int {
	return cmp.Or(cmp.Compare(rankOfKind[a.Kind], rankOfKind[b.Kind]), object.Compare(a, b))
}

// SortObjects returns objs in the order of applying; objs stays as it is.
func SortObjects(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	sorted := slices.Clone(objs)
	slices.SortStableFunc(sorted, func(a, b *unstructured.Unstructured) int {
		return Compare(object.KeyOf(a), object.KeyOf(b))
	})
	return sorted
}

// SortForPrune returns refs in the order of deleting, the reverse of applying.
func SortForPrune(refs []object.Ref) []object.Ref {
	sorted := slices.Clone(refs)
	slices.SortStableFunc(sorted, func(a, b object.Ref) int { return Compare(b.Key, a.Key) })
	return sorted
}

// StageName says why objects are applied together.
type StageName string

// The stages, in the order of applying.
const (
	// Definitions are what other objects need to be accepted at all: CRDs,
	// Namespaces, ClusterRoles.
	Definitions StageName = "definitions"
	// Classes are the kinds whose name ends in Class.
	Classes StageName = "classes"
	// Custom are the kinds named by --custom-apply-stage-kinds.
	Custom StageName = "custom"
	// Resources are all the others.
	Resources StageName = "resources"
)

// Awaited tells whether everything in the stage must be Current (within 60
// seconds, as Flux has it) before the next stage begins.
func (s StageName) Awaited() bool { return s == Definitions || s == Classes }

// Batch is the objects of one stage, in the order of applying.
type Batch struct {
	Stage   StageName
	Objects []*unstructured.Unstructured
}

// Stages splits objs into batches; empty ones are left out. custom are the
// kinds of the Custom stage.
func Stages(objs []*unstructured.Unstructured, custom map[schema.GroupKind]bool) []Batch {
	byStage := map[StageName][]*unstructured.Unstructured{}
	for _, obj := range SortObjects(objs) {
		stage := StageOf(obj.GroupVersionKind(), custom)
		byStage[stage] = append(byStage[stage], obj)
	}
	var batches []Batch
	for _, stage := range []StageName{Definitions, Classes, Custom, Resources} {
		if len(byStage[stage]) > 0 {
			batches = append(batches, Batch{stage, byStage[stage]})
		}
	}
	return batches
}

// StageOf returns the stage in which a kind is applied.
func StageOf(gvk schema.GroupVersionKind, custom map[schema.GroupKind]bool) StageName {
	switch {
	case isDefinition(gvk):
		return Definitions
	case strings.HasSuffix(gvk.Kind, "Class"):
		return Classes
	case custom[gvk.GroupKind()]:
		return Custom
	default:
		return Resources
	}
}

func isDefinition(gvk schema.GroupVersionKind) bool {
	switch strings.ToLower(gvk.Kind) {
	case "customresourcedefinition":
		return gvk.Group == "apiextensions.k8s.io"
	case "namespace":
		return gvk.Group == "" && gvk.Version == "v1"
	case "clusterrole":
		return gvk.Group == "rbac.authorization.k8s.io"
	}
	return false
}

// ParseStageKinds reads the value of --custom-apply-stage-kinds: group/Kind
// separated by commas, Kind alone for the core group.
func ParseStageKinds(s string) (map[schema.GroupKind]bool, error) {
	kinds := map[schema.GroupKind]bool{}
	if strings.TrimSpace(s) == "" {
		return kinds, nil
	}
	for _, item := range strings.Split(s, ",") {
		group, kind, found := strings.Cut(strings.TrimSpace(item), "/")
		if !found {
			group, kind = "", group
		}
		if kind == "" || strings.Contains(kind, "/") {
			return nil, fmt.Errorf("read stage kind %q: want group/Kind, or Kind for the core group", item)
		}
		kinds[schema.GroupKind{Group: group, Kind: kind}] = true
	}
	return kinds, nil
}
