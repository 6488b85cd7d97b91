package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/words"
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

// getQuery is what one get asks for.
type getQuery struct {
	*getFlags
	kind flux.Kind
	args []string // at most a name
	own  *ownBoard
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
			q := getQuery{f, k, args, &ownBoard{}}
			if f.watch {
				return p.reached(p.getWatching(ctx, q))
			}
			return p.reached(p.get(ctx, q))
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
	own := &ownBoard{}
	for _, k := range flux.Kinds {
		if group != "" && k.Nouns.Group != group || k.Nouns.Group == "artifacts" {
			continue
		}
		err := p.get(ctx, getQuery{f, k, args, own})
		switch {
		case err == nil || meta.IsNoMatchError(err):
		case unreachable(err):
			return p.reached(err)
		default:
			p.fail("%s", err)
		}
	}
	return p.causes(own.CausesOf(own.shown))
}

func (p *program) get(ctx context.Context, q getQuery) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	objs, err := p.listed(ctx, w, q)
	if err != nil {
		return err
	}
	switch {
	case q.output != "":
		return p.objects(q, objs)
	case len(objs) == 0:
		return p.nothing(q)
	case p.Own:
		return p.getOwn(ctx, w, q, objs)
	}
	rows, err := q.rows(objs)
	if err != nil || q.kinds && len(rows) == 0 {
		return err
	}
	if err := p.table(q.header(), rows); err != nil || !q.kinds {
		return err
	}
	_, err = fmt.Fprintln(p.Out)
	return err
}

// listed reads the objects that were asked for: one by name, or all.
func (p *program) listed(ctx context.Context, w world.World, q getQuery) ([]*unstructured.Unstructured, error) {
	selector, err := q.selector()
	if err != nil {
		return nil, err
	}
	if len(q.args) > 0 && !q.allNamespaces {
		obj, err := w.Get(ctx, flux.Asked{Kind: q.kind, Namespace: p.namespace(), Name: q.args[0]}.Ref())
		if apierrors.IsNotFound(err) || err == nil && !selector.Matches(labels.Set(obj.GetLabels())) {
			return nil, nil
		}
		return []*unstructured.Unstructured{obj}, err
	}
	in := world.Selection{Labels: selector, Namespace: p.namespace()}
	if q.allNamespaces {
		in.Namespace = ""
	}
	objs, err := w.List(ctx, q.kind.GroupVersionKind, in)
	if err != nil || len(q.args) == 0 {
		return objs, err
	}
	var named []*unstructured.Unstructured
	for _, obj := range objs {
		if obj.GetName() == q.args[0] {
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
func (p *program) nothing(q getQuery) error {
	where := fmt.Sprintf("%q", p.namespace())
	if q.allNamespaces {
		where = "any"
	}
	switch {
	case len(q.args) > 0:
		return fmt.Errorf("%s object '%s' not found in %s namespace", q.kind.Kind, q.args[0], where)
	case q.kinds:
		return nil
	}
	return fmt.Errorf("no %s objects found in %s namespace", q.kind.Kind, where)
}

func (f *getFlags) rowOptions() flux.RowOptions {
	return flux.RowOptions{Namespaces: f.allNamespaces, Kinds: f.kinds, Sources: f.showSource}
}

func (q getQuery) header() []string {
	if q.noHeader {
		return nil
	}
	return q.kind.Header(q.rowOptions())
}

// rows are those of the objects that --status-selector leaves.
func (q getQuery) rows(objs []*unstructured.Unstructured) ([][]string, error) {
	selector, err := flux.ParseStatusSelector(q.status)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, obj := range objs {
		if selector.Matches(q.kind, obj) {
			rows = append(rows, q.kind.Row(obj, q.rowOptions()))
		}
	}
	return rows, nil
}

// getWatching shows a row per change, and first one per object.
func (p *program) getWatching(ctx context.Context, q getQuery) error {
	w := watching{kind: q.kind.GroupVersionKind, namespace: p.namespace(), labels: q.labels}
	if q.allNamespaces {
		w.namespace = ""
	}
	if len(q.args) > 0 {
		w.name = q.args[0]
	}
	header := q.header()
	err := p.watch(ctx, w, func(obj *unstructured.Unstructured) (bool, error) {
		rows, err := q.rows([]*unstructured.Unstructured{obj})
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
	return p.print(flux.Table(header, rows))
}

// print prints what objects say: nothing in it steers the terminal.
func (p *program) print(text string) error {
	_, err := io.WriteString(p.Out, words.Plain(text))
	return err
}
