package preview

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Inputs says what to do about the ConfigMaps and Secrets that a fleet reads and
// nothing in it makes.
type Inputs struct {
	// Invent makes them up, so that what reads them can be rendered, and takes what
	// is out of reach as ready.
	Invent bool
	// Values are those of keys, where they matter; others become text that begins
	// with "placeholder-", or what passes where such text does not.
	Values map[string]string
}

// placeholder is an object that was made up.
type placeholder struct {
	data map[string]string
	kind gvks.GroupKind      // of which it is the definition; zero for anything else
	by   map[object.Key]bool // who could not do without that kind, or namespace
}

// manager is the field manager of what is made up.
const manager = "leat"

// provide makes up what is missing once everything else has come to rest, and
// tells whether there was anything.
func (f *Fleet) provide(ctx context.Context) (bool, error) {
	if !f.cfg.Inputs.Invent {
		return f.assume(ctx)
	}
	changed := map[object.Key]bool{}
	for _, obj := range f.all() {
		key := object.KeyOf(obj)
		if f.runs[key].Ready == "True" {
			continue
		}
		for _, in := range f.factsOf(obj).inputs {
			if f.need(in) {
				changed[in.object] = true
			}
		}
	}
	if err := f.write(ctx, changed); err != nil {
		return false, err
	}
	variables, err := f.variables(ctx)
	if err != nil || variables || len(changed) > 0 {
		return true, err
	}
	return f.assume(ctx)
}

// input is a key of a ConfigMap or Secret that a unit reads.
type input struct {
	object object.Key
	key    string // empty: any, as variables
	value  string
}

// inputsOf are what a unit cannot do without.
func inputsOf(obj *unstructured.Unstructured) []input {
	out := kubeconfigOf(obj)
	switch obj.GetKind() {
	case unit.KustomizationKind:
		k, err := unit.DecodeKustomization(obj)
		if err != nil || k.Spec.PostBuild == nil {
			return out
		}
		for _, from := range k.Spec.PostBuild.SubstituteFrom {
			if !from.Optional {
				out = append(out, input{object: object.Key{Kind: from.Kind, Namespace: k.Namespace, Name: from.Name}})
			}
		}
	case unit.HelmReleaseKind:
		h, err := unit.DecodeHelmRelease(obj)
		if err != nil {
			return out
		}
		for _, from := range h.Spec.ValuesFrom {
			if from.Optional {
				continue
			}
			in := input{object.Key{Kind: from.Kind, Namespace: h.Namespace, Name: from.Name}, from.GetValuesKey(), "{}"}
			if from.TargetPath != "" {
				in.value = sample(in.key, build.Undefined{Field: from.TargetPath})
			}
			out = append(out, in)
		}
	}
	return out
}

// need tells whether an input has to be made up, or more of it.
func (f *Fleet) need(in input) bool {
	p := f.made[in.object]
	if p == nil && f.objects[in.object] != nil {
		return false
	}
	if p == nil {
		p = &placeholder{data: map[string]string{}}
		f.made[in.object] = p
	} else if _, has := p.data[in.key]; has || in.key == "" {
		return false
	}
	if in.key != "" {
		p.data[in.key] = f.value(in.key, in.value)
	}
	return true
}

func (f *Fleet) value(key, sample string) string {
	if v, given := f.cfg.Inputs.Values[key]; given {
		return v
	}
	return sample
}

// variables gives what was made up the variables that units use and nothing
// defines.
func (f *Fleet) variables(ctx context.Context) (bool, error) {
	f.listen()
	changed := map[object.Key]bool{}
	if len(f.made) == 0 {
		return false, nil
	}
	for _, obj := range f.all() {
		p, key := f.madeFor(obj)
		if p == nil {
			continue
		}
		for _, u := range f.cfg.Engine.Undefined(ctx, f.cfg.World, obj, f.cfg.Now) {
			if _, has := p.data[u.Name]; !has {
				p.data[u.Name] = f.value(u.Name, sample(u.Name, u))
				changed[key] = true
			}
		}
	}
	return len(changed) > 0, f.write(ctx, changed)
}

// madeFor returns what was made up for the variables of a unit: the last one that
// it names, which wins.
func (f *Fleet) madeFor(obj *unstructured.Unstructured) (*placeholder, object.Key) {
	if obj.GetKind() != unit.KustomizationKind {
		return nil, object.Key{}
	}
	for _, in := range slices.Backward(f.factsOf(obj).inputs) {
		if p := f.made[in.object]; p != nil && in.key == "" {
			return p, in.object
		}
	}
	return nil, object.Key{}
}

// write puts what was made up into the world.
func (f *Fleet) write(ctx context.Context, keys map[object.Key]bool) error {
	for _, key := range slices.SortedFunc(maps.Keys(keys), object.Compare) {
		data := map[string]any{}
		for name, value := range f.made[key].data {
			if key.Kind == "Secret" {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			data[name] = value
		}
		obj := bare(object.Ref{Key: key, Version: "v1"})
		obj.Object["data"] = data
		if _, err := f.cfg.World.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
			return fmt.Errorf("make up %s: %w", key, err)
		}
	}
	return nil
}

// samples are values that pass where text does not, by the last part of the name
// of the field they are used in.
var samples = map[string]string{
	"replicas": "1", "minReplicas": "1", "maxReplicas": "2", "port": "80", "targetPort": "80", "containerPort": "80", "nodePort": "30000",
	"number": "80", "weight": "1", "priority": "1", "interval": "1m", "timeout": "1m", "retryInterval": "1m", "suspend": "false", "prune": "true",
	"wait": "false", "force": "false", "enabled": "false", "cpu": "1", "memory": "1Gi", "storage": "1Gi", "cidr": "192.0.2.0/24",
	"ip": "192.0.2.1", "loadBalancerIP": "192.0.2.1", "clusterIP": "192.0.2.1", "schedule": "0 0 * * *",
}

// sample is a value for a variable: it says of itself that it is none, where it
// may.
func sample(name string, used build.Undefined) string {
	leaf := used.Field[strings.LastIndex(used.Field, ".")+1:]
	text := "placeholder-" + strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch v, special := samples[leaf]; {
	case special:
		return v
	case used.Object.Kind == "Secret" && strings.HasPrefix(used.Field, "data."):
		return base64.StdEncoding.EncodeToString([]byte(text))
	default:
		return text
	}
}
