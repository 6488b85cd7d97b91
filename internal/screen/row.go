// Package screen turns units into what people look at: rows with a state, a
// tree by who made whom, failing first, and every root cause told once.
//
//	board := screen.Make(objects, runs, now)
//	board.Text(screen.Style{Width: 100, Colour: true})
//	board.Settled() // what is not ready, and why
//
// It is pure: what it shows is data that a test can print.
package screen

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// State is how a unit stands, in one word.
type State string

// The states, worst first.
const (
	Failed      State = "failed"
	Unsupported State = "unsupported"
	Waiting     State = "waiting"
	Progressing State = "progressing"
	Unknown     State = "new"
	Suspended   State = "suspended"
	Ready       State = "ready"
)

var order = []State{Failed, Unsupported, Waiting, Progressing, Unknown, Suspended, Ready}

// Bad tells whether a unit in the state is not as it should be.
func (s State) Bad() bool { return s != Ready && s != Suspended }

// Run is what the last run of a unit said beyond its status.
type Run struct {
	On      []string // what it waits on
	Missing bool     // and that does not exist
	Class   report.Class
	Took    time.Duration
	Why     string
	Changed []string
	Ready   string // True, False, Unknown; it may be ahead of the status
	Reason  string
	Message string
	At      time.Time
	// Revision is the one that the run worked on.
	Revision string
	Warnings []report.Warning
}

// RunOf reads what a report says beyond the status.
func RunOf(rep report.Report) Run {
	s := rep.Summary
	return Run{
		On: rep.On, Missing: s.Missing, Class: s.Class, Why: s.Why, Changed: s.Changed, Ready: s.Ready, Reason: s.Reason,
		Message: s.Message, Revision: s.Revision, Warnings: s.Warnings,
	}
}

// Row is one unit.
type Row struct {
	Key       object.Key    `json:"-"`
	Kind      string        `json:"kind"`
	Name      string        `json:"name"`
	Space     string        `json:"namespace"`
	State     State         `json:"state"`
	Revision  string        `json:"revision,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Message   string        `json:"message,omitempty"`
	On        []string      `json:"waitingOn,omitempty"`
	Missing   bool          `json:"missing,omitempty"`
	Took      time.Duration `json:"-"`
	Seconds   float64       `json:"seconds,omitempty"`
	Why       string        `json:"rebuilt,omitempty"`
	Parent    object.Key    `json:"-"`
	Owner     string        `json:"owner,omitempty"`
	Simulated bool          `json:"simulated,omitempty"`

	Warnings []report.Warning `json:"warnings,omitempty"`
}

// Board is all rows.
type Board struct {
	Rows []Row
	// Warnings concern the cluster, not one unit.
	Warnings []report.Warning
}

// Make reads the rows of objects; runs may lack units.
func Make(objects []*unstructured.Unstructured, runs map[object.Key]Run) Board {
	rows, among := make([]Row, 0, len(objects)), Among(objects)
	for _, obj := range objects {
		rows = append(rows, among.Row(obj, runs[object.KeyOf(obj)]))
	}
	slices.SortFunc(rows, func(a, b Row) int { return object.Compare(a.Key, b.Key) })
	return Board{Rows: rows}
}

// Others are the objects among which a unit stands: one of them may have made it.
type Others struct{ byUID func() map[string]object.Key }

// Among lets rows be read one by one, which Make does for all.
//
//	row := screen.Among(objects).Row(obj, run)
func Among(objects []*unstructured.Unstructured) Others {
	return Others{sync.OnceValue(func() map[string]object.Key {
		out := make(map[string]object.Key, len(objects))
		for _, obj := range objects {
			out[string(obj.GetUID())] = object.KeyOf(obj)
		}
		return out
	})}
}

// Row reads one object, with its last run.
func (o Others) Row(obj *unstructured.Unstructured, run Run) Row {
	r := row(obj, run)
	if r.Parent = parentOf(obj, o); r.Parent != (object.Key{}) {
		r.Owner = r.Parent.String()
	}
	return r
}

func row(obj *unstructured.Unstructured, run Run) Row {
	key := object.KeyOf(obj)
	r := Row{Key: key, Kind: key.Kind, Name: key.Name, Space: key.Namespace, On: run.On, Missing: run.Missing, Took: run.Took, Seconds: run.Took.Seconds(), Why: run.Why}
	r.Warnings = run.Warnings
	s, err := unit.StatusOf(obj)
	if err != nil {
		r.State, r.Message = Failed, err.Error()
		return r
	}
	r.Revision = revision(s)
	r.Simulated = strings.Contains(messageOf(s), "simulated pods")
	r.State, r.Reason, r.Message = stateOf(obj, s, run)
	return r
}

// parentOf is the unit that made another one, by its labels: a Kustomization, a
// HelmRelease (of which the HelmChart is too), or an ArtifactGenerator.
func parentOf(obj *unstructured.Unstructured, among Others) object.Key {
	labels, key := obj.GetLabels(), object.KeyOf(obj)
	var parent object.Key
	switch {
	case labels[swapi.ArtifactGeneratorLabel] != "":
		parent = among.byUID()[labels[swapi.ArtifactGeneratorLabel]]
	case labels[object.HelmOwnerName] != "":
		parent = object.Key{Group: object.GroupHelm, Kind: unit.HelmReleaseKind, Namespace: labels[object.HelmOwnerNamespace], Name: labels[object.HelmOwnerName]}
	case labels[object.OwnerName] != "":
		parent = object.Key{Group: object.GroupKustomize, Kind: unit.KustomizationKind, Namespace: labels[object.OwnerNamespace], Name: labels[object.OwnerName]}
	}
	if parent == key {
		return object.Key{}
	}
	return parent
}

// messageOf is what a status says of the health that it rests on: a
// Kustomization in Healthy, a HelmRelease in Released's summary.
func messageOf(s unit.Status) string {
	if c := unit.Condition(s.Conditions, report.Healthy); c != nil {
		return c.Message
	}
	if c := unit.Condition(s.Conditions, report.Released); c != nil && s.Ready() != nil {
		return s.Ready().Message
	}
	return ""
}

func revision(s unit.Status) string {
	if s.Artifact != nil {
		return s.Artifact.Revision
	}
	return cmp.Or(s.LastAppliedRevision, s.LastAttemptedRevision)
}

func stateOf(obj *unstructured.Unstructured, s unit.Status, run Run) (State, string, string) {
	if suspended(obj) {
		return Suspended, "Suspended", "suspended"
	}
	if unit.Static(obj) {
		return Ready, "Static", "read by the charts that name it"
	}
	k, _ := unit.KindOf(obj.GroupVersionKind().GroupKind())
	ready := s.Ready()
	reason, message, status := run.Reason, run.Message, run.Ready
	if status == "" && ready != nil {
		reason, message, status = ready.Reason, ready.Message, string(ready.Status)
	}
	switch {
	case status == "" && !k.Run && s.Artifact == nil:
		return Unsupported, "Unsupported", unsupported(obj.GetKind())
	case status == "":
		return Unknown, "", ""
	case status == "True":
		return Ready, reason, message
	case status == "Unknown" || run.Class == report.Progressing && run.Ready != "":
		return Progressing, reason, message
	case run.Class == report.Waiting && run.Ready != "", reason == report.ReasonDependency:
		return Waiting, reason, message
	default:
		return Failed, reason, message
	}
}

func suspended(obj *unstructured.Unstructured) bool {
	on, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
	return on
}
