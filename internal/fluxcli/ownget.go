package fluxcli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// ownGet lets get be used without a noun below leat: every unit that is not
// ready, and why.
func (p *program) ownGet(cmd *cobra.Command, f *getFlags) {
	if !p.Own {
		return
	}
	cmd.Long = `Objects and their state, failing ones first, with what they wait for. Below the
table stands every root cause once. Without a noun: all units of all namespaces.`
	cmd.Example = "  get\n" + cmd.Example
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := p.timeout(cmd)
		defer cancel()
		return p.reached(p.getBoard(ctx, f, cmd.Flags().Changed("namespace")))
	}
}

// getBoard shows all units, of a namespace where one was named.
func (p *program) getBoard(ctx context.Context, f *getFlags, named bool) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	objs, err := units(ctx, w)
	if err != nil {
		return err
	}
	board := screen.Make(objs, screen.Infer(objs))
	if named && !f.allNamespaces {
		board.Rows = slices.DeleteFunc(board.Rows, func(r screen.Row) bool { return r.Space != p.namespace() })
	}
	if f.output != "" {
		return p.encode(f.output, boardJSON{board.Rows, board.Causes()})
	}
	if len(board.Rows) == 0 {
		_, err := fmt.Fprintln(p.Out, "there is no unit; leat create, or apply a Kustomization and its source")
		return err
	}
	byKey := keyed(objs)
	var header []string
	if !f.noHeader {
		header = []string{"Object", "State", "Revision", "Since", "Message"}
	}
	var rows [][]string
	for _, r := range board.Sorted() {
		rows = append(rows, []string{r.Key.String(), string(r.State), screen.ShortRevision(r.Revision), p.since(byKey[r.Key]), brief(screen.Detail(r))})
	}
	if err := p.table(header, rows); err != nil {
		return err
	}
	return p.causes(board.Causes())
}

// maxBrief is how much of a message the table of all units shows; the causes
// below it tell the whole.
const maxBrief = 80

func brief(text string) string {
	if runes := []rune(text); len(runes) > maxBrief {
		return string(runes[:maxBrief-1]) + "…"
	}
	return text
}

// boardJSON is `leat get --output json`.
type boardJSON struct {
	Units  []screen.Row   `json:"units"`
	Causes []screen.Cause `json:"causes"`
}

// causes prints root causes below a table, each once.
func (p *program) causes(causes []screen.Cause) error {
	if len(causes) == 0 {
		return nil
	}
	fmt.Fprintln(p.Out)
	for _, line := range screen.LinesOf(causes, screen.Style{}) {
		if _, err := fmt.Fprintln(p.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// units reads the units of all namespaces; kinds that are not served are left out.
func units(ctx context.Context, w world.World) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, k := range unit.Kinds {
		objs, err := w.List(ctx, k.GVK(), world.Selection{})
		if err != nil && !meta.IsNoMatchError(err) {
			return nil, err
		}
		all = append(all, objs...)
	}
	return all, nil
}

func keyed(objs []*unstructured.Unstructured) map[object.Key]*unstructured.Unstructured {
	out := make(map[object.Key]*unstructured.Unstructured, len(objs))
	for _, obj := range objs {
		out[object.KeyOf(obj)] = obj
	}
	return out
}

// since is how long Ready has been what it is.
func (p *program) since(obj *unstructured.Unstructured) string {
	s, err := unit.StatusOf(obj)
	if err != nil || s.Ready() == nil {
		return ""
	}
	return p.ageOf(s.Ready().LastTransitionTime.Time)
}

func (p *program) ageOf(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return duration.HumanDuration(p.Now().Sub(at))
}

// ownBoard is how all units stand, read once for all tables of a verb.
type ownBoard struct {
	screen.Board
	states map[object.Key]screen.Row // nil before they are read
	shown  []object.Key
}

func (b *ownBoard) read(ctx context.Context, w world.World) error {
	if b.states != nil {
		return nil
	}
	all, err := units(ctx, w)
	if err != nil {
		return err
	}
	b.Board, b.states = screen.Make(all, screen.Infer(all)), map[object.Key]screen.Row{}
	for _, r := range b.Rows {
		b.states[r.Key] = r
	}
	return nil
}

// getOwn is get below leat: failing objects first, with age and what they wait
// for, and below the table the causes; of several tables, below the last.
func (p *program) getOwn(ctx context.Context, w world.World, q getQuery, objs []*unstructured.Unstructured) error {
	if err := q.own.read(ctx, w); err != nil {
		return err
	}
	states := q.own.states
	slices.SortStableFunc(objs, func(a, b *unstructured.Unstructured) int {
		return rank(states, a) - rank(states, b)
	})
	var rows [][]string
	for _, obj := range objs {
		row, err := q.rows([]*unstructured.Unstructured{obj})
		if err != nil {
			return err
		}
		if len(row) == 0 {
			continue
		}
		if r := states[object.KeyOf(obj)]; r.State == screen.Waiting {
			row[0][len(row[0])-1] = screen.Detail(r)
		}
		q.own.shown = append(q.own.shown, object.KeyOf(obj))
		rows = append(rows, slices.Insert(row[0], len(row[0])-1, p.ageOf(obj.GetCreationTimestamp().Time), p.since(obj)))
	}
	header := q.header()
	if header != nil {
		header = slices.Insert(header, len(header)-1, "Age", "Since")
	}
	if len(rows) == 0 && q.kinds {
		return nil
	}
	if err := p.table(header, rows); err != nil {
		return err
	}
	if q.kinds {
		_, err := fmt.Fprintln(p.Out)
		return err
	}
	return p.causes(q.own.CausesOf(q.own.shown))
}

// rank is that of a unit's state; of kinds that are no units, that of a ready one.
func rank(states map[object.Key]screen.Row, obj *unstructured.Unstructured) int {
	r, known := states[object.KeyOf(obj)]
	if !known {
		return screen.Ready.Rank()
	}
	return r.State.Rank()
}
