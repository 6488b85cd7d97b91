package preview

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/schema"
)

// listen turns what the world told since into wakes.
func (f *Fleet) listen() {
	for {
		f.mu.Lock()
		heard := f.heard
		f.heard = nil
		f.mu.Unlock()
		if len(heard) == 0 {
			return
		}
		for _, e := range heard {
			f.changed(e)
		}
	}
}

// changed takes one change of the world.
func (f *Fleet) changed(e heard) {
	key := e.key()
	f.written[key] = true
	if table := f.tableOf(e.at); e.Type == memory.Deleted {
		table.Gone(e.Object)
	} else {
		table.Changed(e.Object)
	}
	if k, ours := kindOf(key); ours && e.at == "" {
		f.unitChanged(k, key, e.Event)
		return
	}
	if e.Type == memory.Deleted {
		delete(f.objects, key)
	} else {
		f.objects[key] = e.Object
	}
	if key.GroupKind() == schema.DefinitionKind {
		_, group, _ := strings.Cut(key.Name, ".")
		f.step(sched.Moved{Subject: engine.At(e.at, engine.KindSubject(group)), Priority: sched.Released, Why: "CRD " + key.Name + " changed"})
	}
	f.step(sched.Moved{Subject: engine.At(e.at, engine.Subject(key)), Priority: sched.Released, Why: key.String() + " changed"})
}

func (f *Fleet) unitChanged(k unit.Kind, key object.Key, e memory.Event) {
	old, now := f.units[key], e.Object
	if e.Type == memory.Deleted {
		now = nil
	}
	switch {
	case now == nil && old == nil:
		return
	case now == nil:
		f.forget(key)
	default:
		f.took(key, now)
	}
	n := engine.NewsOf(k, old, now)
	if now != nil && (old == nil || old.GetGeneration() != now.GetGeneration()) {
		f.ahead.add(now)
	}
	f.step(n.Events...)
	if n.Arrived != nil {
		f.arrived(key, old, n)
	}
}

func (f *Fleet) forget(key object.Key) {
	f.cfg.Engine.Forget(key)
	delete(f.units, key)
	delete(f.runs, key)
	delete(f.reads, key)
	delete(f.soft, key)
	delete(f.rested, key)
	delete(f.lost, key)
	delete(f.behind, key)
	delete(f.drawn, key)
	delete(f.said, key)
	f.sorted = nil
}

// run does the run that the scheduler began.
func (f *Fleet) run(ctx context.Context) error {
	if err := f.exhausted(); err != nil {
		return err
	}
	r := f.starts[0]
	f.starts = f.starts[1:]
	f.count++
	obj := f.units[r.Unit]
	if obj == nil {
		f.step(sched.Finished{Unit: r.Unit})
		return nil
	}
	delete(f.behind, r.Unit)
	rep, err := f.converge(ctx, obj.DeepCopy())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err): // it moved by its own run; what moved is heard
		f.step(sched.Finished{Unit: r.Unit}, sched.Wake{Unit: r.Unit, Why: "it moved during the run"})
		return nil
	case err != nil:
		return err
	}
	f.note(rep)
	f.catchUp(obj, rep.Reads)
	f.step(sched.Finished{Unit: r.Unit, Subjects: subjects(rep)})
	return nil
}

// note keeps what a run said.
func (f *Fleet) note(rep report.Report) {
	delete(f.drawn, rep.Unit)
	if rep.Summary.Ready == "" {
		return
	}
	f.runs[rep.Unit] = screen.RunOf(rep)
	f.reads[rep.Unit] = rep
	if rep.Summary.Ready != "True" {
		return
	}
	if _, before := f.rested[rep.Unit]; !before {
		f.rested[rep.Unit] = f.count
	}
}

func subjects(rep report.Report) []string {
	out := make([]string, 0, len(rep.Reads))
	for _, r := range rep.Reads {
		if r.Space == record.Object || r.Space == record.Schema {
			out = append(out, r.Key)
		}
	}
	return out
}

// converge lets the engine work on a unit and writes down what it reports, as the
// controller does.
func (f *Fleet) converge(ctx context.Context, obj *unstructured.Unstructured) (report.Report, error) {
	finalizer, deleting := unit.Finalizer(obj), obj.GetDeletionTimestamp() != nil
	key := object.KeyOf(obj)
	delete(f.soft, key)
	if deleting && !slices.Contains(obj.GetFinalizers(), finalizer) {
		return report.Report{Unit: key}, nil
	}
	if !deleting && !unit.Static(obj) {
		next, err := f.commit.Finalizer(ctx, obj, finalizer)
		if err != nil {
			return report.Report{}, err
		}
		obj = next
	}
	rep := f.cfg.Engine.Converge(ctx, f.cfg.World, obj.DeepCopy(), f.cfg.Now)
	var err error
	switch {
	case ctx.Err() != nil:
	case rep.Finalize:
		_, err = f.commit.Release(ctx, obj, finalizer)
	case rep.Status == nil:
	case rep.Soft:
		f.soft[key] = softStatus{obj, rep.Status}
	default:
		_, _, err = f.commit.Status(ctx, obj, rep.Status)
	}
	return rep, err
}
