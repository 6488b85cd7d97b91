package build

import (
	"bytes"
	"fmt"
	"path"
	"slices"

	"sigs.k8s.io/kustomize/api/types"
)

// What kustomize does cannot be stopped, and takes time with the product of what is
// changed and what changes it. So the product is estimated while files are read, before
// the work that they make begins, and a build that may take long is left to another
// process (Apart). The estimate is a bound from above for what people write as for what
// they write to take this process down; docs/design/0008 has the measurements.

// The bounds of a build in this process, where there is another one to do it.
const (
	// maxSteps bounds the estimated work; a step takes a few microseconds at most.
	maxSteps = 7_000_000
	// maxHere bounds the lines and list entries that are parsed, maxListed those of a
	// kustomization that lists files and asks for nothing else.
	maxHere, maxListed = 100_000, 300_000
	// maxBytesHere bounds what is read.
	maxBytesHere = 64 << 20
	// maxCopies bounds in bytes what is written several times.
	maxCopies = 16 << 20
	// maxVarText bounds in bytes a build in which variables of kustomize are
	// expanded, which may square it.
	maxVarText = 16 << 10
)

// The weights of the estimate, in steps.
const (
	// perObject is what one unit of a directive costs for each object, and perUnit for each
	// unit of these.
	perObject, perUnit = 15.0, 0.2
	// perSibling is what each directive costs for each pair of entries of a list, or of
	// fields of a map: kustomize looks for each among all.
	perSibling = 0.3
	// perDirective is how many units a directive has at least.
	perDirective = 20
	// perPair is for each pair of objects below a kustomization: names are compared.
	perPair = 0.3
	// perReference is for each object and each unit that may name it.
	perReference = 0.03
	// perSpec is for each pair of objects and each unit of a kustomization that
	// configures where names stand.
	perSpec = 0.3
	// perCounted is what a counted repetition of a pattern multiplies.
	perCounted = 3000
	// unitBytes is how many bytes count as much as a line.
	unitBytes = 16
	// contentBytes is the same for files that are taken as they are.
	contentBytes = 1000
)

// load is what one attempt was given so far.
type load struct {
	listed bool              // nobody changes anything
	levels map[string]*level // by directory
	files  map[string]amount // of what was read, by name
	all    amount            // with every repeated read
	fresh  int               // units of objects that were read since it was estimated
	seen   int               // units of those before
	news   bool              // a directive was read since it was
	change map[string]bool   // the files that hold directives
	vars   int               // kustomizations with variables
	dollar int               // signs with which a substitution may begin
}

// level is one kustomization.
type level struct {
	name       string
	directives amount
	names      []named
	generated  int  // objects
	configures bool // where names stand
}

type named struct {
	name  string
	takes takes
}

func newLoad() load {
	return load{levels: map[string]*level{}, change: map[string]bool{}, files: map[string]amount{}}
}

// unitsWorth is from how many units on a build is worth an estimate: the product of
// less is small.
const unitsWorth = 500

// begin notes a kustomization that was read.
func (l *load) begin(name string, data []byte, k *types.Kustomization) {
	at := &level{name: name, directives: amountOf(data), configures: len(k.Configurations) > 0}
	if !anchored(data) {
		for _, entry := range slices.Concat(k.Resources, k.Bases, k.Components) { // they change nothing
			at.directives.units -= 1 + len(entry)/unitBytes
			at.directives.lines--
		}
	}
	at.directives.units, at.directives.lines = max(at.directives.units, 1), max(at.directives.lines, 1)
	at.directives.longest = min(at.directives.longest, at.directives.lines)
	if counted(data) {
		at.directives.units *= perCounted
		l.all.units += at.directives.units
	}
	if at.generated = len(k.ConfigMapGenerator) + len(k.SecretGenerator); len(k.Generators) > 0 {
		at.generated += at.directives.objects // that stand in it
	}
	if len(k.Vars) > 0 {
		l.vars++
	}
	l.levels[path.Dir(name)], l.news = at, true
}

// names notes what a kustomization names.
func (l *load) names(dir, name string, t takes) {
	if at := l.levels[dir]; at != nil {
		at.names = append(at.names, named{name, t})
	}
	if t != fileOrDir && t != content {
		l.change[name] = true
	}
}

// read notes a file that was read, and whether it is parsed.
func (l *load) read(name string, data []byte, as role) {
	a, known := l.files[name]
	if !known || a.units == 0 && as == parsed {
		if a = (amount{bytes: len(data)}); as == parsed {
			a = amountOf(data)
		}
		l.files[name] = a
	}
	l.all.add(a)
	if l.change[name] {
		l.news = true
	} else {
		l.fresh += a.units
	}
	l.dollar += bytes.Count(data, []byte{'$'}) + bytes.Count(data, []byte{'\\'})
}

// effort is the estimated work of a build.
type effort struct {
	steps float64
	worst *level  // the kustomization that has most of it
	most  float64 // that
	below amount  // what its directives change
	does  amount  // its directives

	copies bool // a directive may copy
}

// estimate estimates what the kustomization of dir makes of all that was read so far.
func (l *load) estimate(dir string) effort {
	w := walk{load: l, known: map[string]*branch{}}
	b := w.branch(dir)
	w.total.steps = b.steps + perReference*float64(b.objects.objects)*float64(b.objects.units)
	return w.total
}

// walk goes through the kustomizations of a build.
type walk struct {
	*load
	known map[string]*branch
	total effort
}

// branch is a kustomization with all below.
type branch struct {
	steps      float64
	objects    amount
	directives amount // its own, and those of its components, which change what it has
}

func (w *walk) branch(dir string) *branch {
	if b := w.known[dir]; b != nil {
		return b
	}
	b := &branch{}
	w.known[dir] = b
	at := w.levels[dir]
	if at == nil {
		return b
	}
	b.directives, b.objects.objects = at.directives, at.generated
	for _, n := range at.names {
		w.follow(b, n)
	}
	w.total.copies = w.total.copies || b.directives.copies
	own := cost(at, b.directives, b.objects)
	if b.steps += own; own > w.total.most {
		w.total.worst, w.total.most, w.total.below, w.total.does = at, own, b.objects, b.directives
	}
	return b
}

// follow adds what a kustomization names to its branch.
func (w *walk) follow(b *branch, n named) {
	if n.takes.directories() && w.levels[n.name] != nil {
		sub := w.branch(n.name)
		b.steps += sub.steps
		b.objects.add(sub.objects)
		if n.takes != fileOrDir {
			b.directives.add(sub.directives)
		}
		return
	}
	a := w.files[n.name]
	switch n.takes {
	case fileOrDir:
		b.objects.add(a)
	case content:
		b.objects.add(amount{units: a.bytes / contentBytes, bytes: a.bytes})
	default:
		b.directives.add(a)
		if n.takes == pluginConfig {
			b.objects.objects += a.objects
		}
	}
}

// cost is what the directives of a kustomization cost over the objects below it.
func cost(at *level, does, below amount) float64 {
	d, n := float64(does.units), float64(below.objects)
	out := d * (perObject*n + perUnit*float64(below.units))
	out += perSibling * (1 + d/perDirective) * float64(below.longest+does.longest) * float64(below.lines)
	out += perSibling * (1 + n) * float64(does.longest) * float64(does.lines)
	out += perPair * n * n
	if at.configures {
		out += perSpec * d * n * n
	}
	return out
}

// within bounds what is done in this process, where there is another one to do more.
func (p *port) within(r Recipe, o Options) {
	p.bound = o.Apart != nil
	for _, value := range r.Substitute {
		p.longest = max(p.longest, len(value))
	}
}

// here refuses a build that is too much for this process.
func (p *port) here() error {
	if !p.bound {
		return nil
	}
	if why := p.tooMuch(); why != "" {
		return p.refuse(&tooHeavy{why})
	}
	return nil
}

// tooMuch says why this build is too much for this process; empty where it is not.
func (p *port) tooMuch() string {
	most := maxHere
	if p.load.listed {
		most = maxListed
	}
	switch {
	case p.items > most:
		return fmt.Sprintf("it has more than %d lines", most)
	case p.load.listed:
		return ""
	case p.readBytes > maxBytesHere:
		return fmt.Sprintf("it reads more than %d bytes", maxBytesHere)
	case p.growth.factor > 1 && p.growth.factor*max(p.items, 1) > maxHere:
		return "its replacements copy what replacements have written"
	case p.load.vars > 1 || p.load.vars == 1 && p.readBytes > maxVarText:
		return "it expands variables of kustomize"
	case p.ownSchema:
		return "it brings a schema of its own"
	case p.longest*(4*p.load.all.objects+p.load.dollar) > maxCopies:
		return "it substitutes long values in many places"
	}
	return p.load.tooMuch(p.root, p.growth.fields)
}

// tooMuch says why what is made of dir is too much; replaced are the fields that
// replacements write.
func (l *load) tooMuch(dir string, replaced int) string {
	if l.all.units < unitsWorth || !l.news && l.fresh < l.seen/8 {
		return ""
	}
	l.seen, l.fresh, l.news = l.seen+l.fresh, 0, false
	switch e := l.estimate(dir); {
	case e.steps > maxSteps:
		return e.String()
	case e.copies && l.all.objects*maxCopied > maxCopies:
		return fmt.Sprintf("it copies within about %d objects", l.all.objects)
	case replaced*l.all.bytes*l.all.objects > maxCopies:
		return fmt.Sprintf("its replacements write %d fields in about %d objects", replaced, l.all.objects)
	}
	return ""
}

// String says which kustomization has most of the work.
func (e effort) String() string {
	if e.worst == nil || e.most < e.steps/2 {
		return "it has many objects that name each other"
	}
	if e.below.objects == 0 {
		return fmt.Sprintf("%s has %d lines of changes, about", display(e.worst.name), e.does.lines)
	}
	return fmt.Sprintf("%s changes %d objects by %d lines, about", display(e.worst.name), e.below.objects, e.does.lines)
}
