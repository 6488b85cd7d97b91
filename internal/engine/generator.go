package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/generate"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// maxExtracted bounds what one archive may hold that a copy operation extracts,
// in bytes (fluxcd/pkg/tar DefaultMaxUntarSize).
const maxExtracted = 100 << 20

// generating is one run of one ArtifactGenerator.
type generating struct {
	*Engine
	g    *unit.ArtifactGenerator
	w    world.World
	view view
	memo *generated
	now  time.Time
	run  report.GeneratorRun

	observed map[string]observed // sources by alias
	outputs  []output
	failed   []error                                   // of the artifacts that could not be made
	live     map[object.Key]*unstructured.Unstructured // objects as found; nil where there is none
	fresh    bool                                      // outputs are made anew, not remembered
}

// observed is the artifact that a source offers.
type observed struct {
	key      object.Key
	artifact *meta.Artifact
}

// output is one artifact as it is stored.
type output struct {
	generate.Artifact
	content hash.ID // of its tree
	stored  meta.Artifact
}

// generated is what the last run of a generator left: its outputs by the key of
// everything that decides them, and the objects as it wrote them.
type generated struct {
	key     hash.ID
	outputs []output
	wrote   map[object.Key]written
}

func (e *Engine) convergeGenerator(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	g, err := unit.DecodeArtifactGenerator(obj)
	if err != nil {
		rep := report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
		delete(rep.Status, "observedGeneration") // the kind has none
		return rep
	}
	m := e.memo(g.Key())
	r := &generating{Engine: e, g: g, w: w, view: view{world: w, rec: &record.Recorder{}}, memo: &m.generated, now: now,
		live: map[object.Key]*unstructured.Unstructured{}}
	switch {
	case g.DeletionTimestamp != nil:
		r.run.Err = r.remove(ctx)
		r.run.Failures = e.failures(g.Key(), r.run.Err)
		return report.RemovedGenerator(g, r.run, now)
	case g.IsDisabled():
		return report.DisabledGenerator(g, now)
	}
	r.run.Err = r.converge(ctx)
	r.run.Reads = r.view.rec.Set()
	r.run.Failures = e.failures(g.Key(), r.run.Err)
	return report.ArtifactGenerator(g, r.run, now)
}

// converge is the story of an ArtifactGenerator.
func (r *generating) converge(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := r.observe(ctx); err != nil {
		return err
	}
	if err := r.generate(ctx); err != nil {
		return err
	}
	if err := r.publish(ctx); err != nil {
		return err
	}
	return r.sweep(ctx)
}

// check refuses what the spec alone makes impossible.
func (r *generating) check() error {
	for _, src := range r.g.Spec.Sources {
		if r.Options.NoCrossNamespaceRefs && r.g.Source(src).Namespace != r.g.Namespace {
			return report.Stall(report.ReasonAccessDenied, fmt.Errorf(
				"cross-namespace reference to source %s/%s/%s is not allowed", src.Kind, src.Namespace, src.Name))
		}
	}
	if err := generate.Check(r.g.Spec); err != nil {
		return report.Stall(report.ReasonValidationFailed, err)
	}
	return nil
}

// observe asks every source for its artifact.
func (r *generating) observe(ctx context.Context) error {
	r.observed = make(map[string]observed, len(r.g.Spec.Sources))
	state := make(map[string]swapi.ObservedSource, len(r.g.Spec.Sources))
	for _, src := range r.g.Spec.Sources {
		key := r.g.Source(src)
		art, err := r.artifactOf(ctx, key)
		if err != nil {
			return err
		}
		r.observed[src.Alias] = observed{key, art}
		state[src.Alias] = swapi.ObservedSource{
			Digest: art.Digest, Revision: art.Revision, URL: art.URL, OriginRevision: unit.OriginRevision(art),
		}
	}
	r.run.Sources = swapi.HashObservedSources(state)
	return nil
}

func (r *generating) artifactOf(ctx context.Context, key object.Key) (*meta.Artifact, error) {
	if k, known := unit.KindOf(key.GroupKind()); !known || !k.Source {
		return nil, report.Stall(report.ReasonValidationFailed, fmt.Errorf("source '%s' is of a kind that is no source", key))
	}
	obj, err := r.view.get(ctx, unit.Ref(key))
	switch {
	case err != nil:
		return nil, report.Retry(report.ReasonSourceFailed, fmt.Errorf("get sources failed: %w", err))
	case obj == nil:
		return nil, report.Missing(report.ReasonSourceFailed, fmt.Errorf("get sources failed: source '%s' not found", key), key.String())
	}
	status, err := unit.StatusOf(obj)
	if err != nil {
		return nil, report.Wait(report.ReasonSourceFailed, fmt.Errorf("get sources failed: %w", err), key.String())
	}
	if status.Artifact == nil {
		return nil, report.Wait(report.ReasonSourceFailed, fmt.Errorf("get sources failed: source '%s' is not ready%s", key, why(status)), key.String())
	}
	return status.Artifact, nil
}

// generate makes the outputs, or remembers having made them of the same
// sources. What cannot be made keeps what it last was; the others go on.
func (r *generating) generate(ctx context.Context) error {
	key, err := r.key()
	if err != nil {
		return report.Stall(report.ReasonInvalidSpec, err)
	}
	if r.memo.key == key && r.whole() {
		r.outputs = r.memo.outputs
		return nil
	}
	sources, err := r.open(ctx)
	if err != nil {
		return report.Retry(report.ReasonSourceFailed, fmt.Errorf("fetch sources failed: %w", err))
	}
	wanted, err := generate.Expand(r.g.Spec, sources)
	if err != nil {
		return report.Stall(report.ReasonBuildFailed, fmt.Errorf("failed to expand path pattern: %w", err))
	}
	r.fresh = true
	for _, a := range wanted {
		out, err := r.make(ctx, a, sources)
		if err != nil {
			r.failed = append(r.failed, err)
			continue
		}
		r.outputs = append(r.outputs, out)
	}
	r.memo.outputs, r.memo.key = r.outputs, key
	if len(r.failed) > 0 {
		r.memo.key = hash.ID{}
	}
	return nil
}

// key names everything that decides the outputs.
func (r *generating) key() (hash.ID, error) {
	spec, err := json.Marshal(r.g.Spec)
	if err != nil {
		return hash.ID{}, fmt.Errorf("write spec: %w", err)
	}
	rec := hash.New("generate/v1").Bytes(spec).Str(r.run.Sources)
	for _, src := range r.g.Spec.Sources {
		rec.Str(unit.OriginRevision(r.observed[src.Alias].artifact))
	}
	return rec.Sum(), nil
}

// whole tells whether everything that is remembered is stored.
func (r *generating) whole() bool {
	for i := range r.memo.outputs {
		if !r.Store.Has(&r.memo.outputs[i].stored) {
			return false
		}
	}
	return true
}

func (r *generating) open(ctx context.Context) (generate.Sources, error) {
	sources := make(generate.Sources, len(r.observed))
	for _, src := range r.g.Spec.Sources {
		o := r.observed[src.Alias]
		t, err := r.Trees.Open(ctx, o.artifact)
		if err != nil {
			r.view.stored(o.key)
			return nil, fmt.Errorf("open artifact of %s: %w", o.key, err)
		}
		sources[src.Alias] = t
	}
	return sources, nil
}

// make makes one output and stores it, unless the same content is stored.
func (r *generating) make(ctx context.Context, a generate.Artifact, sources generate.Sources) (output, error) {
	made, err := r.copy(ctx, a, sources)
	if err != nil {
		return output{}, report.Wait(report.ReasonBuildFailed, fmt.Errorf("%s build failed: %w", a.Name, err), r.sourceNames()...)
	}
	if err := r.mayWrite(ctx, r.g.Output(a.Name)); err != nil {
		return output{}, err
	}
	out := output{Artifact: a, content: made.Tree.Hash()}
	stored, err := r.store(out, made)
	if err != nil {
		return output{}, report.Retry(report.ReasonBuildFailed, fmt.Errorf("%s build failed: %w", a.Name, err))
	}
	out.stored = stored
	r.revise(&out)
	return out, nil
}

func (r *generating) copy(ctx context.Context, a generate.Artifact, sources generate.Sources) (generate.Output, error) {
	for _, o := range r.observed {
		if o.key == r.g.Output(a.Name) {
			return generate.Output{}, errors.New("the artifact is a source of the generator that makes it")
		}
	}
	return generate.Make(a, sources, generate.Options{Untar: unpack(ctx), Limits: tree.Limits{Bytes: untar.MaxBytes}})
}

func (r *generating) store(out output, made generate.Output) (meta.Artifact, error) {
	for i := range r.memo.outputs {
		old := &r.memo.outputs[i]
		if old.Name == out.Name && old.content == out.content && path.Base(old.stored.Path) == made.File && r.Store.Has(&old.stored) {
			return old.stored, nil
		}
	}
	stored, err := r.Store.Put(r.g.Output(out.Name), "", made.File, made.Tree)
	if err != nil {
		return meta.Artifact{}, err
	}
	return *stored, nil
}

func (r *generating) sourceNames() []string {
	var out []string
	for _, src := range r.g.Spec.Sources {
		out = append(out, r.g.Source(src).String())
	}
	return out
}

func unpack(ctx context.Context) func([]byte) (tree.Tree, error) {
	return func(packed []byte) (tree.Tree, error) {
		t, _, err := untar.Read(ctx, bytes.NewReader(packed), untar.Options{Bytes: maxExtracted})
		return t, err
	}
}

// revise says of which revision an output is: that of its content, or that of
// the source that the spec names; and of which origin.
func (r *generating) revise(out *output) {
	out.stored.Revision = "latest@" + out.stored.Digest
	if src, ok := r.observed[out.Revision]; ok {
		out.stored.Revision = src.artifact.Revision
	}
	out.stored.Metadata = nil
	if src, ok := r.observed[out.Origin]; ok {
		origin := unit.OriginRevision(src.artifact)
		if origin == "" {
			origin = src.artifact.Revision
		}
		out.stored.Metadata = map[string]string{swapi.ArtifactOriginRevisionAnnotation: origin}
	}
}
