package present

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/hash"
)

// folded is a cluster with everything that repeats told once.
type folded struct {
	*Cluster
	Everywhere []common
	Units      []foldedUnit
}

// common is a field that changes alike in many objects which differ otherwise.
type common struct {
	Field
	Objects []Ref
	Units   int // that hold them
}

// foldedUnit is a unit whose objects are groups.
type foldedUnit struct {
	*Unit
	Number int    // in the order of delivery, from 1
	SameAs string // path of a cluster where the very same happens to it
	Told   bool   // why it is not ready is told before
	Groups []group
}

// group is objects of a unit to which the same happens.
type group struct {
	Op      change.Op
	Why     string
	Objects []Object
	Fields  []Field // of each, without those that are told in Everywhere
	Elided  bool    // some are told there
}

// many is how many objects a field must change alike in to be told apart from
// them.
const many = 4

// fold folds the clusters of a document.
func fold(doc Document) []folded {
	out := make([]folded, 0, len(doc.Clusters))
	first := map[string]string{}
	for i := range doc.Clusters {
		c := &doc.Clusters[i]
		f := folded{Cluster: c, Everywhere: everywhere(c)}
		told := map[string]bool{} // fields
		for _, e := range f.Everywhere {
			told[fieldMark(e.Field)] = true
		}
		causes := c.told()
		for n := range c.Changes {
			u := foldedUnit{Unit: &c.Changes[n], Number: n + 1, Told: causes[c.Changes[n].String()]}
			mark := unitMark(c.Changes[n])
			if before, ok := first[mark]; ok && before != c.Path {
				u.SameAs = before
			} else {
				first[mark] = c.Path
				u.Groups = groups(c.Changes[n].Objects, told)
			}
			f.Units = append(f.Units, u)
		}
		out = append(out, f)
	}
	return out
}

// everywhere finds the fields that change alike in many objects, where the
// objects are not alike in all that changes: a label of a chart's version.
func everywhere(c *Cluster) []common {
	type seen struct {
		common
		units, kinds map[string]bool // whole changes that hold it
	}
	byMark := map[string]*seen{}
	var order []string
	for _, u := range c.Changes {
		for _, o := range u.Objects {
			for _, f := range o.Fields {
				mark := fieldMark(f)
				s := byMark[mark]
				if s == nil {
					f.Origin = Origin{}
					s = &seen{common: common{Field: f}, units: map[string]bool{}, kinds: map[string]bool{}}
					byMark[mark] = s
					order = append(order, mark)
				}
				s.Objects = append(s.Objects, o.Ref)
				s.units[u.String()] = true
				s.kinds[u.String()+" "+objectMark(o, nil)] = true
			}
		}
	}
	var out []common
	for _, mark := range order {
		if s := byMark[mark]; len(s.Objects) >= many && len(s.kinds) > 1 {
			s.Units = len(s.units)
			out = append(out, s.common)
		}
	}
	return out
}

// groups puts objects together to which the same happens, in the order of the
// first of each.
func groups(objects []Object, told map[string]bool) []group {
	byMark := map[string]int{}
	var out []group
	for _, o := range objects {
		mark := objectMark(o, told)
		if i, ok := byMark[mark]; ok {
			out[i].Objects = append(out[i].Objects, o)
			continue
		}
		byMark[mark] = len(out)
		left := untold(o.Fields, told)
		out = append(out, group{Op: o.Op, Why: o.Why, Objects: []Object{o}, Fields: left, Elided: len(left) < len(o.Fields)})
	}
	return out
}

func untold(fields []Field, told map[string]bool) []Field {
	if len(told) == 0 {
		return fields
	}
	return slices.DeleteFunc(slices.Clone(fields), func(f Field) bool { return told[fieldMark(f)] })
}

// objectMark tells whether the same happens to two objects: to two that come or
// go, when they are of a kind.
func objectMark(o Object, told map[string]bool) string {
	mark := []string{string(o.Op), o.Why}
	fields := untold(o.Fields, told)
	if len(o.Fields) == 0 {
		mark = append(mark, o.Kind)
	}
	if len(fields) < len(o.Fields) {
		mark = append(mark, "and what is told of many")
	}
	for _, f := range fields {
		mark = append(mark, fieldMark(f))
	}
	return strings.Join(mark, "\x00")
}

func fieldMark(f Field) string {
	return f.Path + "\x00" + string(f.Before) + "\x00" + string(f.After)
}

// unitMark is the same for units of two clusters to which the same happens.
// Where things stand and revisions may differ.
func unitMark(u Unit) string {
	u.Before, u.After = unrevised(u.Before), unrevised(u.After)
	data, err := json.Marshal(u)
	if err != nil {
		return u.String()
	}
	return hash.Of(data).String()
}

func unrevised(s *Standing) *Standing {
	if s == nil {
		return nil
	}
	c := *s
	c.Revision, c.Message = "", ""
	return &c
}

// maxNames is how many names of a group are told.
const maxNames = 3

// names tells the members of a group: «a, b, c and 38 more like it».
func names(all []string, most int) string {
	if len(all) <= most+1 {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %s more like it", strings.Join(all[:most], ", "), thousands(len(all)-most))
}

func namesOf(objects []Object) []string {
	out := make([]string, 0, len(objects))
	for _, o := range objects {
		out = append(out, o.String())
	}
	return out
}

func refNames(refs []Ref) []string {
	out := make([]string, 0, len(refs))
	for _, r := range refs {
		out = append(out, r.String())
	}
	return out
}

// signal is a finding, cause or image of one or several clusters.
type signal[T any] struct {
	Of       T
	Clusters []string // that it concerns; nil where there is one cluster in all
	All      bool     // of several
}

// signals merges what is the same in several clusters, in the order of the first.
func signals[T any](doc Document, of func(Cluster) []T) []signal[T] {
	index := map[string]int{}
	var out []signal[T]
	for _, c := range doc.Clusters {
		for _, item := range of(c) {
			mark, err := json.Marshal(item)
			if err != nil {
				continue
			}
			i, ok := index[string(mark)]
			if !ok {
				i = len(out)
				index[string(mark)] = i
				out = append(out, signal[T]{Of: item})
			}
			if len(doc.Clusters) > 1 {
				out[i].Clusters = append(out[i].Clusters, c.Path)
			}
		}
	}
	for i := range out {
		out[i].All = len(out[i].Clusters) == len(doc.Clusters)
	}
	return out
}

// in tells where a signal holds: «in clusters/prod, clusters/dev».
func (s signal[T]) in() string {
	switch {
	case len(s.Clusters) == 0:
		return ""
	case s.All:
		return fmt.Sprintf("in all %d clusters", len(s.Clusters))
	}
	return "in " + names(s.Clusters, 6)
}

// alike is causes whose messages differ in names and addresses alone.
type alike struct {
	Causes  []signal[Cause]
	Message string
}

// foldCauses puts causes together that are alike, in the order of the first of
// each, and counts those that stood before.
func foldCauses(doc Document) (groups []alike, old int) {
	index := map[string]int{}
	for _, c := range signals(doc, func(c Cluster) []Cause { return c.NeverReady }) {
		if c.Of.Old {
			old++
			continue
		}
		shape := shapeOf(c.Of.Message)
		mark := c.Of.State + shape
		i, ok := index[mark]
		if !ok {
			i = len(groups)
			index[mark] = i
			groups = append(groups, alike{Message: c.Of.Message})
		}
		if groups[i].Causes = append(groups[i].Causes, c); len(groups[i].Causes) > 1 {
			groups[i].Message = shape
		}
	}
	return groups, old
}

// shapeOf is a message without what is particular to one object: words with a
// slash.
func shapeOf(message string) string {
	words := strings.Fields(message)
	for i, w := range words {
		if strings.Contains(w, "/") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// names of the units of causes that are alike, the units that they keep, and
// where the first stands.
func (a alike) names() (units, blocking []string) {
	for _, c := range a.Causes {
		units = append(units, c.Of.Unit)
		blocking = append(blocking, c.Of.Blocking...)
	}
	slices.Sort(blocking)
	return units, slices.Compact(blocking)
}

// told are the units of a cluster whose cause is told.
func (c *Cluster) told() map[string]bool {
	out := map[string]bool{}
	for _, cause := range c.NeverReady {
		if cause.Old {
			continue
		}
		out[cause.Unit] = true
		for _, unit := range cause.Blocking {
			out[unit] = true
		}
	}
	return out
}
