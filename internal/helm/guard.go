package helm

import (
	"fmt"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// Bounds of rendering one chart.
const (
	// maxTicks bounds the turns of all loops and the calls of all named
	// templates together.
	maxTicks = 1_000_000
	// maxRender bounds the time.
	maxRender = time.Minute
	// maxHeap bounds by how many bytes the live heap of the process may grow
	// meanwhile. Others grow it too; not by this much within one rendering.
	maxHeap = 256 << 20
	// ticksPerLook is how many ticks pass between two looks at time and heap.
	ticksPerLook = 32
)

// tick is the name of the function that guarded templates call.
const tick = "leatTick"

// guard counts what a chart does while it renders. Go's templates cannot be
// stopped from outside; so each loop and each named template of the job's copy
// of the chart begins with a call that can fail, and each action that prints is
// followed by one. Text that a chart passes to tpl is not guarded: such a chart is
// rendered in a child, where there is one (see isolated).
type guard struct {
	run     *run
	ticks   atomic.Int64
	began   time.Time
	heap    uint64
	texts   map[*chart.Chart][][]byte
	metrics []metrics.Sample
	remote  *remote // of a chart that is rendered apart
	varied  atomic.Bool
}

func newGuard(r *run) *guard {
	g := &guard{run: r, texts: map[*chart.Chart][][]byte{}, metrics: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	return g
}

// protect puts the calls into c, which must be a copy, and its subcharts.
func (g *guard) protect(c *chart.Chart) *chart.Chart {
	g.began, g.heap = time.Now(), g.heapNow()
	g.each(c)
	return c
}

func (g *guard) each(c *chart.Chart) {
	files := c.Templates[:0:0]
	for _, f := range c.Templates {
		own := *f
		g.texts[c] = append(g.texts[c], f.Data)
		own.Data = []byte(guarded(string(f.Data)))
		files = append(files, &own)
	}
	c.Templates = files
	for _, sub := range c.Dependencies() {
		g.each(sub)
	}
}

// restore gives the chart its own text back: it is rendered, and about to be
// stored.
func (g *guard) restore() {
	for c, texts := range g.texts {
		c.Templates = c.Templates[:len(texts)]
		for i, text := range texts {
			c.Templates[i].Data = text
		}
	}
	clear(g.texts)
}

func (g *guard) heapNow() uint64 {
	metrics.Read(g.metrics)
	return g.metrics[0].Value.Uint64()
}

// tick is called by guarded templates; it prints nothing.
func (g *guard) tick() (string, error) {
	n := g.ticks.Add(1)
	if n > maxTicks {
		return "", fmt.Errorf("chart takes more than %d turns of loops and named templates", maxTicks)
	}
	if n%ticksPerLook != 0 {
		return "", nil
	}
	switch {
	case g.run.ctx.Err() != nil:
		return "", g.run.ctx.Err()
	case time.Since(g.began) > maxRender:
		return "", fmt.Errorf("chart takes longer than %s to render", maxRender)
	case g.heapNow() > g.heap+maxHeap:
		return "", fmt.Errorf("chart takes more than %d bytes to render", maxHeap)
	}
	return "", nil
}

// guarded returns a template with a call of tick at the beginning of each loop
// and named template, and after each action that prints or keeps something. Lines stay where they are. Text that is no template is
// returned as it is, for Helm to complain about.
func guarded(text string) string {
	var out strings.Builder
	for rest := text; ; {
		start := strings.Index(rest, "{{")
		if start < 0 {
			out.WriteString(rest)
			return out.String()
		}
		end := actionEnd(rest, start+2)
		if end < 0 {
			return text
		}
		action := rest[start+2 : end-2]
		out.WriteString(rest[:end])
		rest = rest[end:]
		if repeats(action) && !blank(rest) || prints(action) {
			out.WriteString("{{" + tick)
			if trims(action) {
				out.WriteString(" -") // what follows is still trimmed
			}
			out.WriteString("}}")
		}
	}
}

// actionEnd returns where the action ends that text is in at i, past its
// braces; -1 if it does not.
func actionEnd(text string, i int) int {
	if inner := strings.TrimLeft(strings.TrimPrefix(text[i:], "-"), " \t\r\n"); strings.HasPrefix(inner, "/*") {
		i = len(text) - len(inner)
		closed := strings.Index(text[i:], "*/")
		if closed < 0 {
			return -1
		}
		i += closed + 2
	}
	for i < len(text) {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], "}}"):
			return i + 2
		case c == '"' || c == '\'' || c == '`':
			if i = quoteEnd(text, i+1, c); i < 0 {
				return -1
			}
		default:
			i++
		}
	}
	return -1
}

// quoteEnd returns the place after the quote that ends what begins at i.
func quoteEnd(text string, i int, quote byte) int {
	for ; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return -1
}

// repeats tells whether an action begins a loop or a named template.
func repeats(action string) bool {
	action = strings.TrimLeft(strings.TrimPrefix(action, "-"), " \t\r\n")
	for _, word := range []string{"range", "define", "block"} {
		after, found := strings.CutPrefix(action, word)
		if found && (after == "" || strings.ContainsRune(" \t\r\n\"`($.", rune(after[0]))) {
			return true
		}
	}
	return false
}

// controls are the keywords of actions that neither print nor keep anything by
// themselves; named templates count where they begin.
var controls = wordSet("if else end with range define template block break continue")

// prints tells whether an action prints or keeps a value.
func prints(action string) bool {
	action = strings.TrimLeft(strings.TrimPrefix(action, "-"), " \t\r\n")
	if strings.HasPrefix(action, "/*") {
		return false
	}
	return !controls[action[:wordEnd(action, 0)]]
}

// trims tells whether an action trims the text after it.
func trims(action string) bool {
	n := len(action)
	return n > 1 && action[n-1] == '-' && strings.ContainsRune(" \t\r\n", rune(action[n-2]))
}

// blank tells whether a body holds nothing: a named template without a body does
// not replace another of its name, and must stay so.
func blank(rest string) bool {
	body, _, found := strings.Cut(rest, "{{")
	if !found || strings.TrimSpace(body) != "" {
		return false
	}
	next := strings.TrimLeft(strings.TrimPrefix(rest[len(body)+2:], "-"), " \t\r\n")
	return strings.HasPrefix(next, "end") || strings.HasPrefix(next, "/*")
}
