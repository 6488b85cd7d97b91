package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/provenance"
)

// RetireConfig says what to take out of an environment.
type RetireConfig struct {
	CarryConfig
	Environment string
	Object      string // Kind/namespace/name, or as much of the end as is clear
	Keep        bool   // in Git
	// Unrendered removes what may be in environments that could not be looked into.
	Unrendered bool
	DryRun     bool
	Previews   PreviewConfig
}

// Retired is what a retirement does.
type Retired struct {
	carry.Retirement
	Object object.Key
	At     string // file:line
	Unit   object.Key
	// Prunes tells that the cluster follows; else a person deletes there.
	Prunes bool
	// V1 is what Flux v1 delivers; nil where Flux v2 does.
	V1 *carry.ManifestV1
	// Then is what a person does once it is merged; empty for nothing.
	Then []string
	// Plan is what it does to the environment, as Markdown; empty where that is not known.
	Plan string
	// Unseen is what could not be looked into, and may have the object too: what failed
	// stands first.
	Unseen []Unseen
}

// Retire proposes that an object goes out of an environment.
func Retire(ctx context.Context, cfg RetireConfig) (out Retired, err error) {
	c, err := Carry(ctx, cfg.CarryConfig)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	e, known := c.Flow.Environment(cfg.Environment)
	if !known {
		return out, fmt.Errorf("there is no environment %s; leat.yaml has %s", cfg.Environment, strings.Join(c.Flow.Names(), ", "))
	}
	in := carry.Retiring{Fleet: c.Fleet, Environment: e, DryRun: cfg.DryRun}
	if cfg.Keep {
		in.Keep = carry.LocalConfig
	}
	if err := cfg.find(ctx, c, &in, &out); err != nil {
		return out, err
	}
	var f forge.Forge
	if !cfg.DryRun {
		if f, err = c.Forge(c.Repo); err != nil {
			return out, err
		}
	}
	out.Retirement, err = carry.Retire(ctx, in, f, func(r carry.Retirement) (string, error) {
		out.Retirement = r
		if err := cfg.around(ctx, c.Flow, e, &out); err != nil {
			return "", err
		}
		return out.body(e), nil
	})
	return out, err
}

// find finds where the object is written: in a fleet of Flux v1 by reading its files.
func (cfg RetireConfig) find(ctx context.Context, c *Carrying, in *carry.Retiring, out *Retired) error {
	head, err := c.Head(ctx, in.Environment.Branch)
	if err != nil {
		return err
	}
	if dir := cmp.Or(in.Environment.Directory, in.Environment.Cluster); carry.FluxV1(head.Tree, dir) {
		return cfg.findV1(head, dir, in, out)
	}
	return cfg.findRendered(ctx, head, in, out)
}

func (cfg RetireConfig) findV1(head Head, dir string, in *carry.Retiring, out *Retired) error {
	found, err := carry.FindV1(head.Tree, dir, cfg.Object)
	if err != nil {
		return err
	}
	in.Object, in.File, in.Line, in.Patches = found.Object, found.File, found.Line, found.Patches
	if cfg.Keep {
		in.Keep = found.Ignore
	}
	out.Object, out.At, out.V1 = found.Object, fmt.Sprintf("%s:%d", found.File, found.Line), &found
	out.Then = thenV1(found, in.Environment, cfg.Keep)
	return nil
}

// findRendered renders the environment and finds the line that its object comes from.
func (cfg RetireConfig) findRendered(ctx context.Context, head Head, in *carry.Retiring, out *Retired) error {
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return err
	}
	defer previews.Close()
	v, err := previews.Open(ctx, head.snapshot(), entry.Options{Path: cmp.Or(in.Environment.Cluster, in.Environment.Directory, ".")})
	if err != nil {
		return err
	}
	defer v.Close()
	rendered := v.Rendered(ctx)
	u, key, err := theObject(rendered, cfg.Object)
	if err != nil {
		return err
	}
	if u == nil {
		return nowhere(cfg.Object, unbuilt(in.Environment, rendering{fleet: rendered, from: v.from}, mayMake))
	}
	at := provenance.Read(v.from.at(rendered)).Of(provenance.Target{Unit: u.Key, Object: key})
	if at.File == "" || u.Release != nil {
		return fmt.Errorf("%s is made by %s, and stands in no file of the fleet: change that instead", key, u.Key)
	}
	if head.Tree.Lookup(at.File).Blob == nil {
		return fmt.Errorf("%s stands in %s of %s, which is another repository", key, at.At(), at.Source)
	}
	in.Object, in.File, in.Line = key, at.File, at.Line
	prune, found := nested(u, "prune")
	out.Object, out.At, out.Unit, out.Prunes = key, at.At(), u.Key, found && prune
	return nil
}

func nested(u *fleet.Unit, field string) (value, found bool) {
	spec, _ := u.Object.Object["spec"].(map[string]any)
	value, found = spec[field].(bool)
	return value, found
}

// nowhere says that an object was not found, and where nobody could look.
func nowhere(name string, unseen []Unseen) error {
	if len(unseen) == 0 {
		return fmt.Errorf("nothing in the environment is called %s", name)
	}
	return fmt.Errorf("nothing in the environment is called %s, as far as it could be looked into; not looked into:\n%s", name, strings.TrimSuffix(UnseenText(unseen), "\n"))
}

// theObject finds one object by its name, or as much of the end as is clear; no unit where
// there is none.
func theObject(r fleet.Rendered, name string) (unit *fleet.Unit, found object.Key, err error) {
	var all []object.Key
	for i := range r.Units {
		for _, key := range asksFor(&r.Units[i]) {
			if !calledSo(key, name) {
				continue
			}
			if !slices.Contains(all, key) {
				all = append(all, key)
			}
			unit, found = &r.Units[i], key
		}
	}
	if len(all) < 2 {
		return unit, found, nil
	}
	texts := make([]string, len(all))
	for i, key := range all {
		texts[i] = key.String()
		if slices.ContainsFunc(all, func(other object.Key) bool { return other != key && other.String() == key.String() }) {
			texts[i] = grouped(key)
		}
	}
	return nil, found, fmt.Errorf("%s can be %s: say which", name, strings.Join(texts, ", "))
}

// calledSo tells whether a name is that of an object, or as much of its end as is given.
func calledSo(key object.Key, name string) bool {
	return key.Name == name || slices.ContainsFunc([]string{key.String(), grouped(key), key.Kind + "/" + key.Name}, func(is string) bool { return strings.EqualFold(is, name) })
}

// grouped names an object with its group, Kind.group/namespace/name; with a point behind
// the kind of the core's.
func grouped(key object.Key) string {
	key.Kind += "." + key.Group
	return key.String()
}

// asksFor are the objects that a unit asks for: those of its build, where it was not
// applied, or those that it has.
func asksFor(u *fleet.Unit) []object.Key {
	var out []object.Key
	if u.Wanted != nil {
		for _, ref := range u.Wanted {
			out = append(out, ref.Key)
		}
		return out
	}
	for _, o := range u.Objects {
		out = append(out, o.Ref.Key)
	}
	return out
}

// body is what the pull request says, with what is not known and what will be deleted
// first.
func (out *Retired) body(e flow.Environment) string {
	text := ""
	if len(out.Unseen) > 0 {
		text = "Not looked into, because it could not be rendered; the object may be there, too:\n\n"
		for _, u := range out.Unseen {
			text += "- " + present.Prose(u.String()) + "\n"
		}
		text += "\n"
	}
	text += fmt.Sprintf("%s (%s) goes out of %s.\n", out.Object, out.At, e.Name)
	if out.V1 != nil {
		return text + present.Prose(strings.Join(out.Then, " ")) + "\n"
	}
	if !out.Prunes {
		out.Then = []string{fmt.Sprintf("%s does not prune: delete it in the cluster once this is merged.", out.Unit)}
		text += out.Then[0] + "\n"
	}
	if out.Plan == "" {
		return text + "\nWhat it does could not be planned.\n"
	}
	return text + "\n" + out.Plan
}

// thenV1 is what becomes of it in the cluster, and what a person does there (seed 3): an
// object that is ignored is neither applied nor deleted any more, and one that is gone
// from Git is deleted by Flux v1 only where it was told to collect garbage.
func thenV1(m carry.ManifestV1, e flow.Environment, keep bool) []string {
	at := "kubectl"
	if e.Context != "" {
		at += " --context " + e.Context
	}
	ns := cmp.Or(m.Object.Namespace, "default")
	out := []string{"What will be deleted: " + m.Object.String() + "."}
	if m.Release != "" {
		out = append(out, fmt.Sprintf("With it the Helm operator uninstalls the release %s, and all that it installed.", m.Release))
	}
	why := "Flux v1 deletes it by itself only where it runs with --sync-garbage-collection"
	if keep {
		why = "Flux v1 leaves alone what says " + m.Ignore
	}
	out = append(out, fmt.Sprintf("Once this is merged and synced: %s -n %s delete %s %s (%s; before, it would make it anew).",
		at, ns, resourceV1(m), m.Object.Name, why))
	for _, file := range m.Generators {
		out = append(out, fmt.Sprintf("%s names %s in its commands: look whether they still hold.", file, path.Base(m.File)))
	}
	return out
}

// resourceV1 is a kind as kubectl takes it, without doubt about its group.
func resourceV1(m carry.ManifestV1) string {
	if m.Object.Group == "" {
		return strings.ToLower(m.Object.Kind)
	}
	return strings.ToLower(m.Object.Kind) + "." + m.Object.Group
}
