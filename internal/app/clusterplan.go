package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/source/artifact"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/overlay"
)

// ClusterPlanConfig says what to plan for a cluster.
type ClusterPlanConfig struct {
	Previews PreviewConfig
	// Revisions gives the head; the base is the cluster.
	Revisions Revisions
	REST      *rest.Config
	Entry     entry.Options
}

// PlanCluster compares a cluster as it stands with what it would become if the head
// were delivered to it. Both are copies laid over the cluster, which is read, and
// asked for dry runs, and never written.
func PlanCluster(ctx context.Context, cfg ClusterPlanConfig) (present.Plan, error) {
	cfg.Previews.Given = true
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return present.Plan{}, err
	}
	defer previews.Close()
	head, err := cfg.Revisions.side(ctx, previews.pool, cfg.Revisions.Head)
	if err != nil {
		return present.Plan{}, fmt.Errorf("--head: %w", err)
	}
	e, err := entry.Find(head.Tree, cfg.Entry)
	if err != nil {
		return present.Plan{}, err
	}
	c, err := previews.connect(cfg.REST)
	if err != nil {
		return present.Plan{}, err
	}
	defer c.close()
	c.entry, c.tree = e, head.Tree
	c.local = &LocalSources{Own: []string{e.URL()}, Fleet: &fixed{head.Snapshot}, Mirrors: cfg.Previews.Mirrors, Pool: previews.pool}
	found, err := c.plan(ctx, head)
	found.Path = e.Path
	return present.Plan{Entries: []present.Entry{found}}, err
}

// planning is a cluster that is planned for.
type planning struct {
	*Previews
	world    world.World
	kube     string // its version
	dir      string // of artifacts
	store    *artifact.Store
	local    *LocalSources
	entry    entry.Entry
	tree     tree.Tree // of the head
	fresh    bool      // the cluster never had the fleet
	now      time.Time
	standing preview.Standing
	inputs   []*unstructured.Unstructured // Secrets that units read
	hidden   map[object.Key]bool          // those that were looked for
}

func (p *Previews) connect(rc *rest.Config) (*planning, error) {
	w, err := cluster.New(rc, cluster.Options{})
	if err != nil {
		return nil, err
	}
	server, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	version, err := server.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the cluster for its version: %w", err)
	}
	client, err := inCluster(rc)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "leat-plan-")
	if err != nil {
		return nil, fmt.Errorf("keep artifacts: %w", err)
	}
	store, err := artifact.NewStore(dir, artifact.Options{Client: client})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &planning{Previews: p, world: w, kube: version.GitVersion, dir: dir, store: store, now: time.Now(), hidden: map[object.Key]bool{}}, nil
}

func (c *planning) close() {
	_ = c.store.Close()
	_ = os.RemoveAll(c.dir) // of the system's temporary directory
}

// plan renders both sides and says what lies between them.
func (c *planning) plan(ctx context.Context, head Revision) (present.Entry, error) {
	base, err := c.base(ctx)
	if err != nil {
		return present.Entry{}, err
	}
	after, err := c.head(ctx, head)
	if err != nil {
		return present.Entry{}, err
	}
	base.fleet, after.fleet = preview.Alike(preview.Warned(base.fleet, after.fleet), after.fleet)
	set := change.Compare(base.fleet, after.fleet, change.Options{Mask: c.cfg.Options.Mask, Inputs: c.inputs})
	found, err := judge(ctx, &set, base, after)
	if err != nil {
		return present.Entry{}, err
	}
	return present.Entry{Set: set, Findings: found, Took: present.Took{Base: base.took, Head: after.took}, Notes: slices.Concat(c.neverHad(), unasked(after.fleet))}, nil
}

// base is the cluster as it stands.
func (c *planning) base(ctx context.Context) (out rendering, err error) {
	began := time.Now()
	if c.standing, err = preview.Look(ctx, c.world); err != nil {
		return out, fmt.Errorf("read the cluster: %w", err)
	}
	revision, err := c.delivered()
	if err != nil {
		return out, err
	}
	f, _, err := c.fleetIn(c.copy())
	if err != nil {
		return out, err
	}
	defer f.Close()
	f.Take(c.standing)
	out.fleet = f.Rendered(ctx, revision)
	out.took = time.Since(began)
	return out, c.hide(ctx, c.standing.Units)
}

// head is what the cluster would become.
func (c *planning) head(ctx context.Context, r Revision) (out rendering, err error) {
	began := time.Now()
	w := c.copy()
	f, from, err := c.fleetIn(w)
	if err != nil {
		return out, err
	}
	defer f.Close()
	if c.fresh {
		if err := c.begin(ctx, w, from); err != nil {
			return out, fmt.Errorf("plan for a cluster that never had the fleet: %w", err)
		}
	}
	if err := f.Continue(ctx, preview.Start{Standing: c.standing, Idle: c.idle}); err != nil {
		return out, fmt.Errorf("plan for the cluster: %w", err)
	}
	out.fleet, out.from = f.Rendered(ctx, r.Revision()), *from
	out.took = time.Since(began)
	return out, c.hide(ctx, f.Units())
}

// delivered is the revision of the fleet's own repository that the cluster has.
func (c *planning) delivered() (string, error) {
	for _, obj := range c.standing.Units {
		if !c.own(obj) {
			continue
		}
		s, err := unit.StatusOf(obj)
		if err != nil {
			return "", err
		}
		if s.Artifact != nil {
			return s.Artifact.Revision, nil
		}
		return "", nil
	}
	c.fresh = true
	return "", nil
}

// neverHad says so of a cluster that never had the fleet.
func (c *planning) neverHad() []string {
	if !c.fresh {
		return nil
	}
	return []string{fmt.Sprintf("no GitRepository of the cluster has the address %s: it never had this fleet, and everything is as it would be after an install; if it is another one's cluster, pass --context",
		shown(c.local.Own[0]))}
}

// begin puts what delivers a fleet into a copy of a cluster that never had it: the
// kinds of Flux, the ground and the entry.
func (c *planning) begin(ctx context.Context, w world.World, from *origins) error {
	if _, err := InstallDefinitions(ctx, w); err != nil {
		return err
	}
	g := ground{
		world: w, entry: c.entry, tree: c.tree, bases: c.bases(c.local), builds: from.builds, options: c.cfg.Options,
		createNamespaces: true, say: func(string, ...any) {},
	}
	return g.lay(ctx)
}

func (c *planning) own(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == unit.GitRepositoryKind && c.local.isOwn(address(obj))
}

func address(obj *unstructured.Unstructured) string {
	url, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
	return url
}

// copy is a copy of the cluster.
func (c *planning) copy() *overlay.World {
	return overlay.New(c.world, overlay.Options{Now: func() time.Time { return c.now }})
}

// fleetIn makes an engine that works in a copy of the cluster.
func (c *planning) fleetIn(w *overlay.World) (*preview.Fleet, *origins, error) {
	from := &origins{builds: provenance.Trace(c.builds)}
	eng, err := c.engine(stage{world: w, kube: c.kube, from: from, local: c.local})
	if err != nil {
		return nil, nil, err
	}
	eng.Trees = liveTrees{eng.Store, eng.Trees, storePort{c.store}}
	return preview.New(preview.Config{World: w, Engine: eng, Now: c.now, Log: c.cfg.Log}), from, nil
}

// idle tells which units stand as they are: those that work in another cluster, and
// sources that are neither the fleet's own repository nor may be asked. A chart is
// packed anew where it comes from a source that is read anew.
func (c *planning) idle(obj *unstructured.Unstructured) bool {
	if elsewhere, _, _ := unstructured.NestedMap(obj.Object, "spec", "kubeConfig"); elsewhere != nil {
		return true
	}
	k, _ := unit.KindOf(obj.GroupVersionKind().GroupKind())
	switch {
	case !k.Source || c.cfg.Fetch:
		return false
	case obj.GetKind() != unit.HelmChartKind:
		return !c.read(obj)
	}
	chart, err := unit.DecodeHelmChart(obj)
	if err != nil {
		return false
	}
	for _, source := range c.standing.Units {
		if object.KeyOf(source) == chart.Source() {
			return !c.read(source)
		}
	}
	return false
}

// read tells whether a source is read from this machine.
func (c *planning) read(source *unstructured.Unstructured) bool {
	_, _, mirrored := mirror.Find(c.local.Mirrors, address(source))
	return mirrored || c.own(source)
}

// hide gathers the Secrets of the cluster that units read, so that what they hold is
// hidden wherever it went.
func (c *planning) hide(ctx context.Context, units []*unstructured.Unstructured) error {
	for _, obj := range units {
		for _, key := range secretsOf(obj) {
			if c.hidden[key] {
				continue
			}
			c.hidden[key] = true
			secret, err := c.world.Get(ctx, object.Ref{Key: key, Version: "v1"})
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s, to hide what it holds: %w", key, err)
			}
			c.inputs = append(c.inputs, secret)
		}
	}
	return nil
}

// secretsOf are the Secrets whose values a unit puts into what it applies.
func secretsOf(obj *unstructured.Unstructured) []object.Key {
	path := []string{"spec", "postBuild", "substituteFrom"}
	if obj.GetKind() == unit.HelmReleaseKind {
		path = []string{"spec", "valuesFrom"}
	}
	from, _, _ := unstructured.NestedSlice(obj.Object, path...)
	var out []object.Key
	for _, f := range from {
		fields, _ := f.(map[string]any)
		if name, _ := fields["name"].(string); fields["kind"] == "Secret" {
			out = append(out, object.Key{Kind: "Secret", Namespace: obj.GetNamespace(), Name: name})
		}
	}
	return out
}

// liveTrees opens artifacts that were made here, else those of the cluster.
type liveTrees struct {
	made interface{ Has(*meta.Artifact) bool }
	here engine.Trees
	live storePort
}

// Open implements engine.Trees.
func (t liveTrees) Open(ctx context.Context, a *meta.Artifact) (tree.Tree, error) {
	if a != nil && !t.made.Has(a) {
		return t.live.Open(ctx, a)
	}
	return t.here.Open(ctx, a)
}

// Read implements engine.Trees.
func (t liveTrees) Read(ctx context.Context, a *meta.Artifact, limit int64) ([]byte, error) {
	if a != nil && !t.made.Has(a) {
		return t.live.Read(ctx, a, limit)
	}
	return t.here.Read(ctx, a, limit)
}
