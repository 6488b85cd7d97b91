package preview

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// Units with spec.kubeConfig work in other clusters. Each of those has a world of its
// own, by the name of what leads to it, in which the same object is another one: keys
// of a fleet bear that name, keys of a world do not. What units such a cluster is given
// run there or do not; here they are objects.

// Other is another cluster, as a fleet works in it.
type Other struct {
	World World
	Helm  engine.Helm
}

// other is one that units came to.
type other struct {
	Other
	name   string
	live   live.Told
	cancel func()
}

// Use implements engine.Remotes.
func (f *Fleet) Use(key object.Key, at engine.Address) (*engine.Site, error) {
	if f.made[leadsTo(f.units[key])] == nil && f.cfg.Reach != nil {
		if err := f.cfg.Reach(at); err != nil {
			return nil, err
		}
	}
	o, err := f.other(at.Name)
	if err != nil {
		return nil, err
	}
	return &engine.Site{
		ID: o.name, World: o.World, Live: o.live, Rehearse: f.cfg.Engine.Options.Rehearse, Helm: o.Helm,
		State: func() (bool, error) { return true, nil },
	}, nil
}

// Leave implements engine.Remotes: what stands in a cluster stays while the fleet does.
func (f *Fleet) Leave(object.Key) {}

// other returns a cluster, which begins when a unit first comes to it.
func (f *Fleet) other(name string) (*other, error) {
	if o := f.others[name]; o != nil {
		return o, nil
	}
	made, err := f.cfg.Other(name)
	if err != nil {
		return nil, fmt.Errorf("the cluster of %s: %w", name, err)
	}
	o := &other{Other: made, name: name}
	o.live = f.table(made.World, func(m live.Move) { f.step(there(name, engine.NewsOfManaged(m))...) })
	o.cancel = made.World.Subscribe(f.hearFrom(name))
	f.others[name] = o
	return o, nil
}

// there are events of another cluster, of which subjects bear the name.
func there(cluster string, events []sched.Event) []sched.Event {
	for i, e := range events {
		if m, ok := e.(sched.Moved); ok {
			m.Subject = engine.At(cluster, m.Subject)
			events[i] = m
		}
	}
	return events
}

// table is what is known of the managed objects of a world.
func (f *Fleet) table(w World, moved func(live.Move)) live.Told {
	judge := engine.Assumed
	if w != f.cfg.World {
		judge = engine.AssumedElsewhere
	}
	return live.NewTold(live.Config{
		Kind: w.Kind, Log: f.cfg.Log, Moved: moved,
		Managers: plan.Managers{Own: object.ManagerKustomize, Overrides: f.cfg.Engine.Options.OverrideManagers},
		Health: func(obj *unstructured.Unstructured) health.Result {
			return judge(obj.GroupVersionKind().GroupKind(), health.Of(obj, health.Rules{Now: f.cfg.Now}))
		},
	})
}

// worldOf is the world of a cluster; nil for one that no unit came to.
func (f *Fleet) worldOf(cluster string) World {
	if cluster == "" {
		return f.cfg.World
	}
	if o := f.others[cluster]; o != nil {
		return o.World
	}
	return nil
}

// tableOf is the table of a cluster that is there.
func (f *Fleet) tableOf(cluster string) live.Told {
	if cluster == "" {
		return f.live
	}
	return f.others[cluster].live
}

// helmOf is the Helm of a cluster; nil where there is none.
func (f *Fleet) helmOf(cluster string) engine.Helm {
	if cluster == "" {
		return f.cfg.Engine.Helm
	}
	if o := f.others[cluster]; o != nil {
		return o.Helm
	}
	return nil
}

// leadsTo is the object that leads to the cluster of a unit; the zero key where it
// works in the fleet's own.
func leadsTo(obj *unstructured.Unstructured) object.Key {
	if obj == nil {
		return object.Key{}
	}
	for _, in := range kubeconfigOf(obj) {
		return in.object
	}
	return object.Key{}
}

// kubeconfigOf are the keys of the Secret, or ConfigMap, that leads to the cluster of
// a unit, with what stands for them where nothing brings them.
func kubeconfigOf(obj *unstructured.Unstructured) []input {
	if unit.Elsewhere(obj) == "" {
		return nil
	}
	field := func(path ...string) string {
		v, _, _ := unstructured.NestedString(obj.Object, append([]string{"spec", "kubeConfig"}, path...)...)
		return v
	}
	if name := field("secretRef", "name"); name != "" {
		in := input{object: object.Key{Kind: "Secret", Namespace: obj.GetNamespace(), Name: name}, key: "value", value: "placeholder-kubeconfig"}
		if key := field("secretRef", "key"); key != "" {
			in.key = key
		}
		return []input{in}
	}
	from := object.Key{Kind: "ConfigMap", Namespace: obj.GetNamespace(), Name: field("configMapRef", "name")}
	return []input{{from, "provider", "generic"}, {from, "address", "https://placeholder.invalid:443"}}
}
