package helm

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/leat-dev/leat/internal/isolate"
)

// Isolator does work in a child process; isolate.Pool is one.
type Isolator interface {
	Do(ctx context.Context, job isolate.Job) ([]byte, error)
}

// Isolate makes charts that are not known to be harmless be rendered in children
// that can do RenderWork under the name RenderName. To be called before the first
// run; without it, everything is rendered in this process.
func (c *Cluster) Isolate(in Isolator) { c.isolator = in }

// The functions that stand in the templates of a chart which a child renders.
// Helm's actions render by themselves: the chart that they are given holds, first
// in order, one template that calls handOver with all that templates see, and
// then each of its own as a call of handedBack.
const (
	handOver   = "leatHandOver"
	handedBack = "leatHandedBack"
)

// deepest is the name of the template that is rendered first: Helm begins with
// those that lie deepest (helm v4.2.4 pkg/engine/engine.go, sortTemplates).
var deepest = "templates/" + strings.Repeat("leat/", 100) + "first"

// order is what is to be rendered, by a child or here.
type order struct {
	Chart   orderedChart
	Values  []byte // packed, as .Values of the chart itself
	Release []byte // packed, as .Release
	Kube    common.KubeVersion
	APIs    []string
	DNS     bool
}

// orderedChart is a chart as far as templates see it.
type orderedChart struct {
	Metadata  []byte // JSON
	Templates []orderedFile
	Files     []orderedFile
	Charts    []orderedChart
}

type orderedFile struct {
	Name string
	Data []byte
}

// question is a call of lookup.
type question struct{ APIVersion, Kind, Namespace, Name string }

// isolated tells whether the run's chart is rendered in a child.
func (r *run) isolated() bool { return r.cluster.isolator != nil && !gentle(r.job.Chart) }

// remote renders a chart elsewhere, and keeps what came of it.
type remote struct {
	run   *run
	chart *chart.Chart
	texts map[*common.File][]byte
	files map[string]string // rendered, by full name
	err   error
}

// replace puts calls in the place of the templates of c, which must be a copy.
func (g *guard) replace(c *chart.Chart) *chart.Chart {
	g.remote = &remote{run: g.run, chart: c, texts: map[*common.File][]byte{}}
	g.replaceEach(c)
	c.Templates = append(c.Templates, &common.File{Name: deepest, Data: []byte("{{" + handOver + " .}}")})
	return c
}

func (g *guard) replaceEach(c *chart.Chart) {
	files := c.Templates[:0:0]
	for _, f := range c.Templates {
		own := *f
		g.texts[c] = append(g.texts[c], f.Data)
		own.Data = []byte("{{" + handedBack + " .Template.Name}}")
		if strings.HasPrefix(f.Name[strings.LastIndex(f.Name, "/")+1:], "_") {
			own.Data = nil
		}
		g.remote.texts[&own] = f.Data
		files = append(files, &own)
	}
	c.Templates = files
	for _, sub := range c.Dependencies() {
		g.replaceEach(sub)
	}
}

// cause returns the child's own error in place of what Helm made of it, and what a
// schema refused always in one order.
func (g *guard) cause(err error) error {
	if err != nil && g.remote != nil && g.remote.err != nil {
		return g.remote.err
	}
	return steady(err)
}

// back returns the rendered text of a template.
func (m *remote) back(name string) (string, error) {
	text, known := m.files[name]
	if !known {
		return "", fmt.Errorf("render %s: it was not rendered", name)
	}
	return text, nil
}

// handOver renders all templates, given what the chart's own see.
func (m *remote) handOver(top map[string]any) (string, error) {
	m.files, m.err = m.render(top)
	return "", m.err
}

func (m *remote) render(top map[string]any) (map[string]string, error) {
	o, err := m.order(top)
	if err != nil {
		return nil, err
	}
	return m.cached(o)
}

// elsewhere renders an order in a child.
func (m *remote) elsewhere(input []byte) (made, error) {
	out, err := m.run.cluster.isolator.Do(m.run.ctx, isolate.Job{
		Work: RenderName, Input: input, Timeout: maxRender,
		Answer: func(_ context.Context, q []byte) ([]byte, error) { return m.answer(q) },
	})
	var died *isolate.Died
	switch {
	case errors.As(err, &died):
		return made{}, fmt.Errorf("render chart %s: %w; %s", m.chart.Name(), err, advice(died.Bound))
	case err != nil:
		return made{}, err
	}
	var result made
	if err := gob.NewDecoder(bytes.NewReader(out)).Decode(&result); err != nil {
		return result, fmt.Errorf("render chart %s: read what was rendered: %w", m.chart.Name(), err)
	}
	return result, nil
}

// advice says what to do about a chart that met a bound.
func advice(b isolate.Bound) string {
	if b == isolate.Killed {
		return "it will be tried again"
	}
	return "look for templates, or templates in values, that grow with each use or never end"
}

// order writes down what the child needs: the chart as Helm left it, with its own
// templates, and the values as Helm made them. That is all that its templates see.
func (m *remote) order(top map[string]any) (o order, err error) {
	if o.Values, err = pack(nil, top["Values"]); err != nil {
		return o, err
	}
	if o.Release, err = pack(nil, top["Release"]); err != nil {
		return o, err
	}
	caps, ok := top["Capabilities"].(*common.Capabilities)
	if !ok {
		return o, fmt.Errorf("render chart %s: capabilities are a %T", m.chart.Name(), top["Capabilities"])
	}
	o.Kube, o.APIs, o.DNS = caps.KubeVersion, caps.APIVersions, m.run.job.Gates.DNS
	o.Chart, err = m.ordered(m.chart, m.readsFiles(o.Values))
	return o, err
}

// fileUse tells whether files of a chart are wanted beside its templates.
type fileUse int

const (
	noFiles fileUse = iota
	allFiles
)

// readsFiles tells whether templates or values name the files of charts, which
// may be large: CRDs are among them.
func (m *remote) readsFiles(values []byte) fileUse {
	word := []byte("Files")
	if bytes.Contains(values, word) {
		return allFiles
	}
	for _, text := range m.texts {
		if bytes.Contains(text, word) {
			return allFiles
		}
	}
	return noFiles
}

func (m *remote) ordered(c *chart.Chart, use fileUse) (o orderedChart, err error) {
	if o.Metadata, err = json.Marshal(c.Metadata); err != nil {
		return o, fmt.Errorf("render chart %s: %w", c.Name(), err)
	}
	for _, f := range c.Templates {
		if text, own := m.texts[f]; own {
			o.Templates = append(o.Templates, orderedFile{f.Name, text})
		}
	}
	if use == allFiles {
		for _, f := range c.Files {
			o.Files = append(o.Files, orderedFile{f.Name, f.Data})
		}
	}
	for _, sub := range c.Dependencies() {
		s, err := m.ordered(sub, use)
		if err != nil {
			return o, err
		}
		o.Charts = append(o.Charts, s)
	}
	return o, nil
}

// answer looks something up for the child, as the identity of the run.
func (m *remote) answer(q []byte) ([]byte, error) {
	var ask question
	if err := json.Unmarshal(q, &ask); err != nil {
		return nil, fmt.Errorf("look up: %w", err)
	}
	found, err := m.run.lookup(ask.APIVersion, ask.Kind, ask.Namespace, ask.Name)
	if err != nil {
		return nil, err
	}
	return pack(nil, found)
}
