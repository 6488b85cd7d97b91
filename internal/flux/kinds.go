// Package flux is what the command line of Flux shows and changes, as values:
// which kinds there are and how verbs name them, the rows of `get`, exports,
// trees and traces. Packages fluxcli (below the names flux and leat) prints it.
//
//	k, _ := flux.KindOf("Kustomization")
//	text := flux.Table(k.Header(o), [][]string{k.Row(obj, o)})
//
// Its outputs are a contract: they equal those of flux v2.9.5 to the byte, which
// embedded/fluxtest holds against the real program. It is pure: objects in,
// text out; it must never read a cluster.
package flux

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// Kind is a kind of Flux objects as its command line knows it
// (flux2 v2.9.5, cmd/flux: the apiType of each kind).
type Kind struct {
	schema.GroupVersionKind
	// Human is what messages to people call it: "source git".
	Human string
	// Noun names one of them: flux suspend NOUN NAME.
	Noun Noun
	// Nouns names all of them: flux get NOUNS.
	Nouns Noun
	// Verbs are those that take the kind beside get.
	Verbs []Verb

	cells []cell
	// always is what Ready says of a kind that has no status.
	always string
}

// Noun is the words of a kind: a name, alone or below a group of nouns.
type Noun struct {
	Group   string // "", source, image, artifact
	Name    string
	Aliases []string
}

// Verb is a verb that takes nouns.
type Verb string

// The verbs.
const (
	Reconcile Verb = "reconcile"
	Suspend   Verb = "suspend"
	Resume    Verb = "resume"
	Delete    Verb = "delete"
	Export    Verb = "export"
)

var (
	acted    = []Verb{Reconcile, Suspend, Resume, Delete, Export}
	told     = []Verb{Suspend, Resume, Delete, Export} // kinds that nobody reconciles
	exported = []Verb{Export}
)

// Has tells whether a verb takes the kind.
func (k Kind) Has(v Verb) bool { return slices.Contains(k.Verbs, v) }

// Kinds are all kinds, sources first, in the order in which `get all` prints
// them (ArtifactGenerator, which it leaves out, is the last).
var Kinds = []Kind{
	source("OCIRepository", "source oci", "oci", acted, revisionCell, suspended),
	source("Bucket", "source bucket", "bucket", acted, revisionCell, suspended),
	source("GitRepository", "source git", "git", acted, revisionCell, suspended),
	source("HelmRepository", "source helm", "helm", acted, revisionCell, suspended),
	source("HelmChart", "source chart", "chart", acted, versionCell, suspended),
	source("ExternalArtifact", "source external-artifact", "external", exported, revisionCell, originCell),
	image("ImageRepository", "image repository", "repository", lastScanCell, suspended),
	image("ImagePolicy", "image policy", "policy", imageCell, tagCell),
	image("ImageUpdateAutomation", "image update automation", "update", lastRunCell, suspended),
	{
		GroupVersionKind: gvk(object.GroupHelm, "v2", "HelmRelease"), Human: "helmrelease",
		Noun:  Noun{Name: "helmrelease", Aliases: []string{"hr"}},
		Nouns: Noun{Name: "helmreleases", Aliases: []string{"hr", "helmrelease"}},
		Verbs: acted, cells: []cell{chartSourceCell, releaseCell, suspended},
	},
	{
		GroupVersionKind: gvk(object.GroupKustomize, "v1", "Kustomization"), Human: "kustomization",
		Noun:  Noun{Name: "kustomization", Aliases: []string{"ks"}},
		Nouns: Noun{Name: "kustomizations", Aliases: []string{"ks", "kustomization"}},
		Verbs: acted, cells: []cell{sourceCell, appliedCell, suspended},
	},
	{
		GroupVersionKind: gvk(object.GroupNotification, "v1", "Receiver"), Human: "receiver",
		Noun: Noun{Name: "receiver"}, Nouns: Noun{Name: "receivers", Aliases: []string{"receiver"}},
		Verbs: acted, cells: []cell{suspended},
	},
	{
		GroupVersionKind: gvk(object.GroupNotification, "v1beta3", "Provider"), Human: "alert provider",
		Noun: Noun{Name: "alert-provider"}, Nouns: Noun{Name: "alert-providers", Aliases: []string{"alert-provider"}},
		Verbs: told, always: "Provider is Ready",
	},
	{
		GroupVersionKind: gvk(object.GroupNotification, "v1beta3", "Alert"), Human: "alert",
		Noun: Noun{Name: "alert"}, Nouns: Noun{Name: "alerts", Aliases: []string{"alert"}},
		Verbs: told, cells: []cell{suspended}, always: "Alert is Ready",
	},
	{
		GroupVersionKind: gvk(object.GroupSourceExtensions, "v1beta1", "ArtifactGenerator"), Human: "artifactgenerator",
		Noun:  Noun{Group: "artifact", Name: "generator"},
		Nouns: Noun{Group: "artifacts", Name: "generators", Aliases: []string{"generator"}},
		Verbs: exported, cells: []cell{disabled},
	},
}

// KindOf finds a kind by its name in the API.
func KindOf(kind string) (Kind, bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Kind == kind })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds[i], true
}

func gvk(group, version, kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
}

func source(kind, human, name string, verbs []Verb, cells ...cell) Kind {
	return Kind{
		GroupVersionKind: gvk(object.GroupSource, "v1", kind), Human: human, Verbs: verbs, cells: cells,
		Noun: Noun{Group: "source", Name: name}, Nouns: Noun{Group: "sources", Name: name},
	}
}

func image(kind, human, name string, cells ...cell) Kind {
	return Kind{
		GroupVersionKind: gvk(object.GroupImage, "v1", kind), Human: human, Verbs: acted, cells: cells,
		Noun: Noun{Group: "image", Name: name}, Nouns: Noun{Group: "images", Name: name},
	}
}
