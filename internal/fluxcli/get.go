package fluxcli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// getFlags are those of every get.
type getFlags struct {
	allNamespaces bool
	noHeader      bool
	watch         bool
	status        string
	labels        string
	output        string
	showSource    bool
	kinds         bool // several kinds are shown: get all
}

func (p *program) newGet() *cobra.Command {
	f := &getFlags{}
	cmd := &cobra.Command{
		Use: "get", Short: "Objects and their state",
		Example: `  get all -A
  get kustomizations --status-selector ready=false
  get sources git flux-system`,
	}
	fs := cmd.PersistentFlags()
	fs.BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "of all namespaces")
	fs.BoolVar(&f.noHeader, "no-header", false, "no header")
	fs.BoolVarP(&f.watch, "watch", "w", false, "go on with every change")
	fs.StringVar(&f.status, "status-selector", "", "only those whose condition is so: ready=false, or ready!=true")
	fs.StringVarP(&f.labels, "label-selector", "l", "", "only those with these labels")
	fs.StringVarP(&f.output, "output", "o", "", "json or yaml: the objects themselves")
	below := p.nouns(cmd, flux.Kinds, many, func(k flux.Kind) *cobra.Command { return p.newGetKind(k, f) })
	below["sources"].AddCommand(p.newGetAll(f, "sources"))
	below["images"].AddCommand(p.newGetAll(f, "images"))
	cmd.AddCommand(p.newGetAll(f, ""))
	p.ownGet(cmd, f)
	return cmd
}

func (p *program) newGetKind(k flux.Kind, f *getFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: k.Nouns.Name, Short: k.Kind + "s and their state",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			if f.watch {
				return p.reached(p.getWatching(ctx, k, f, args))
			}
			return p.reached(p.get(ctx, k, f, args))
		},
	}
	if k.Kind == unit.KustomizationKind || k.Kind == unit.HelmReleaseKind {
		cmd.Flags().BoolVar(&f.showSource, "show-source", false, "a column with the source")
	}
	return cmd
}

// newGetAll is get all, get sources all or get images all.
func (p *program) newGetAll(f *getFlags, group string) *cobra.Command {
	return &cobra.Command{
		Use: "all", Short: "Objects of all these kinds and their state", ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.watch {
				return errors.New("expected a single resource type, but found all")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			f.kinds = true
			return p.getAll(ctx, f, group, args)
		},
	}
}

// getAll shows kind after kind; what fails is told and the others are shown.
func (p *program) getAll(ctx context.Context, f *getFlags, group string, args []string) error {
	for _, k := range flux.Kinds {
		if group != "" && k.Nouns.Group != group || k.Nouns.Group == "artifacts" {
			continue
		}
		err := p.get(ctx, k, f, args)
		switch {
		case err == nil || meta.IsNoMatchError(err):
		case unreachable(err):
			return p.reached(err)
		default:
			p.fail("%s", err)
		}
	}
	return nil
}

func (p *program) get(ctx context.Context, k flux.Kind, f *getFlags, args []string) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	objs, err := p.listed(ctx, w, k, f, args)
	if err != nil {
		return err
	}
	switch {
	case f.output != "":
		return p.objects(f.output, k, objs, args)
	case len(objs) == 0:
		return p.nothing(k, f, args)
	case p.Own && !f.kinds:
		return p.getOwn(ctx, w, k, f, objs)
	}
	rows, err := f.rows(k, objs)
	if err != nil || f.kinds && len(rows) == 0 {
		return err
	}
	if err := p.table(f.header(k), rows); err != nil || !f.kinds {
		return err
	}
	_, err = fmt.Fprintln(p.Out)
	return err
}

// listed reads the objects that were asked for: one by name, or all.
func (p *program) listed(ctx context.Context, w world.World, k flux.Kind, f *getFlags, args []string) ([]*unstructured.Unstructured, error) {
	selector, err := f.selector()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && !f.allNamespaces {
		obj, err := w.Get(ctx, object.Ref{Key: object.Key{Group: k.Group, Kind: k.Kind, Namespace: p.namespace(), Name: args[0]}, Version: k.Version})
		if apierrors.IsNotFound(err) || err == nil && !selector.Matches(labels.Set(obj.GetLabels())) {
			return nil, nil
		}
		return []*unstructured.Unstructured{obj}, err
	}
	in := world.Selection{Labels: selector, Namespace: p.namespace()}
	if f.allNamespaces {
		in.Namespace = ""
	}
	objs, err := w.List(ctx, k.GroupVersionKind, in)
	if err != nil || len(args) == 0 {
		return objs, err
	}
	var named []*unstructured.Unstructured
	for _, obj := range objs {
		if obj.GetName() == args[0] {
			named = append(named, obj)
		}
	}
	return named, nil
}

func (f *getFlags) selector() (labels.Selector, error) {
	if f.labels == "" {
		return labels.Everything(), nil
	}
	parsed, err := metav1.ParseToLabelSelector(f.labels)
	if err != nil {
		return nil, fmt.Errorf("unable to parse label selector: %w", err)
	}
	return metav1.LabelSelectorAsSelector(parsed)
}

// nothing is the answer where there is no object.
func (p *program) nothing(k flux.Kind, f *getFlags, args []string) error {
	where := fmt.Sprintf("%q", p.namespace())
	if f.allNamespaces {
		where = "any"
	}
	switch {
	case len(args) > 0:
		return fmt.Errorf("%s object '%s' not found in %s namespace", k.Kind, args[0], where)
	case f.kinds:
		return nil
	}
	return fmt.Errorf("no %s objects found in %s namespace", k.Kind, where)
}

func (f *getFlags) rowOptions() flux.RowOptions {
	return flux.RowOptions{Namespaces: f.allNamespaces, Kinds: f.kinds, Sources: f.showSource}
}

func (f *getFlags) header(k flux.Kind) []string {
	if f.noHeader {
		return nil
	}
	return k.Header(f.rowOptions())
}

// rows are those of the objects that --status-selector leaves.
func (f *getFlags) rows(k flux.Kind, objs []*unstructured.Unstructured) ([][]string, error) {
	selector, err := flux.ParseStatusSelector(f.status)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, obj := range objs {
		if selector.Matches(k, obj) {
			rows = append(rows, k.Row(obj, f.rowOptions()))
		}
	}
	return rows, nil
}

// getWatching shows a row per change, and first one per object.
func (p *program) getWatching(ctx context.Context, k flux.Kind, f *getFlags, args []string) error {
	w := watching{kind: k.GroupVersionKind, namespace: p.namespace(), labels: f.labels}
	if f.allNamespaces {
		w.namespace = ""
	}
	if len(args) > 0 {
		w.name = args[0]
	}
	header := f.header(k)
	err := p.watch(ctx, w, func(obj *unstructured.Unstructured) (bool, error) {
		rows, err := f.rows(k, []*unstructured.Unstructured{obj})
		if err != nil {
			return false, err
		}
		defer func() { header = nil }()
		return false, p.table(header, rows)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("timed out waiting for the condition") // as upstream
	}
	return err
}

func (p *program) table(header []string, rows [][]string) error {
	_, err := fmt.Fprint(p.Out, flux.Table(header, rows))
	return err
}
