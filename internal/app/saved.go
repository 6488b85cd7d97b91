package app

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/saved"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/world/memory"
)

// A rendered base is kept between processes (docs/design/0005-plan-on-disk.md): its
// world, and what its fleet and engine remember while nothing runs. The next process
// goes on from there to head, as this one would. What was kept is a base at rest, so
// nothing of head is ever taken from a file.

// savedBase is a rendered base as plain data. Objects stand apart from it, in
// parts that are read at once.
type savedBase struct {
	Fleet  preview.Saved
	World  memory.Saved
	Others []savedOther
	Builds []build.Saved
	Last   map[object.Key]int // the build of a Kustomization, among them
	Charts []object.Key       // releases whose charts were rendered
	Flaws  []change.Flaw
	Notes  []string
	Blobs  []byte // of repositories, as git.Pool knows them
}

// parts is a savedBase as it is stored.
type parts struct {
	Base    []byte
	Objects [][]byte // of the world, in the order of its versions
}

// atOnce is how many parts the objects are stored in.
const atOnce = 4

// stand is a revision of a cluster, at rest: as it was saved, or rendered, and then
// it is saved.
func (p *Previews) stand(ctx context.Context, o entry.Options, r Revision) (*Preview, rendering, error) {
	began := time.Now()
	id, keeps := p.savedID(o, r)
	if keeps {
		if v, from, ok := p.restore(ctx, o, r, id); ok {
			from.took = time.Since(began)
			return v, from, nil
		}
	}
	v, err := p.Open(ctx, r.Snapshot, o)
	if err != nil {
		return nil, rendering{}, err
	}
	from := v.rendering(ctx, began)
	from.from = from.from.frozen()
	if keeps {
		p.save(id, v, from)
	}
	return v, from, nil
}

// save keeps a rendered base, while others go on. That it cannot is told in the log
// and changes nothing.
func (p *Previews) save(id hash.ID, v *Preview, from rendering) {
	s, err := v.saved(from)
	if err != nil {
		p.tell("the base is not kept", err)
		return
	}
	p.saves.Go(func() {
		data, err := s.encode()
		if err == nil {
			err = p.saved.Store(id, data)
		}
		if err != nil {
			p.tell("the base is not kept", err)
		}
	})
}

// tell notes what costs nothing but time.
func (p *Previews) tell(what string, err error) {
	if p.cfg.Log != nil {
		p.cfg.Log.Debug(what, "error", err)
	}
}

// saved is a preview at rest as plain data.
func (v *Preview) saved(from rendering) (savedBase, error) {
	empty, err := v.previews.empty()
	if err != nil {
		return savedBase{}, err
	}
	out := savedBase{Blobs: v.previews.pool.Hashed(), Flaws: from.flaws, Notes: from.notes, Charts: from.from.helm.charts(), Last: map[object.Key]int{}}
	var rests bool
	if out.Fleet, rests = v.Fleet.Saved(); !rests {
		return out, fmt.Errorf("%s has not come to rest", v.Entry.From)
	}
	if out.World, err = v.World.Saved(empty); err != nil {
		return out, err
	}
	if out.Others, err = v.others.keep(); err != nil {
		return out, err
	}
	if out.Builds, err = v.noted.Taken(); err != nil {
		return out, err
	}
	at := make(map[string]int, len(out.Builds))
	for i, b := range out.Builds {
		at[string(b.Recipe)+b.Features] = i
	}
	for key, last := range from.from.builds.Last() {
		b, err := build.SavedOf(last.Tree, last.Recipe, last.Options.Features, last.Outcome)
		if err != nil {
			return out, err
		}
		i, known := at[string(b.Recipe)+b.Features]
		if !known || out.Builds[i].Tree != b.Tree || out.Builds[i].Outcome.Result.ID != b.Outcome.Result.ID {
			i = len(out.Builds)
			out.Builds = append(out.Builds, b)
		}
		out.Last[key] = i
	}
	return out, nil
}

// encode writes a base down.
func (s savedBase) encode() ([]byte, error) {
	objects := s.World.Objects
	s.World.Objects = nil
	out := parts{Objects: make([][]byte, atOnce)}
	var err error
	if out.Base, err = saved.Encode(s); err != nil {
		return nil, err
	}
	for i := range atOnce {
		part := objects[i*len(objects)/atOnce : (i+1)*len(objects)/atOnce]
		if out.Objects[i], err = saved.Encode(part); err != nil {
			return nil, err
		}
	}
	return saved.Encode(out)
}

// decodeBase reads what encode wrote.
func decodeBase(data []byte) (savedBase, error) {
	var (
		all  parts
		base savedBase
		wait sync.WaitGroup
		free = make(chan struct{}, runtime.GOMAXPROCS(0))
	)
	if err := saved.Decode(data, &all); err != nil {
		return base, err
	}
	objects, errs := make([][]*unstructured.Unstructured, len(all.Objects)), make([]error, len(all.Objects)+1)
	begin := func(f func()) {
		wait.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			f()
		})
	}
	begin(func() { errs[len(all.Objects)] = saved.Decode(all.Base, &base) })
	for i, part := range all.Objects {
		begin(func() { errs[i] = saved.Decode(part, &objects[i]) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return base, err
		}
	}
	base.World.Objects = slices.Concat(objects...)
	return base, nil
}

// restore has a preview stand as it was saved; false where there is nothing of use.
func (p *Previews) restore(ctx context.Context, o entry.Options, r Revision, id hash.ID) (*Preview, rendering, bool) {
	data, ok := p.saved.Load(id)
	if !ok {
		return nil, rendering{}, false
	}
	s, err := decodeBase(data)
	if err != nil {
		p.tell("what was kept of the base cannot be read", err)
		return nil, rendering{}, false
	}
	p.pool.Know(s.Blobs)
	v, err := p.stage(r.Snapshot, o, &s)
	if err != nil {
		return nil, rendering{}, false
	}
	if !v.resume(ctx, s) {
		v.Close()
		return nil, rendering{}, false
	}
	out := rendering{fleet: v.Rendered(ctx), from: v.from.frozen(), path: v.Entry.Path, flaws: s.Flaws, notes: s.Notes}
	v.judged(ctx, out.fleet, out.flaws)
	return v, out, true
}

// resume has the fleet of a preview stand as it was saved, and tells whether what
// it was rendered from is what it was.
func (v *Preview) resume(ctx context.Context, s savedBase) bool {
	if err := v.Fleet.Restore(s.Fleet, s.objects()); err != nil {
		return false
	}
	same, err := v.Fleet.Confirm(ctx, s.Fleet)
	if err != nil || !same || !v.sameRemotes(ctx, s) {
		return false
	}
	options := build.Options{Remote: v.ground.bases}
	recipes := make([]build.Recipe, len(s.Builds))
	for i, b := range s.Builds {
		if recipes[i], err = b.Decode(); err != nil {
			return false
		}
		options.Features = b.Features
		if err := b.Remember(recipes[i]); err != nil {
			return false
		}
		if err := v.previews.builds.Keep(recipes[i], options, b.Outcome); err != nil {
			return false
		}
	}
	for key, i := range s.Last {
		t, known := v.tree(s.Builds[i].Tree)
		if !known {
			return false
		}
		options.Features = s.Builds[i].Features
		v.from.builds.Put(key, provenance.Build{Tree: t, Recipe: recipes[i], Options: options, Outcome: s.Builds[i].Outcome})
	}
	before, err := v.World.Copy()
	if err != nil {
		return false
	}
	v.from.helm.restore(s.Charts, before)
	return true
}

// objects are those of all clusters, by name.
func (s savedBase) objects() map[string][]*unstructured.Unstructured {
	out := map[string][]*unstructured.Unstructured{"": s.World.Objects}
	for _, o := range s.Others {
		out[o.Name] = o.World.Objects
	}
	return out
}

// tree finds a tree that something was built from.
func (v *Preview) tree(id hash.ID) (tree.Tree, bool) {
	if v.ground.tree.Hash() == id {
		return v.ground.tree, true
	}
	return v.previews.store.Tree(id)
}

// sameRemotes tells whether the remote bases of all builds are what they were; those
// that could not be had then cannot be had now.
func (v *Preview) sameRemotes(ctx context.Context, s savedBase) bool {
	asked := map[string]hash.ID{}
	for _, u := range s.Fleet.Memory.Units {
		for _, r := range u.Reads.In(record.Remote) {
			asked[r.Key] = r.Answer
		}
	}
	for _, b := range s.Builds {
		for _, r := range b.Outcome.Reads.In(record.Remote) {
			asked[r.Key] = r.Answer
		}
	}
	for _, address := range slices.Sorted(maps.Keys(asked)) {
		_, id, err := v.ground.bases.Fetch(ctx, address)
		if err != nil {
			id = record.Miss
		}
		if id != asked[address] {
			return false
		}
	}
	return true
}
