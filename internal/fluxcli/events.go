package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

type eventFlags struct {
	all    bool
	watch  bool
	about  string
	types  []string
	output string
}

func (p *program) newEvents() *cobra.Command {
	f := &eventFlags{}
	cmd := &cobra.Command{
		Use: "events", Short: "Events of Flux objects, the newest last",
		Example: `  events -A --types Warning
  events --for Kustomization/apps`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flux.CheckEventTypes(f.types); err != nil {
				return err
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.reached(p.events(ctx, f))
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.all, "all-namespaces", "A", false, "of all namespaces")
	fs.BoolVarP(&f.watch, "watch", "w", false, "go on with new ones")
	fs.StringVar(&f.about, "for", "", "of an object and of what it reads: kind/name; or of a kind")
	fs.StringSliceVar(&f.types, "types", []string{}, "Normal, Warning")
	fs.StringVarP(&f.output, "output", "o", "", "json or yaml: the events themselves")
	_ = cmd.RegisterFlagCompletionFunc("for", p.completeAbout) // an error would say that there is no such flag
	completeFlag(cmd, "types", "Normal", "Warning")
	return cmd
}

// eventQuery is what events are asked for: those about any of these.
type eventQuery struct {
	about []flux.About
	types []string
	rows  flux.RowOptions
}

func (p *program) events(ctx context.Context, f *eventFlags) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	q, err := p.eventQuery(ctx, w, f)
	if err != nil {
		return err
	}
	if f.watch {
		return p.watchEvents(ctx, q)
	}
	events, err := listEvents(ctx, w, q)
	switch {
	case err != nil:
		return err
	case f.output != "":
		return p.encode(f.output, map[string]any{"apiVersion": "v1", "kind": "List", "items": append([]*corev1.Event{}, events...)})
	case len(events) == 0 && f.all:
		p.fail("No events found.")
		return nil
	case len(events) == 0:
		p.fail("No events found in %s namespace.", p.namespace())
		return nil
	}
	rows := make([][]string, 0, len(events))
	for _, e := range events {
		rows = append(rows, flux.EventRow(e, q.rows, p.Now()))
	}
	return p.table(flux.EventHeader(q.rows), rows)
}

// eventQuery finds out what --for means. What the object reads may be in other
// namespaces, which are then shown.
func (p *program) eventQuery(ctx context.Context, w world.World, f *eventFlags) (eventQuery, error) {
	q := eventQuery{about: []flux.About{{Namespace: p.namespace()}}, types: f.types}
	if f.all {
		q.about[0].Namespace, q.rows.Namespaces = "", true
	}
	if f.about == "" {
		return q, nil
	}
	about, err := flux.ParseAbout(f.about)
	if err != nil {
		return q, err
	}
	q.about[0].Kind, q.about[0].Name = about.Kind, about.Name
	k, _ := flux.KindOf(about.Kind)
	if about.Name == "" || !flux.ReadsOthers(k) {
		return q, nil
	}
	obj, err := w.Get(ctx, flux.Asked{Kind: k, Namespace: p.namespace(), Name: about.Name}.Ref())
	if err != nil {
		return q, err
	}
	for _, read := range flux.Reads(obj) {
		q.about = append(q.about, read)
		q.rows.Namespaces = q.rows.Namespaces || read.Namespace != p.namespace()
	}
	return q, nil
}

var eventKind = corev1.SchemeGroupVersion.WithKind("Event")

func listEvents(ctx context.Context, w world.World, q eventQuery) ([]*corev1.Event, error) {
	var events []*corev1.Event
	for _, about := range q.about {
		objs, err := w.List(ctx, eventKind, world.Selection{Namespace: about.Namespace})
		if err != nil {
			return nil, fmt.Errorf("error getting events: %w", err)
		}
		for _, obj := range objs {
			e, err := flux.EventOf(obj)
			if err != nil {
				return nil, err
			}
			if about.Is(e) {
				events = append(events, e)
			}
		}
	}
	flux.SortEvents(events)
	return slices.DeleteFunc(events, func(e *corev1.Event) bool { return !flux.ShowsEvent(e, q.types) }), nil
}

// watchEvents prints events as they come, a table each.
func (p *program) watchEvents(ctx context.Context, q eventQuery) error {
	var mu sync.Mutex
	header := flux.EventHeader(q.rows)
	print := func(about flux.About) func(*unstructured.Unstructured) (bool, error) {
		return func(obj *unstructured.Unstructured) (bool, error) {
			e, err := flux.EventOf(obj)
			if err != nil || !about.Is(e) || !flux.ShowsEvent(e, q.types) {
				return false, err
			}
			mu.Lock()
			defer mu.Unlock()
			defer func() { header = nil }()
			return false, p.table(header, [][]string{flux.EventRow(e, q.rows, p.Now())})
		}
	}
	errs := make([]error, len(q.about))
	var running sync.WaitGroup
	for i, about := range q.about {
		running.Go(func() { errs[i] = p.watch(ctx, watching{kind: eventKind, namespace: about.Namespace}, print(about)) })
	}
	running.Wait()
	if ctx.Err() != nil {
		return nil // time is over, or it was interrupted: that is how it ends
	}
	return errors.Join(errs...)
}
