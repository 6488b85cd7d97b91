package carry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/unit"
)

// Stage is how far a commit has come in a cluster.
type Stage string

// The stages, in order.
const (
	Nobody  Stage = "nobody"  // no source of the cluster follows the branch
	Pending Stage = "pending" // a source has not fetched it
	Fetched Stage = "fetched" // a unit has not applied it
	Applied Stage = "applied" // something is not ready yet
	Failed  Stage = "failed"
	Healthy Stage = "healthy" // everything runs it and is ready
)

// Delivery is how far a commit has come in one cluster.
type Delivery struct {
	Stage Stage     `json:"stage"`
	Units []Arrival `json:"units,omitempty"` // those that are not there yet first
	// Why says what holds it up.
	Why string `json:"why,omitempty"`
}

// Arrival is how far it has come in one unit.
type Arrival struct {
	Unit     object.Key `json:"-"`
	Name     string     `json:"unit"`
	Stage    Stage      `json:"stage"`
	Revision string     `json:"revision,omitempty"`
	Message  string     `json:"message,omitempty"`
	Since    time.Time  `json:"since,omitzero"` // of its Ready condition
}

// Of says what is delivered: a branch of a repository.
type Of struct {
	Repository, Branch string
	// Has tells whether a revision (main@sha1:…) holds the commit.
	Has func(revision string) bool
}

// Delivered finds out how far a commit has come, from the units and the workloads of a
// cluster: sources that follow the branch, what builds from them, the units that those
// made, and the workloads of all of them that are not healthy.
func Delivered(units []*unstructured.Unstructured, of Of) Delivery {
	var out Delivery
	sources := map[object.Key]bool{}
	for _, u := range units {
		if of.follows(u) {
			sources[object.KeyOf(u)] = true
			out.Units = append(out.Units, of.source(u))
		}
	}
	if len(sources) == 0 {
		return Delivery{Stage: Nobody, Why: fmt.Sprintf("no GitRepository follows %s of %s", of.Branch, of.Repository)}
	}
	told := maps.Clone(sources)
	for _, u := range units {
		if sources[sourceOf(u)] {
			told[object.KeyOf(u)] = true
			out.Units = append(out.Units, of.builder(u))
		}
	}
	out.Units = append(out.Units, madeBy(units, told)...)
	out.Units = append(out.Units, workloadsOf(units, told)...)
	slices.SortStableFunc(out.Units, func(a, b Arrival) int {
		return cmp.Or(rank[a.Stage]-rank[b.Stage], strings.Compare(a.Name, b.Name))
	})
	worst := out.Units[0]
	if out.Stage = worst.Stage; out.Stage != Healthy {
		out.Why = strings.TrimSuffix(worst.Name+": "+worst.Message, ": ")
	}
	return out
}

// rank orders stages: what a person must look at first.
var rank = map[Stage]int{Failed: 0, Nobody: 1, Pending: 2, Fetched: 3, Applied: 4, Healthy: 5}

// follows tells whether a source follows the branch: a ref's name counts before its branch
// (source-controller 1.9.5, api/v1/gitrepository_types.go).
func (of Of) follows(u *unstructured.Unstructured) bool {
	if u.GetKind() != unit.GitRepositoryKind {
		return false
	}
	url, _, _ := unstructured.NestedString(u.Object, "spec", "url")
	ref, _, _ := unstructured.NestedStringMap(u.Object, "spec", "ref")
	branch := cmp.Or(strings.TrimPrefix(ref["name"], "refs/heads/"), ref["branch"])
	if len(ref) == 0 {
		branch = git.DefaultBranch
	}
	return mirror.Same(url, of.Repository) && branch == of.Branch
}

// source says whether a source has the commit.
func (of Of) source(u *unstructured.Unstructured) Arrival {
	a, ready := arrivalOf(u)
	a.Revision, _, _ = unstructured.NestedString(u.Object, "status", "artifact", "revision")
	switch {
	case of.Has(a.Revision):
		a.Stage = Healthy
	case ready == "False":
		a.Stage = Failed
	default:
		a.Stage, a.Message = Pending, "it has "+cmp.Or(a.Revision, "nothing")
	}
	return a
}

// builder says whether a unit that builds from the source runs the commit.
func (of Of) builder(u *unstructured.Unstructured) Arrival {
	a, ready := arrivalOf(u)
	a.Revision, _, _ = unstructured.NestedString(u.Object, "status", "lastAppliedRevision")
	attempted, _, _ := unstructured.NestedString(u.Object, "status", "lastAttemptedRevision")
	suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend")
	switch {
	case suspended:
		a.Stage, a.Message = Failed, "it is suspended"
	case of.Has(attempted) && ready == "False":
		a.Stage = Failed
	case !of.Has(a.Revision):
		a.Stage = Fetched
		if ready == "True" || a.Message == "" { // of what it runs, which says nothing of the commit
			a.Message = "it runs " + cmp.Or(a.Revision, "nothing")
		}
	case ready == "True":
		a.Stage = Healthy
	default:
		a.Stage = Applied
	}
	return a
}

// madeBy are the units that others made, and those that these made: what they do with
// what the commit changed in them shows in their own status.
func madeBy(units []*unstructured.Unstructured, told map[object.Key]bool) []Arrival {
	var out []Arrival
	for more := true; more; {
		more = false
		for _, u := range units {
			key, labels := object.KeyOf(u), u.GetLabels()
			maker := object.Key{Group: object.GroupKustomize, Kind: unit.KustomizationKind, Namespace: labels[object.OwnerNamespace], Name: labels[object.OwnerName]}
			if told[maker] && !told[key] && !isWorkload(u) {
				told[key], more = true, true
				out = append(out, made(u))
			}
		}
	}
	return out
}

func made(u *unstructured.Unstructured) Arrival {
	a, ready := arrivalOf(u)
	observed, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	switch {
	case unit.Static(u) || ready == "True" && observed == u.GetGeneration():
		a.Stage = Healthy
	case ready == "False" && observed == u.GetGeneration():
		a.Stage = Failed
	default:
		a.Stage = Applied
	}
	return a
}

// arrivalOf is what a unit says of itself.
func arrivalOf(u *unstructured.Unstructured) (a Arrival, ready string) {
	a = Arrival{Unit: object.KeyOf(u), Name: object.KeyOf(u).String()}
	status, err := unit.StatusOf(u)
	if err != nil {
		a.Message = err.Error()
		return a, ""
	}
	if c := status.Ready(); c != nil {
		a.Message, a.Since = c.Message, c.LastTransitionTime.Time
		return a, string(c.Status)
	}
	return a, ""
}

// sourceOf is the source that a Kustomization builds from.
func sourceOf(u *unstructured.Unstructured) object.Key {
	if u.GetKind() != unit.KustomizationKind {
		return object.Key{}
	}
	return unit.SourceOf(u)
}

// RevisionHas makes the question of Of out of one about commits: whether the commit
// that a revision names holds another one.
func RevisionHas(holds func(commit string) bool) func(revision string) bool {
	return func(revision string) bool {
		_, digest, _ := strings.Cut(revision, "@")
		_, commit, found := strings.Cut(digest, ":")
		return found && holds(commit)
	}
}
