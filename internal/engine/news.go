package engine

import (
	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// News is what a change of an object of one of our own kinds means: who is to
// run. Whoever tells of changes, watches or a world in this process, asks here.
type News struct {
	Events []sched.Event
	// Arrived is the new artifact of a source that trees are built from, and First
	// that there was none before: whom it concerns, Concerned tells.
	Arrived *meta.Artifact
	First   bool
}

// NewsOf says what a change means, where old or now may be nil: a wake of the
// unit itself when a person changed it, and of everything that read it.
func NewsOf(k unit.Kind, old, now *unstructured.Unstructured) News {
	if now == nil {
		return gone(object.KeyOf(old))
	}
	var n News
	key := object.KeyOf(now)
	if why := asked(old, now); why != "" && k.Run {
		priority := sched.Request
		if old == nil {
			priority = sched.Revision
		}
		n.Events = append(n.Events, sched.Wake{Unit: key, Class: k.Class, Priority: priority, Why: why})
	}
	if k.Source {
		n.source(key, artifactIn(old), artifactIn(now))
	}
	if key.Kind == unit.HelmRepositoryKind && (old == nil || old.GetGeneration() != now.GetGeneration()) {
		n.moved(RepositoriesSubject(key.Namespace), sched.Released, key.String()+" changed")
	}
	n.moved(Subject(key), sched.Released, key.String()+" changed")
	return n
}

func gone(key object.Key) News {
	n := News{Events: []sched.Event{sched.Removed{Unit: key}}}
	why := key.String() + " was deleted"
	n.moved(Subject(key), sched.Released, why)
	n.moved(SourceSubject(key), sched.Released, why)
	return n
}

func (n *News) moved(subject string, p sched.Priority, why string) {
	n.Events = append(n.Events, sched.Moved{Subject: subject, Priority: p, Why: why})
}

// source wakes what builds from a source: by impact when there is a new artifact,
// all who wait while there is none.
func (n *News) source(key object.Key, was, is *meta.Artifact) {
	switch {
	case is == nil:
		n.moved(SourceSubject(key), sched.Released, key.String()+" changed")
	case was != nil && was.Revision == is.Revision && was.Digest == is.Digest:
	case key.Kind == unit.HelmRepositoryKind || key.Kind == unit.HelmChartKind: // files, from which no Kustomization builds
		n.moved(SourceSubject(key), sched.Revision, key.String()+" is at "+is.Revision)
	default:
		n.Arrived, n.First = is, was == nil
	}
}

// NewsOfManaged wakes the unit whose object moved, and those that await it.
func NewsOfManaged(m live.Move) []sched.Event {
	if m.Drift {
		return []sched.Event{
			sched.Moved{Subject: HealthSubject(m.Key), Priority: sched.Drift, Why: m.Why},
			sched.Moved{Subject: ManagedSubject(m.Key), Priority: sched.Drift, Why: m.Why},
		}
	}
	// What became ready ends a run that was begun: it goes before runs not begun.
	return []sched.Event{sched.Moved{Subject: HealthSubject(m.Key), Priority: sched.Request, Why: m.Why}}
}

// Concerned returns the Kustomizations among objects that build from a source.
func Concerned(objs []*unstructured.Unstructured, source object.Key) []object.Key {
	var out []object.Key
	for _, obj := range objs {
		if obj.GetKind() == unit.KustomizationKind && unit.SourceOf(obj) == source {
			out = append(out, object.KeyOf(obj))
		}
	}
	return out
}

// asked says what of a unit's own object asks for a run: being new, another
// spec, a request by annotation, a deletion. Status and labels do not.
func asked(old, now *unstructured.Unstructured) string {
	switch {
	case old == nil:
		return "first seen"
	case old.GetUID() != now.GetUID():
		return "made anew"
	case old.GetDeletionTimestamp() == nil && now.GetDeletionTimestamp() != nil:
		return "deleted"
	case old.GetGeneration() != now.GetGeneration():
		return "its spec changed"
	case unit.Requested(now.GetAnnotations()) != "" && unit.Requested(old.GetAnnotations()) != unit.Requested(now.GetAnnotations()):
		return "requested"
	case now.GetKind() == unit.ArtifactGeneratorKind && generatorMark(old) != generatorMark(now):
		return "its reconcile annotation changed"
	}
	return ""
}

func generatorMark(obj *unstructured.Unstructured) string {
	return obj.GetAnnotations()[object.GroupSourceExtensions+"/reconcile"]
}

func artifactIn(obj *unstructured.Unstructured) *meta.Artifact {
	if obj == nil {
		return nil
	}
	s, err := unit.StatusOf(obj)
	if err != nil {
		return nil
	}
	return s.Artifact
}
