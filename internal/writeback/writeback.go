// Package writeback brings values that were set by hand in a cluster into the files of
// its fleet: which fields of which objects differ from what Git renders, on which line
// each is written, and what the files become.
//
//	items := writeback.Gather(rendered, writes, masks)  // what differs, and what cannot be proposed
//	err := writeback.Trace(ctx, side, items)            // file and line of each
//	files := writeback.Edit(tree, items)                // what changes
//	ok := writeback.Prove(renderedWith(files), items)   // or an item is left, and why
//
// It is pure. It must never hold a value that the mask of a unit hides, and never offer
// an edit that was not proven by rendering it.
package writeback

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/provenance"
)

// Item is a field that was written by hand and is not so in Git, or an object of which
// nothing can be proposed.
type Item struct {
	Object object.Key
	Unit   object.Key // that applies it; zero where none does
	Path   string     // as access.Field has it; empty for the whole object
	// Git and Live are the values as JSON; empty where they are not to be told.
	Git, Live string
	Origin    fleet.Origin
	// File and Line are where the edit is made.
	File string
	Line int
	// Left says why it is not proposed; empty for what is.
	Left string

	unsettled bool     // its unit could not be rendered, which may pass
	pointer   string   // Path with indices
	reads     []string // files that its unit read
	git, live any
}

// Proposed tells whether the item is among what is proposed.
func (i Item) Proposed() bool { return i.Left == "" }

// At is file:line of where it is edited, or else where Git has it.
func (i Item) At() string {
	if i.File != "" {
		return fleet.Origin{File: i.File, Line: i.Line}.At()
	}
	return i.Origin.At()
}

// Gather compares what was written with what a fleet renders to. What Git has already is
// left out. masks hide the secrets that a unit reads (change.Masks).
func Gather(r fleet.Rendered, writes []access.Write, masks func(unit object.Key) plan.Mask) []Item {
	objects := map[object.Key]made{}
	for i := range r.Units {
		for j := range r.Units[i].Objects {
			o := &r.Units[i].Objects[j]
			objects[o.Ref.Key] = made{&r.Units[i], o}
		}
	}
	var out []Item
	for _, w := range writes {
		of, known := objects[w.Object()]
		if w.Suspended {
			out = append(out, Item{Object: w.Object(), Path: "/spec/suspend", Left: "it was suspended by hand: resume it when this is merged"})
		}
		switch {
		case known:
			out = append(out, of.items(w, masks(of.unit.Key))...)
		case w.Suspended:
		default:
			why, unsettled := unknown(r, w)
			out = append(out, Item{Object: w.Object(), Left: why, unsettled: unsettled})
		}
	}
	return out
}

// unknown says why Git has nothing of an object, and whether that may pass.
func unknown(r fleet.Rendered, w access.Write) (why string, unsettled bool) {
	if w.Unit == "" {
		return "no unit applies it, so that it stands nowhere in Git", false
	}
	there, out := false, ""
	for i := range r.Units {
		u := &r.Units[i]
		switch {
		case u.Key.String() == w.Unit && u.State != fleet.Ready:
			return fmt.Sprintf("%s could not be rendered to its end: %s", w.Unit, u.Message), u.State != fleet.Suspended
		case u.Key.String() == w.Unit:
			there = true
		case u.State == fleet.NotRendered && out == "":
			out = fmt.Sprintf("%s, which may make %s, could not be rendered to its end: %s", u.Key, w.Unit, u.Message)
		}
	}
	if !there && out != "" {
		return out, true
	}
	return fmt.Sprintf("%s does not make it any more", w.Unit), false
}

// Unsettled says why it is not known yet whether something is to be proposed; empty where it is.
func Unsettled(items []Item) string {
	for _, it := range items {
		if it.unsettled {
			return it.Left
		}
	}
	return ""
}

// made is an object with the unit that makes it.
type made struct {
	unit   *fleet.Unit
	object *fleet.Object
}

func (m made) items(w access.Write, mask plan.Mask) []Item {
	var out []Item
	whole := Item{Object: w.Object(), Unit: m.unit.Key, reads: m.unit.Files}
	for _, f := range w.Fields {
		item := whole
		item.Path = f.Path
		if m.item(&item, f, mask) {
			out = append(out, item)
		}
	}
	switch {
	case w.MoreFields > 0:
		whole.Left = fmt.Sprintf("%d more fields were written than are kept: see leat drift", w.MoreFields)
		out = append(out, whole)
	case len(w.Fields) == 0 && !w.Suspended:
		whole.Left = "which fields were written is not known: see leat drift"
		out = append(out, whole)
	}
	return out
}

// item compares one field; false where Git has it already.
func (m made) item(i *Item, f access.Field, mask plan.Mask) bool {
	if i.Left = f.Hidden; i.Left != "" {
		return true
	}
	if json.Unmarshal([]byte(f.Value), &i.live) != nil {
		i.Left = "its value is broken"
		return true
	}
	pointer, git, found := access.Locate(m.object.Value.Object, f.Path)
	if hides(mask, git) || hides(mask, i.live) || m.object.Ref.Kind == "Secret" && m.object.Ref.Group == "" {
		i.live, i.Left = nil, "it is a secret, or repeats one"
		return true
	}
	i.Live, i.pointer, i.git = f.Value, pointer, plainOf(git)
	if found {
		i.Git = string(plan.ValueOf(git))
	}
	_, isText := scalar(i.git)
	_, becomesText := scalar(i.live)
	switch {
	case found && reflect.DeepEqual(i.git, i.live):
		return false
	case !found:
		i.Left = "Git does not set it: add it where it belongs"
	case !isText || !becomesText:
		i.Left = "it is no single value: change it by hand"
	}
	return true
}

// hides tells whether a mask would hide a value.
func hides(mask plan.Mask, v any) bool { return !reflect.DeepEqual(mask.Tree(v), v) }

// plainOf is a value as JSON reads it, so that numbers compare.
func plainOf(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// scalar is a value as text, as it stands in a file; false for maps, lists and null.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// Trace finds the line of each item that can be proposed (provenance), or says why there
// is none.
func Trace(ctx context.Context, side provenance.Fleet, items []Item) error {
	set := change.Set{}
	at := map[object.Key]int{}
	for i := range items {
		it := &items[i]
		if !it.Proposed() {
			continue
		}
		n, known := at[it.Unit]
		if !known {
			n = len(set.Units)
			at[it.Unit] = n
			set.Units = append(set.Units, change.Unit{Key: it.Unit, Op: change.Change})
		}
		set.Units[n].Objects = append(set.Units[n].Objects, change.Object{
			Ref: object.Ref{Key: it.Object}, Op: change.Change, Fields: []change.Field{{FieldChange: plan.FieldChange{Path: it.pointer, After: "x"}}},
		})
	}
	err := provenance.Fill(ctx, &set, provenance.Sides{Base: side, Head: side})
	next := map[object.Key]int{}
	for i := range items {
		it := &items[i]
		if !it.Proposed() {
			continue
		}
		found := set.Units[at[it.Unit]].Objects[next[it.Unit]].Fields[0].Origin
		next[it.Unit]++
		if found == nil || found.File == "" {
			it.Left = "no line of the fleet is known to make it"
			continue
		}
		it.Origin = *found
		if only := found.Chain; len(only) == 1 && only[0].Kind == "chart" {
			it.Left = fmt.Sprintf("the template %s of its chart makes it, by no value that the fleet sets", found.File)
		}
	}
	return err
}

// Prove holds the items that were edited to what a fleet with the edits renders to: one
// that did not become what it is live is left. It tells whether all did.
func Prove(r fleet.Rendered, items []Item) bool {
	all := true
	for i := range items {
		it := &items[i]
		if !it.Proposed() {
			continue
		}
		if now, found := valueIn(r, it); !found || !reflect.DeepEqual(now, it.live) {
			it.Left, all = "changing "+it.At()+" alone does not make it so", false
			it.File, it.Line = "", 0
		}
	}
	return all
}

func valueIn(r fleet.Rendered, it *Item) (any, bool) {
	u := r.Unit(it.Unit)
	if u == nil {
		return nil, false
	}
	for i := range u.Objects {
		if u.Objects[i].Ref.Key == it.Object {
			_, v, found := access.Locate(u.Objects[i].Value.Object, it.Path)
			return plainOf(v), found
		}
	}
	return nil, false
}

// Shared leaves the items whose file others read, and what it makes of them changes.
func Shared(items []Item, files map[string]bool, with string) {
	for i := range items {
		if it := &items[i]; it.Proposed() && files[it.File] {
			it.Left = fmt.Sprintf("%s would change too: they share %s; set it for this one alone, with a patch in its own directory", with, it.At())
			it.File, it.Line = "", 0
		}
	}
}

// Leave leaves all that is proposed still.
func Leave(items []Item, why string) {
	for i := range items {
		if it := &items[i]; it.Proposed() {
			it.Left, it.File, it.Line = why, "", 0
		}
	}
}

// Any tells whether anything is proposed.
func Any(items []Item) bool {
	for _, it := range items {
		if it.Proposed() {
			return true
		}
	}
	return false
}

func lastOf(pointer string) string {
	return pointer[strings.LastIndexByte(pointer, '/')+1:]
}
