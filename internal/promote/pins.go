package promote

import (
	"fmt"
	"path"
	"slices"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
)

// pinKey tells pins of two environments to be the same.
type pinKey struct{ file, path, component string }

func keyOf(p flow.Pin) pinKey { return pinKey{p.Within, p.Path, p.Component} }

// pins promotes versions alone.
func (m Move) pins() (Plan, error) {
	source, _ := flow.Pins(m.Source, m.Flow, m.From) // what it notes, leat matrix shows
	theirs, _ := flow.Pins(m.Target, m.Flow, m.To)
	then := map[pinKey]string{}
	if m.Last != nil {
		last, _ := flow.Pins(*m.Last, m.Flow, m.From)
		for _, p := range last {
			then[keyOf(p)] = p.Value
		}
	}
	target := map[pinKey]flow.Pin{}
	for _, p := range theirs {
		target[keyOf(p)] = p
	}
	for _, only := range m.Only {
		if !slices.ContainsFunc(source, func(p flow.Pin) bool { return p.Component == only }) {
			return Plan{}, fmt.Errorf("promote %s: %s pins no such component", only, m.From.Name)
		}
	}
	back := m.pinsTakenBack()
	files := map[string]*pinFile{}
	var order []string
	for _, p := range source {
		if len(m.Only) > 0 && !slices.Contains(m.Only, p.Component) {
			continue
		}
		if files[p.Within] == nil {
			files[p.Within] = newPinFile(m, p)
			order = append(order, p.Within)
		}
		have, ok := target[keyOf(p)]
		last, known := then[keyOf(p)]
		one := pinned{source: p, target: have, there: ok, last: last, known: known}
		one.back = func(want string) string { return pinTakenBack(back, one, want) }
		files[p.Within].decide(one)
	}
	var out Plan
	slices.Sort(order)
	for _, name := range order {
		if err := files[name].finish(&out); err != nil {
			return Plan{}, err
		}
	}
	return out, nil
}

// pinned is a pin of both environments.
type pinned struct {
	source, target flow.Pin
	there          bool // in the target
	last           string
	known          bool
	back           func(want string) string // the rollback that took a value back
}

// pinFile is a file with pins in the making.
type pinFile struct {
	w       work
	changes []edit.Change
}

func newPinFile(m Move, p flow.Pin) *pinFile {
	return &pinFile{w: work{m: m, f: &File{Name: p.Within, Source: p.File, Target: path.Join(m.To.Directory, p.Within)}, yaml: true}}
}

// decide is the table of what becomes of a pin.
func (f *pinFile) decide(p pinned) {
	m := f.w.m
	at, err := edit.ParsePath(p.source.Path)
	if err != nil {
		f.w.refuse(err)
		return
	}
	words := f.w.wordsFor(&at)
	want, names := swapped(p.source.Value, words)
	last, _ := swapped(p.last, words)
	v := Value{Path: p.source.Path, Line: p.source.Line, From: p.target.Value, To: want, Source: want, Rule: Taken, Map: names}
	if names != "" {
		v.Rule = Mapped
	}
	on := f.w.f.Name + ":" + p.source.Path
	take := slices.Contains(m.Take, on) || slices.Contains(m.Take, p.source.Component)
	keep := slices.Contains(m.Keep, on) || slices.Contains(m.Keep, p.source.Component)
	own := p.there && (f.w.stays(spot{path: at}) || keep)
	switch {
	case p.there && p.target.Value == want:
		return
	case !p.there && len(m.Only) == 0:
		v.Rule, v.From, v.To, v.Source = Absent, "", "", want
	case own:
		v.Rule, v.To = Left, v.From
	case p.back(want) != "" && !take && !m.Again && len(m.Only) == 0:
		v.Rule, v.To, v.By = RolledBack, v.From, p.back(want)
	case p.back(want) != "", !p.there, take, !p.known, p.target.Value == last:
		f.changes = append(f.changes, edit.Change{Path: at, Value: want, Create: !p.there})
	case want == last:
		v.Rule, v.To = Drift, v.From
	default:
		v.Rule, v.To = Contested, v.From
		f.w.conflict(p.target.Line, p.source.Path, fmt.Sprintf("%s pins %s, %s pins %s, and both have changed it since it was last promoted (%s then); take one of them",
			m.From.Name, p.source.Value, m.To.Name, p.target.Value, p.last))
	}
	f.w.f.Values = append(f.w.f.Values, v)
}

func (f *pinFile) finish(out *Plan) error {
	file := f.w.f
	var err error
	if file.Before, file.mode, err = text(f.w.m.Target, file.Target); err != nil {
		return err
	}
	file.After = file.Before
	switch {
	case len(f.w.refusals) > 0 || len(file.Values) == 0:
	case file.Before == nil:
		f.w.conflict(0, "", fmt.Sprintf("%s has no such file, so there is nothing to pin in; copy it first", f.w.m.To.Name))
	case len(f.changes) == 0:
		f.w.is(Kept, "nothing to promote: its pins are its own, or not there")
	default:
		if file.After, _, err = edit.Apply(file.Before, f.changes...); err != nil {
			file.After = file.Before
			f.w.refuse(err)
			break
		}
		f.w.is(Changed, "pins of "+f.w.m.From.Name)
	}
	if file.What != "" {
		out.Files = append(out.Files, *file)
	}
	out.Refusals = append(out.Refusals, f.w.refusals...)
	return nil
}
