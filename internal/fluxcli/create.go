package fluxcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// createFlags are those of every create.
type createFlags struct {
	interval, fetchTimeout time.Duration
	export                 bool
	labels                 []string
}

func (p *program) newCreate() *cobra.Command {
	f := &createFlags{}
	cmd := &cobra.Command{
		Use: "create", Short: "Create or change objects, or print them",
		Example: `  create source git apps --url=https://github.com/acme/apps --branch=main
  create kustomization apps --source=apps --path=./prod --prune --interval=10m
  create secret git apps --url=https://github.com/acme/apps --username=git --password=$TOKEN --export`,
	}
	fs := cmd.PersistentFlags()
	fs.DurationVar(&f.interval, "interval", time.Minute, "how often the object is reconciled")
	fs.BoolVar(&f.export, "export", false, "print YAML, change nothing")
	fs.StringSliceVar(&f.labels, "label", nil, "labels of the object: key=value, also several with commas")
	cmd.AddCommand(p.newCreateKustomization(f), p.newCreateHelmRelease(f), p.newCreateSource(f), p.newCreateSecret(f),
		p.newCreateTenant(f), p.newCreateImage(f), p.newCreateAlert(f), p.newCreateProvider(f), p.newCreateReceiver(f))
	return cmd
}

// making runs a create verb; the name was checked.
type making func(ctx context.Context, m create.Meta) error

// creator makes the command of a create verb.
func (p *program) creator(f *createFlags, use, short string, run making) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("name is required")
			}
			if err := create.CheckName(args[0]); err != nil {
				return err
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			m := create.Meta{Name: args[0], Namespace: p.namespace(), Interval: f.interval, Labels: f.labels}
			err := run(ctx, m)
			if errors.As(err, new(elsewhere)) {
				return err
			}
			return p.reached(err)
		},
	}
}

// elsewhere is an error of another server than the cluster's.
type elsewhere struct{ error }

// Unwrap returns the cause.
func (e elsewhere) Unwrap() error { return e.error }

// saying is how a verb tells of its object.
type saying struct {
	noun   string // what is generated, applied and awaited
	stored string // what is created or updated, where that is not the noun
	silent bool   // it tells of no generating
	always bool   // it tells of generating with --export too
	named  bool   // at the end: «Kind name is ready»
}

// create is the story of a create verb whose object needs nothing else: print it,
// or put it into the cluster and wait until it is ready.
func (p *program) create(ctx context.Context, f *createFlags, m create.Meta, of create.Maker, s saying) error {
	obj, err := of.Object(m)
	if err != nil {
		return err
	}
	if !s.silent && (s.always || !f.export) {
		p.make("generating %s", s.noun)
	}
	if f.export {
		return p.export(obj)
	}
	w, err := p.cluster()
	if err != nil {
		return err
	}
	return p.put(ctx, w, obj, s)
}

// export prints objects as --export does.
func (p *program) export(objs ...*unstructured.Unstructured) error {
	for _, obj := range objs {
		text, err := create.YAML(obj)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(p.Out, text); err != nil {
			return err
		}
	}
	return nil
}

// put stores an object and waits until it is ready.
func (p *program) put(ctx context.Context, w world.World, obj *unstructured.Unstructured, s saying) error {
	p.act("applying %s", s.noun)
	made, err := upsert(ctx, w, obj)
	if err != nil {
		return err
	}
	stored := s.stored
	if stored == "" {
		stored = s.noun
	}
	p.succeed("%s %s", stored, made)
	p.wait("waiting for %s reconciliation", s.noun)
	kind, ok := flux.KindOf(obj.GetKind())
	if !ok {
		return fmt.Errorf("wait for %s: the kind is unknown here", obj.GetKind())
	}
	live, err := p.settled(ctx, flux.Asked{Kind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}, func(live *unstructured.Unstructured) (bool, error) {
		return flux.Resumed(kind, live)
	})
	if err != nil {
		return err
	}
	return p.told(live, s)
}

// told is what a verb says of an object that is ready.
func (p *program) told(live *unstructured.Unstructured, s saying) error {
	if s.named {
		p.succeed("%s %s is ready", live.GetKind(), live.GetName())
	} else {
		p.succeed("%s reconciliation completed", s.noun)
	}
	switch live.GetKind() {
	case unit.KustomizationKind, unit.HelmReleaseKind:
		kind, _ := flux.KindOf(live.GetKind())
		p.succeed("%s", flux.Success(kind, live))
	case "Receiver":
		path, _, _ := unstructured.NestedString(live.Object, "status", "webhookPath")
		p.succeed("generated webhook URL %s", path)
	}
	if live.GroupVersionKind().Group != object.GroupSource || unit.Static(live) {
		return nil
	}
	revision, _, _ := unstructured.NestedString(live.Object, "status", "artifact", "revision")
	if revision == "" {
		return fmt.Errorf("%s reconciliation completed but no artifact was found", s.noun)
	}
	p.succeed("fetched revision: %s", revision)
	return nil
}

// upsert makes an object, or gives the one that is there its labels and spec,
// and says which: created or updated.
func upsert(ctx context.Context, w world.World, obj *unstructured.Unstructured) (string, error) {
	live, err := w.Get(ctx, object.RefOf(obj))
	if apierrors.IsNotFound(err) {
		_, err = w.Create(ctx, obj, manager)
		return "created", err
	}
	if err != nil {
		return "", err
	}
	return "updated", replace(ctx, w, live, map[string]any{"/spec": obj.Object["spec"], "/metadata/labels": labelsOf(obj)})
}

func labelsOf(obj *unstructured.Unstructured) map[string]string {
	if labels := obj.GetLabels(); labels != nil {
		return labels
	}
	return map[string]string{}
}

// replace writes fields of an object as a whole; whoever changed it meanwhile
// makes that a conflict.
func replace(ctx context.Context, w world.World, live *unstructured.Unstructured, fields map[string]any) error {
	ops := []map[string]any{{"op": "test", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()}}
	for path, value := range fields {
		ops = append(ops, map[string]any{"op": "add", "path": path, "value": value})
	}
	data, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	_, err = w.Patch(ctx, world.Patch{Ref: object.RefOf(live), Type: types.JSONPatchType, Data: data, Manager: manager})
	return err
}
