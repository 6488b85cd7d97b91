package helm

import (
	"crypto/sha256"
	"maps"
	"reflect"
	"sync"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// maxRenders bounds the bytes of texts that Renders keeps.
const maxRenders = 64 << 20

// Renders keeps what charts rendered, by all that their templates see: templates
// and files, values, the release with its name and revision, capabilities. So it
// serves who renders the same again: base and head of a plan, and the next plan.
// What called a function of varying is not kept. Its zero value is ready; it is
// safe for concurrent use, and clusters may share it.
type Renders struct {
	mu         sync.Mutex
	young, old map[renderKey]map[string]string // old ones go when the young are too many
	size       int                             // of the young, in bytes
	hits       int
}

type renderKey [sha256.Size]byte

// Cache makes charts be rendered from what is kept, and kept. To be called before
// the first run.
func (c *Cluster) Cache(r *Renders) { c.renders = r }

// find returns the texts of an order; they must not be changed.
func (r *Renders) find(key renderKey) (map[string]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files, known := r.young[key]
	if !known {
		if files, known = r.old[key]; known {
			r.add(key, files)
		}
	}
	if known {
		r.hits++
	}
	return files, known
}

func (r *Renders) keep(key renderKey, files map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(key, files)
}

func (r *Renders) add(key renderKey, files map[string]string) {
	n := len(key)
	for name, text := range files {
		n += len(name) + len(text)
	}
	if n > maxRenders/2 {
		return
	}
	if r.young == nil || r.size+n > maxRenders/2 {
		r.young, r.old, r.size = map[renderKey]map[string]string{}, r.young, 0
	}
	if _, known := r.young[key]; !known {
		r.young[key] = files
		r.size += n
	}
}

// varying are the functions of templates that may return something else next time:
// they look at the clock, at the cluster, or at random numbers. (keys and values,
// whose order is none, are not among them: one order is as good as another.)
var varying = wordSet(`
	now ago date dateInZone date_in_zone htmlDate htmlDateInZone durationRound
	randAlphaNum randAlpha randAscii randNumeric randBytes randInt uuidv4 shuffle
	genPrivateKey genCA genCAWithKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey
	encryptAES bcrypt htpasswd
`)

// watched returns the functions of varying, and lookup; calling one makes what is
// rendered be of that moment only.
func (g *guard) watched(lookup any) template.FuncMap {
	funcs := template.FuncMap{"lookup": lookup}
	maps.Copy(funcs, sprig.TxtFuncMap())
	maps.DeleteFunc(funcs, func(name string, _ any) bool { return name != "lookup" && !varying[name] })
	for name, f := range funcs {
		call := reflect.ValueOf(f)
		funcs[name] = reflect.MakeFunc(call.Type(), func(args []reflect.Value) []reflect.Value {
			g.varied.Store(true)
			if call.Type().IsVariadic() {
				return call.CallSlice(args)
			}
			return call.Call(args)
		}).Interface()
	}
	return funcs
}

// made is what an order yields.
type made struct {
	Files  map[string]string // rendered, by full name
	Varies bool              // may be something else the next time
}

// cached renders an order, unless that is known.
func (m *remote) cached(o order) (map[string]string, error) {
	input, err := o.encode()
	if err != nil {
		return nil, err
	}
	renders := m.run.cluster.renders
	if renders == nil {
		out, err := m.elsewhere(input)
		return out.Files, err
	}
	key := renderKey(sha256.Sum256(input))
	if files, known := renders.find(key); known {
		return files, nil
	}
	var out made
	if m.run.isolated() {
		out, err = m.elsewhere(input)
	} else {
		out, err = o.render(m.run.ctx, m.answer)
	}
	if err == nil && !out.Varies && !o.DNS {
		renders.keep(key, out.Files)
	}
	return out.Files, err
}
