package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/words"
	"github.com/leat-dev/leat/internal/world"
)

// MatrixConfig says what of a fleet's environments is compared.
type MatrixConfig struct {
	Dir      string
	Previews PreviewConfig
	// Environments are those that are compared; none means all.
	Environments []string
	// Live opens the cluster of an environment's context; nil asks no cluster.
	Live func(kubeContext string) (world.Reader, error)
	// Unrendered leaves the environments unrendered: who consumes a pin is not known
	// then.
	Unrendered bool
}

// MatrixResult is components by environments, and what could not be found out.
type MatrixResult struct {
	flow.Matrix
	Notes []flow.Note
}

// Matrix compares the pins of a fleet's environments.
func Matrix(ctx context.Context, cfg MatrixConfig) (MatrixResult, error) {
	f, err := OpenFlow(cfg.Dir)
	if err != nil {
		return MatrixResult{}, err
	}
	defer f.Close()
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return MatrixResult{}, err
	}
	defer previews.Close()
	m := &matrixReader{cfg: cfg, f: f, previews: previews, there: newThere(previews)}
	defer m.there.Close()
	environments, err := f.chosen(cfg.Environments)
	if err != nil {
		return MatrixResult{}, err
	}
	if len(f.Flow.Pins) == 0 {
		return MatrixResult{}, fmt.Errorf("%s names no pins: say under pins where versions live", f.File)
	}
	columns := make([]flow.Column, len(environments))
	read := make([]*columnReader, len(environments))
	for i, e := range environments {
		read[i] = m.read(ctx, e)
	}
	components := componentsOf(f.Flow, read)
	for i, c := range read {
		columns[i] = m.column(ctx, c, components)
	}
	m.notes = append(m.notes, flow.Idle(f.Flow, columns)...)
	if len(m.away) > 0 {
		m.note("", "what is pinned was not looked for where it is not on this machine (--mirror PREFIX=FOLDER brings it, or --fetch): %s", words.Some(m.away))
	}
	return MatrixResult{flow.MatrixOf(columns), tidy(m.notes)}, nil
}

// chosen are the environments that are meant, each after the one that it follows.
func (f *FlowRepo) chosen(names []string) ([]flow.Environment, error) {
	for _, name := range names {
		if _, ok := f.Flow.Environment(name); !ok {
			return nil, fmt.Errorf("there is no environment %q; there is %s", name, strings.Join(f.Flow.Names(), ", "))
		}
	}
	var out []flow.Environment
	for _, e := range f.Flow.InOrder() {
		if len(names) == 0 || slices.Contains(names, e.Name) {
			out = append(out, e)
		}
	}
	return out, nil
}

type matrixReader struct {
	cfg      MatrixConfig
	f        *FlowRepo
	previews *Previews
	there    *there
	notes    []flow.Note
	away     []string // addresses of which nothing is known
}

// columnReader is what was read of one environment.
type columnReader struct {
	env     flow.Environment
	head    Head
	pins    []flow.Pin
	facts   []flow.Fact
	uses    map[int][]flow.Use
	derived map[string]flow.Component
}

func (m *matrixReader) note(at, format string, args ...any) {
	m.notes = append(m.notes, flow.Note{At: at, Text: fmt.Sprintf(format, args...)})
}

// read reads an environment's pins and finds who consumes them.
func (m *matrixReader) read(ctx context.Context, e flow.Environment) *columnReader {
	c := &columnReader{env: e}
	var err error
	if c.head, err = m.f.Head(ctx, e.Branch); err != nil {
		m.note("", "%s: %v", e.Name, err)
		return c
	}
	var notes []flow.Note
	c.pins, notes = flow.Pins(c.head.Tree, m.f.Flow, e)
	for _, n := range notes {
		n.Text = e.Name + ": " + n.Text
		m.notes = append(m.notes, n)
	}
	c.facts = flow.Twins(c.head.Tree, m.f.Flow, e, c.pins)
	if !m.cfg.Unrendered {
		m.probe(ctx, c)
	}
	c.derived = flow.Derive(c.pins, c.uses)
	return c
}

// probe renders the environment with values of their own in the place of its pins.
func (m *matrixReader) probe(ctx context.Context, c *columnReader) {
	o := entry.Options{Path: c.env.Cluster}
	if _, err := entry.Find(c.head.Tree, o); err != nil {
		m.note("", "%s: it is not rendered, so who consumes its pins is not known: %v", c.env.Name, err)
		return
	}
	probes, err := flow.Probes(c.head.Tree, c.pins)
	if err != nil {
		m.note("", "%s: %v", c.env.Name, err)
		return
	}
	c.uses = map[int][]flow.Use{}
	for _, p := range probes {
		snap := c.head.snapshot()
		snap.Tree = p.Tree
		r := m.previews.render(ctx, o, Revision{snap, c.env.Name})
		if r.err != nil {
			m.note("", "%v", r.err)
			continue
		}
		uses := p.Uses(r.fleet)
		for i, found := range uses {
			c.uses[i] = append(c.uses[i], found...)
		}
		for i, answer := range p.Consumed(r.fleet, c.pins, uses) {
			if answer.Consumed != flow.Unknown {
				c.facts[i] = answer
			}
		}
		if out := unreachable(r.fleet); out != "" {
			m.note("", "%s: %s", c.env.Name, out)
		}
	}
}

// unreachable says what of a fleet was out of reach.
func unreachable(r fleet.Rendered) string {
	var units []string
	for _, u := range r.Units {
		if u.State == fleet.NotRendered && u.Key.Kind == "HelmRelease" && len(u.Objects) == 0 {
			units = append(units, u.Key.String())
		}
	}
	if len(units) == 0 {
		return ""
	}
	text := strings.Join(units[:min(len(units), 3)], ", ")
	if len(units) > 3 {
		text += fmt.Sprintf(" and %d more", len(units)-3)
	}
	return "not rendered, so what reads pins there is not known: " + text
}

// componentsOf are the declared components, and of the others what the environments
// derive, the first that says it.
func componentsOf(f flow.Flow, read []*columnReader) map[string]flow.Component {
	out := map[string]flow.Component{}
	for _, c := range f.Components {
		out[c.Name] = c
	}
	for _, r := range read {
		for name, d := range r.derived {
			out[name] = flow.Fill(out[name], d)
		}
	}
	return out
}

// column asks for each pin whether what it names exists, and what runs.
func (m *matrixReader) column(ctx context.Context, c *columnReader, components map[string]flow.Component) flow.Column {
	live := m.live(c)
	for i, p := range c.pins {
		fact := &c.facts[i]
		component := flow.Fill(components[p.Component], flow.Component{Image: flow.ImageOf(p)})
		values, err := m.there.of(ctx, p, component)
		switch {
		case errors.Is(err, errUnknownComponent):
		case errors.Is(err, errAway):
			if address := component.Address(p.Kind); !slices.Contains(m.away, address) {
				m.away = append(m.away, address)
			}
		case err != nil:
			m.note("", "%s: what there is beside %s is not known: %v", p.Component, p.Value, err)
		case slices.Contains(values, p.Value) || p.Kind == flow.ChartPin && flow.IsRange(p.Value):
			fact.Exists, fact.There = flow.Yes, values
			m.fixes(ctx, p, component, fact)
		default:
			fact.Exists, fact.There = flow.No, values
			fact.Why = with(fact.Why, flow.Dangling, p.Kind.Dangles(values))
		}
		if live != nil {
			fact.Live = flow.Live(p, c.uses[i], func(k object.Key) map[string]any { return liveObject(ctx, live, k) })
		}
	}
	return flow.Column{Environment: c.env, Pins: c.pins, Facts: c.facts}
}

// fixes says whether a pinned branch has fixes that its main line lacks.
func (m *matrixReader) fixes(ctx context.Context, p flow.Pin, c flow.Component, fact *flow.Fact) {
	if p.Kind != flow.BranchPin {
		return
	}
	found, err := m.there.fixes(ctx, p.Value, c)
	if err != nil {
		m.note("", "%s: whether %s has fixes that its main branch lacks is not known: %v", p.Component, p.Value, err)
	}
	if fact.Fixes = len(found); fact.Fixes > 0 {
		fact.Why = with(fact.Why, flow.HotFix, fmt.Sprintf("its main branch lacks %d of its commits, the last is «%s» of %s", fact.Fixes, found[0].Subject(), found[0].Author.Name))
	}
}

func with(why map[flow.State]string, state flow.State, text string) map[flow.State]string {
	out := maps.Clone(why)
	if out == nil {
		out = map[flow.State]string{}
	}
	out[state] = text
	return out
}

func (m *matrixReader) live(c *columnReader) world.Reader {
	if m.cfg.Live == nil || c.env.Context == "" {
		return nil
	}
	w, err := m.cfg.Live(c.env.Context)
	if err != nil {
		m.note("", "%s: what runs is not known: %v", c.env.Name, err)
		return nil
	}
	return w
}

// liveObject reads an object; what cannot be read is as good as not there.
func liveObject(ctx context.Context, w world.Reader, k object.Key) map[string]any {
	kind, err := w.Kind(ctx, k.GroupKind().WithVersion(""))
	if err != nil {
		return nil
	}
	o, err := w.Get(ctx, object.Ref{Key: k, Version: kind.GVK.Version})
	if err != nil || o == nil {
		return nil
	}
	return o.Object
}

// tidy says each thing once.
func tidy(notes []flow.Note) []flow.Note {
	var out []flow.Note
	for _, n := range notes {
		n.Text = strings.Join(strings.Fields(n.Text), " ")
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
