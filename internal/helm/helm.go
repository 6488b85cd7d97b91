// Package helm does what package release decided: it installs, upgrades, rolls
// back, tests and uninstalls with the Helm 4 SDK, reads Helm's storage, applies
// the CRDs of charts, and compares a release with the cluster. It makes no
// conditions and decides nothing about states.
//
//	cluster, err := helm.Connect(restConfig)       // once per cluster: discovery is shared
//	cluster, err := helm.Offline(world, "1.36.4")  // or a World in this process
//	driver := cluster.As(helm.Identity{User: "system:serviceaccount:apps:deployer"})
//	stored, err := driver.Observe(ctx, helm.PlaceOf(hr))
//	out, err := driver.Install(ctx, helm.Job{Object: hr, Chart: chart, Values: values})
//
// Everything acts as the identity, `lookup` in templates too. A run is as long as
// its chart's hooks and health take. When its context ends it ends too, with the
// release marked as failed in storage, never pending; a process that was killed
// leaves a pending release, which release.Next unlocks.
//
// There is one driver. A World in memory, or laid over another one, is served to
// it as an API server would be (world/serve): Helm's own dry run would render, but
// neither apply, keep records, prune nor look anything up, and a second client
// for Worlds would have to repeat how Helm takes over, merges and deletes. So a
// plan and a cluster share every line but the last hop; embedded/helmtest holds
// both to the same cases and, over a fleet's charts, to the same results.
//
// It must never print values: errors and logs are cleared of Job.Secrets.
package helm

import (
	"context"
	"errors"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// Job is what an action is given.
type Job struct {
	// Object holds the options of all actions, the names, and what renders
	// after the chart. Its status is not read. It is not changed.
	Object *v2.HelmRelease
	// Old holds, for each entry of spec.postRenderers, the fields that v2beta1
	// and v2beta2 had beside patches and images; may be shorter or nil.
	Old []OldPostRenderer
	// Chart is the loaded chart, with the version under which it is to be
	// stored. It is not changed, so that it may be shared.
	Chart *chart.Chart
	// Values are the composed values, without the chart's own. Not changed.
	Values map[string]any
	// Secrets are texts that errors and logs must not hold; see
	// release.Sensitive.
	Secrets []string
	// Stored is what Observe returned, where nobody wrote since; empty but not nil
	// when there was nothing. Nil makes the driver read storage, once.
	Stored []*relv1.Release
	// Health tells how objects are; nil makes the driver watch them itself, as
	// it does in any case for a chart's CRDs and for what it deletes.
	Health Health
	// Gates are feature gates of helm-controller.
	Gates Gates
	// Overrides are prefixes of the names of managers whose fields Diff makes ours,
	// so that what they wrote is drift: helm-controller's --override-manager.
	Overrides []string
	// Custom are the compiled spec.healthCheckExprs.
	Custom cel.Health
	// Log gets Helm's lines, cleared of secrets; nil drops them. The last ones
	// are in Outcome.Log in any case.
	Log func(line string)
}

// Gates are feature gates of helm-controller (v1.6.4 internal/features); off is
// its default.
type Gates struct {
	// Helm3Defaults is UseHelm3Defaults: where the spec does not say, an install
	// applies on the client's side, actions wait as Helm 3 did, and hooks are not
	// post-rendered.
	Helm3Defaults bool
	// DNS is AllowDNSLookups: getHostByName in templates asks the name server.
	DNS bool
}

// OldPostRenderer is what a kustomize post renderer had before v2 (Flux 0.x
// and v2beta1, v2beta2).
type OldPostRenderer struct {
	PatchesStrategicMerge []apiextensionsv1.JSON    `json:"patchesStrategicMerge,omitempty"`
	PatchesJSON6902       []kustomize.JSON6902Patch `json:"patchesJson6902,omitempty"`
}

// Outcome is what an action did, also when it failed.
type Outcome struct {
	// Written holds the releases that were written to storage, each as it was
	// last written, newest version first.
	Written []*relv1.Release
	// Stored is what storage holds afterwards, oldest first; nil where that is not
	// known.
	Stored []*relv1.Release
	// Inventory is what the newest release consists of, with the chart's CRDs;
	// nil when nothing was written.
	Inventory *v2.ResourceInventory
	// Notes are things worth telling that are no errors: «skipped crds/x.yaml,
	// which is no CustomResourceDefinition».
	Notes []string
	// Assumed are the objects that would have been awaited, and were taken as ready
	// or, if hooks, as done: see Offline.
	Assumed []object.Ref
	// Was is the state in which Unlock found the release: "pending-upgrade".
	Was string
	// Log is the last lines of Helm, bounded, as Flux appends them to the
	// event of a failure under "Last Helm logs:".
	Log  string
	Took time.Duration
	// Requests is how many API requests the action made.
	Requests int64
}

// Health tells how objects that were applied are. It is implemented by whoever
// watches the cluster.
type Health interface {
	// Health returns the verdict now, and a channel that is closed when another
	// call may give another one. With ErrUnwatched the driver watches for itself.
	Health(ctx context.Context, ask Ask) (Verdict, <-chan struct{}, error)
}

// ErrUnwatched tells that the health of objects is not known.
var ErrUnwatched = errors.New("the objects are not watched")

// Ask is a question about the health of objects.
type Ask struct {
	// Objects are what to look at: in the namespace and version in which they
	// were applied. What needs no waiting is not among them.
	Objects []object.Ref
	// Applied are those of them that were just applied, as the server answered: what
	// stood before, and may still be all that a watch has told, was another thing.
	Applied []*unstructured.Unstructured
	Custom  cel.Health
	// Hooks asks as Helm does for hooks: a Pod is awaited until it succeeded,
	// and the failure of one does not end the wait for the others.
	Hooks bool
}

// Verdict is an answer to Ask.
type Verdict struct {
	Ready bool
	// Failed tells that waiting will not help; Message says what failed or is
	// awaited, as "Deployment/apps/web status: 'InProgress'", joined by ", ".
	Failed  bool
	Message string
}

// Drift is a comparison of a release with the cluster.
type Drift struct {
	// Objects are those that differ, in the order of the manifest.
	Objects []DriftedObject
	// Excluded counts the objects that rules or metadata leave out.
	Excluded int
}

// DriftedObject is one difference.
type DriftedObject struct {
	Ref object.Ref
	// Missing tells that the object does not exist.
	Missing bool
	// Changes are the fields that differ, with secrets masked; nil if missing.
	Changes []plan.FieldChange
	fix     *fix
}

// Has tells whether anything differs.
func (d Drift) Has() bool { return len(d.Objects) > 0 }

// Corrected is what Correct did.
type Corrected struct {
	Created, Configured []object.Ref
}
